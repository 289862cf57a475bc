//! The record of the ring buffer: one size, one definition.

/// Length of `comm`, the terminating NUL included (`TASK_COMM_LEN` of the kernel).
pub const COMM_LEN: usize = 16;

/// The process that called connect(), as it was at that moment.
///
/// Later transitions run in softirq or in another process; this is why ownership is fixed at connect.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// Id of the cgroup in the unified hierarchy (`bpf_get_current_cgroup_id`); 0 is unknown.
    pub cgroup: u64,
    /// Thread group id, what user space calls the PID.
    pub tgid: u32,
    /// Thread id.
    pub tid: u32,
    /// Real user id, in the initial user namespace.
    pub uid: u32,
    /// Name of the thread (`task_struct.comm`), not necessarily UTF-8, ended by NUL. Untrusted.
    pub comm: [u8; COMM_LEN],
    /// When the process began: `group_leader->start_boottime` in clock ticks of 10 ms, as
    /// `/proc/PID/stat` has it, cut to 32 bits; 0 is unknown.
    pub start: u32,
}

/// Namespace and 4-tuple. IPv4 addresses are stored IPv4-mapped (`::ffff:a.b.c.d`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tuple {
    /// Source address, 32-bit words in network byte order.
    pub saddr: [u32; 4],
    /// Destination address, likewise.
    pub daddr: [u32; 4],
    /// Inode number of the network namespace (`net.ns.inum`).
    pub netns: u32,
    /// Source port in host byte order; 0 when none was given.
    pub sport: u16,
    /// Destination port in host byte order.
    pub dport: u16,
}

/// What happened; the value of [`Record::kind`].
///
/// The wire has integers: a record with another value is answered by an error of the decoder.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// A port was allocated. `first_ns`: time of the port search; `second_ns`: device that the socket
    /// is bound to in the upper half, its own port range (`hi << 16 | lo`) in the lower.
    Connect = 1,
    /// No port was allocated. `first_ns`: time of the port search; `errno` and `flags` say why;
    /// `second_ns` as in a connect.
    ConnectFailed = 2,
    /// A state change, from `from` to `to`.
    State = 3,
    /// The port outlives its socket in a TIME_WAIT minisocket, whose substate is `to`.
    TimeWait = 4,
    /// The port is free. `first_ns`: time it was held; `second_ns`: of that, in TIME_WAIT.
    Released = 5,
    /// bind(), listen() or the binding of an unbound UDP socket got no port. `saddr` and `sport` are
    /// what was asked for; `errno` says why, `reason` which [`BindCall`] it was; `second_ns` as in a
    /// connect.
    BindFailed = 8,
}

/// One more than the highest value of [`RecordKind`]; 0, 6 and 7 are unused.
pub const KINDS: u32 = 9;

/// Bits of [`Record::flags`].
pub mod flag {
    /// bind() had chosen the port before connect().
    pub const BOUND: u8 = 1 << 0;
    /// `first_ns` of a connect or failure holds the time of the port search.
    pub const SEARCH_TIMED: u8 = 1 << 1;
    /// No port was looked for: there was no source address to take one from.
    pub const NO_SOURCE: u8 = 1 << 2;
    /// There was a TIME_WAIT: `second_ns` of a release holds its time.
    pub const HAD_TIME_WAIT: u8 = 1 << 3;
    /// Concluded from what the kernel did next, since the direct hook was not there or was skipped.
    pub const INFERRED: u8 = 1 << 4;
    /// The call failed before any port was looked for, for a reason that is not known.
    pub const UNSEARCHED: u8 = 1 << 5;
    /// The socket is of UDP, else of TCP.
    pub const UDP: u8 = 1 << 6;
    /// The port that bind() had chosen is one that the process had asked for by number
    /// (`SOCK_BINDPORT_LOCK`).
    pub const BY_NUMBER: u8 = 1 << 7;
}

/// The call that wanted a local port; the value of [`Record::reason`] in a
/// [`RecordKind::BindFailed`].
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindCall {
    /// bind(2).
    Bind = 0,
    /// listen(2) on a socket that was not bound.
    Listen = 1,
    /// connect(2) or a send on an unbound UDP socket (`inet_autobind`).
    Autobind = 2,
}

/// Why a port became free; the value of [`Record::reason`] in a release.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseReason {
    /// The socket closed, without TIME_WAIT.
    Closed = 0,
    /// The TIME_WAIT (or FIN_WAIT2 minisocket) ran its time.
    Expired = 1,
    /// A new connection took the port over from its TIME_WAIT (`tcp_tw_reuse`).
    Recycled = 2,
    /// TIME_WAIT was due, but the namespace had reached `tcp_max_tw_buckets`.
    Overflow = 3,
    /// The TIME_WAIT was ended early: namespace deleted, `ss -K`, a reset, a new SYN accepted.
    Killed = 4,
}

/// One event of one connection, as the kernel programs write it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// When it happened: `CLOCK_MONOTONIC`, nanoseconds.
    pub time_ns: u64,
    /// Opaque id, the same in all records of one connection.
    pub socket: u64,
    /// Who called connect().
    pub owner: Owner,
    /// Between which endpoints.
    pub tuple: Tuple,
    /// A duration in nanoseconds; see [`RecordKind`].
    pub first_ns: u64,
    /// Another duration in nanoseconds; see [`RecordKind`].
    pub second_ns: u64,
    /// Error number of a failure, positive, else 0.
    pub errno: u16,
    /// A [`RecordKind`].
    pub kind: u8,
    /// See [`flag`].
    pub flags: u8,
    /// TCP state before (the kernel's `TCP_*` number).
    pub from: u8,
    /// TCP state after.
    pub to: u8,
    /// A [`ReleaseReason`]; of a failed bind, a [`BindCall`].
    pub reason: u8,
    /// Keeps the size a multiple of eight without hidden padding.
    pub reserved: u8,
}

const _: () = assert!(size_of::<Owner>() == 40, "no hidden padding");
const _: () = assert!(size_of::<Tuple>() == 40, "no hidden padding");
const _: () = assert!(
    size_of::<Record>() == 120,
    "with the ring buffer's 8-byte header, two cache lines"
);

impl Record {
    /// Reads a record from the bytes of one ring buffer sample; `None` when the length is another.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != size_of::<Self>() {
            return None;
        }
        // SAFETY: the length was checked, the read is unaligned, and every bit pattern is a valid
        // Record: it holds integers and arrays of integers only.
        Some(unsafe { core::ptr::read_unaligned(bytes.as_ptr().cast()) })
    }

    /// The bytes of the record, as the ring buffer holds them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: Record is repr(C) without padding (asserted above), so all its bytes are initialised.
        unsafe { core::slice::from_raw_parts(core::ptr::from_ref(self).cast(), size_of::<Self>()) }
    }
}
