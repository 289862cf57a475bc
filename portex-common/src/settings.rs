//! Read-only globals of the kernel programs, fixed before loading.
//!
//! The verifier takes them for constants, so what is switched off costs nothing at run time.

/// An offset that this kernel does not have; what needs it is off.
pub const ABSENT: u16 = u16::MAX;

/// Bytes of `struct sock_common` that are read at once: all [`Offsets`] into it lie below.
pub const SOCK_COMMON_BYTES: usize = 104;

/// Byte offsets of kernel fields, resolved from the running kernel's BTF.
///
/// Named after the kernel's structs and fields; `bhash_stride` is the size of an
/// `inet_bind_hashbucket`; `skc_ipv6only_bit` and `sk_userlocks_bit` are offsets in bits. Those of `sock_common` hold for sockets and for
/// TIME_WAIT minisockets alike, as both begin with one.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the kernel's own names, struct_field")]
pub struct Offsets {
    pub skc_daddr: u16,
    pub skc_rcv_saddr: u16,
    pub skc_hash: u16,
    pub skc_dport: u16,
    pub skc_num: u16,
    pub skc_family: u16,
    pub skc_state: u16,
    pub skc_net: u16,
    pub skc_v6_daddr: u16,
    pub skc_v6_rcv_saddr: u16,
    pub skc_flags: u16,
    pub sk_shutdown: u16,
    pub sk_protocol: u16,
    pub sk_err: u16,
    pub inet_sport: u16,
    pub net_ns_inum: u16,
    pub tw_substate: u16,
    pub tw_tb: u16,
    pub tw_timer: u16,
    pub timer_expires: u16,
    pub timer_function: u16,
    pub task_files: u16,
    pub files_fdt: u16,
    pub fdt_max_fds: u16,
    pub fdt_fd: u16,
    pub file_private_data: u16,
    pub socket_file: u16,
    pub socket_sk: u16,
    pub skc_prot: u16,
    pub skc_bound_dev_if: u16,
    pub skc_ipv6only_bit: u16,
    pub skc_bind_node: u16,
    pub skc_nulls_node: u16,
    pub local_port_range: u16,
    pub task_group_leader: u16,
    pub task_start_boottime: u16,
    pub proto_hashinfo: u16,
    pub net_hashinfo: u16,
    pub tw_refcount: u16,
    pub tw_count: u16,
    pub max_tw_buckets: u16,
    pub hashinfo_ehash: u16,
    pub hashinfo_ehash_mask: u16,
    pub hashinfo_bhash: u16,
    pub hashinfo_bhash_size: u16,
    pub bhash_chain: u16,
    pub bhash_stride: u16,
    pub bucket_net: u16,
    pub bucket_l3mdev: u16,
    pub bucket_port: u16,
    pub bucket_fastreuse: u16,
    pub bucket_fastreuseport: u16,
    pub bucket_node: u16,
    pub bucket_owners: u16,
    pub tw_ts_recent_stamp: u16,
    pub sk_userlocks_bit: u16,
    pub task_stack: u16,
}

/// Everything that user space tells the kernel programs.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Fill level of the ring buffer in bytes at which user space is woken.
    pub wakeup_bytes: u32,
    /// Only connects of this process (TGID); 0 for all.
    pub tgid: u32,
    /// Only connects in this network namespace (inode number); 0 for all.
    pub netns: u32,
    /// 1: only failed allocations are told.
    pub failures_only: u8,
    /// 1: every state change is told.
    pub states: u8,
    /// 1: `sys_exit_connect` is attached (tracepoint way).
    pub syscall_exit: u8,
    /// 1: the kernel has `bpf_get_current_task_btf` and `bpf_task_pt_regs` (5.15).
    pub task_pt_regs: u8,
    /// 1: where a failing call came from is told: its user stack.
    pub stacks: u8,
    /// 1: its kernel stack too.
    pub kernel_stacks: u8,
    /// Where fields are.
    pub offsets: Offsets,
}

const _: () = assert!(size_of::<Offsets>() == 114, "no hidden padding");
const _: () = assert!(size_of::<Settings>() == 132, "no hidden padding");

impl Settings {
    /// Nothing known, nothing filtered: what the object file holds until user space overrides it.
    pub const UNSET: Self = Self {
        wakeup_bytes: 0,
        tgid: 0,
        netns: 0,
        failures_only: 0,
        states: 0,
        syscall_exit: 0,
        task_pt_regs: 0,
        stacks: 0,
        kernel_stacks: 0,
        offsets: Offsets::UNSET,
    };
}

impl Offsets {
    /// All absent.
    pub const UNSET: Self = Self {
        skc_daddr: ABSENT,
        skc_rcv_saddr: ABSENT,
        skc_hash: ABSENT,
        skc_dport: ABSENT,
        skc_num: ABSENT,
        skc_family: ABSENT,
        skc_state: ABSENT,
        skc_net: ABSENT,
        skc_v6_daddr: ABSENT,
        skc_v6_rcv_saddr: ABSENT,
        skc_flags: ABSENT,
        sk_shutdown: ABSENT,
        sk_protocol: ABSENT,
        sk_err: ABSENT,
        inet_sport: ABSENT,
        net_ns_inum: ABSENT,
        tw_substate: ABSENT,
        tw_tb: ABSENT,
        tw_timer: ABSENT,
        timer_expires: ABSENT,
        timer_function: ABSENT,
        task_files: ABSENT,
        files_fdt: ABSENT,
        fdt_max_fds: ABSENT,
        fdt_fd: ABSENT,
        file_private_data: ABSENT,
        socket_file: ABSENT,
        socket_sk: ABSENT,
        skc_prot: ABSENT,
        skc_bound_dev_if: ABSENT,
        skc_ipv6only_bit: ABSENT,
        skc_bind_node: ABSENT,
        skc_nulls_node: ABSENT,
        local_port_range: ABSENT,
        task_group_leader: ABSENT,
        task_start_boottime: ABSENT,
        proto_hashinfo: ABSENT,
        net_hashinfo: ABSENT,
        tw_refcount: ABSENT,
        tw_count: ABSENT,
        max_tw_buckets: ABSENT,
        hashinfo_ehash: ABSENT,
        hashinfo_ehash_mask: ABSENT,
        hashinfo_bhash: ABSENT,
        hashinfo_bhash_size: ABSENT,
        bhash_chain: ABSENT,
        bhash_stride: ABSENT,
        bucket_net: ABSENT,
        bucket_l3mdev: ABSENT,
        bucket_port: ABSENT,
        bucket_fastreuse: ABSENT,
        bucket_fastreuseport: ABSENT,
        bucket_node: ABSENT,
        bucket_owners: ABSENT,
        tw_ts_recent_stamp: ABSENT,
        sk_userlocks_bit: ABSENT,
        task_stack: ABSENT,
    };
}

#[cfg(feature = "user")]
// SAFETY: repr(C), integers only, no padding (asserted above): any of its bytes may be read.
unsafe impl aya::Pod for Settings {}
