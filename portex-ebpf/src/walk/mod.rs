//! Walks over the kernel's tables of ports, for what no interface tells.
//!
//! These programs are attached to nothing. User space runs them (`BPF_PROG_TEST_RUN`, 5.10) with the
//! descriptor of a TCP socket of its own, by which the tables are found, and the slot to begin at; each
//! run does a bounded number of steps and says how far it came. Tables change meanwhile: a slot that
//! could not be finished is begun again, so that something may be told twice. A run never goes on in the
//! middle of a list: what it stood at may be gone by then.

mod bind_buckets;
mod time_waits;

use aya_ebpf::helpers::generated::bpf_get_current_task;
use portex_common::{Loss, Tuple, Walked, WalkedKind, settings::ABSENT, walked::walk};

use crate::{
    maps::{WALK, WALKED},
    read::{SockCommon, kernel},
    settings::setting,
    task,
};

/// Where a walk stands. It lies in a map and is read and written anew at each step (volatile), as the
/// verifier does not follow values there: it would try every way in which the steps of one run can
/// come to different numbers.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Walk {
    /// The slot that comes next.
    slot: u64,
    /// The slot that the run began at.
    first: u64,
    /// What comes next in the list of the slot before.
    node: u64,
    /// What comes next in the list within that.
    inner: u64,
    /// How many were seen of that.
    inner_seen: u64,
    /// The bucket that the list within belongs to.
    bucket: u64,
}

/// Reads a field of a [`Walk`].
macro_rules! get {
    ($walk:ident.$field:ident) => {
        // SAFETY: a live map value; user space runs one walk at a time.
        unsafe { (&raw const (*$walk).$field).read_volatile() }
    };
}

/// Writes a field of a [`Walk`].
macro_rules! set {
    ($walk:ident.$field:ident, $value:expr) => {{
        let value = $value;
        // SAFETY: as in `get`.
        unsafe { (&raw mut (*$walk).$field).write_volatile(value) }
    }};
}
use {get, set};

impl Walk {
    /// At the beginning of a slot.
    #[inline(always)]
    fn begin(slot: u64, node: u64) -> Option<*mut Self> {
        let walk = WALK.get_ptr_mut(0)?;
        set!(walk.slot, slot);
        set!(walk.first, slot);
        set!(walk.node, node);
        set!(walk.inner, 0);
        Some(walk)
    }
}

/// `struct inet_hashinfo` of the socket behind a descriptor of the running process
/// (`tcp_get_hashinfo`): up to 6.0 the protocol's, since 6.1 the namespace's.
#[inline(always)]
fn hashinfo(fd: u32) -> Result<u64, Loss> {
    // SAFETY: a helper without arguments.
    let task = unsafe { bpf_get_current_task() };
    let sk = task::sock_of_fd(task, fd)?;
    if sk == 0 {
        return Err(Loss::ReadFault);
    }
    if setting!(offsets.skc_prot) != ABSENT && setting!(offsets.proto_hashinfo) != ABSENT {
        let proto: u64 = kernel(sk, setting!(offsets.skc_prot))?;
        let of_protocol: u64 = kernel(proto, setting!(offsets.proto_hashinfo))?;
        if of_protocol != 0 {
            return Ok(of_protocol);
        }
    }
    if setting!(offsets.net_hashinfo) == ABSENT {
        return Err(Loss::ReadFault);
    }
    let net: u64 = kernel(sk, setting!(offsets.skc_net))?;
    kernel(net, setting!(offsets.net_hashinfo))
}

/// Writes what was found. False: the buffer is full.
#[inline(always)]
fn tell(walked: &Walked) -> bool {
    let Some(mut entry) = WALKED.reserve::<Walked>(0) else {
        return false;
    };
    entry.write(*walked);
    entry.submit(u64::from(aya_ebpf::bindings::BPF_RB_NO_WAKEUP));
    true
}

/// A socket or minisocket as it was found.
#[inline(always)]
fn observed(kind: WalkedKind, sock: &SockCommon) -> Result<Walked, Loss> {
    let none = core::hint::black_box(0_u32); // as in `bind_buckets::tell_bucket`
    let mut tuple = Tuple {
        saddr: [none; 4],
        daddr: [none; 4],
        netns: none,
        sport: 0,
        dport: 0,
    };
    sock.addresses(&mut tuple);
    Ok(Walked {
        kind: kind as u8,
        state: sock.state(),
        v6only: u8::from(sock.is_v6only()),
        reserved: 0,
        netns: sock.netns()?,
        dev: sock.bound_dev_if(),
        sport: sock.num(),
        dport: tuple.dport,
        saddr: tuple.saddr,
        daddr: tuple.daddr,
    })
}

/// What a program returns. A slot that was begun and not finished has to be begun again.
#[inline(always)]
fn answer(walk: *mut Walk, unfinished: bool, outcome: Result<u32, Loss>) -> u32 {
    let outcome = outcome.unwrap_or(walk::FAILED);
    let mut done = get!(walk.slot).wrapping_sub(get!(walk.first)) as u32;
    if unfinished && outcome & walk::FAILED == 0 && done != 0 {
        done -= 1;
    }
    done & walk::SLOTS | outcome
}
