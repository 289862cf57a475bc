//! The process that runs now.

use aya_ebpf::helpers::{
    bpf_get_current_pid_tgid, bpf_get_current_uid_gid,
    generated::{bpf_get_current_cgroup_id, bpf_get_current_comm},
};
use portex_common::{Owner, record::COMM_LEN};

use crate::task;

/// Thread id of the running task in the low half, thread group id in the high half.
#[inline(always)]
pub(crate) fn thread() -> u64 {
    bpf_get_current_pid_tgid()
}

/// Who runs now. Only meaningful in the context of the caller of connect().
#[inline(always)]
pub(crate) fn current() -> Owner {
    let thread = thread();
    let mut owner = Owner {
        // SAFETY: a helper without arguments.
        cgroup: unsafe { bpf_get_current_cgroup_id() },
        tgid: (thread >> 32) as u32,
        tid: thread as u32,
        uid: bpf_get_current_uid_gid() as u32,
        comm: [0; COMM_LEN],
        start: task::process_start(),
    };
    // SAFETY: the destination is COMM_LEN bytes long; the helper ends it with NUL.
    unsafe { bpf_get_current_comm(owner.comm.as_mut_ptr().cast(), COMM_LEN as u32) };
    owner
}
