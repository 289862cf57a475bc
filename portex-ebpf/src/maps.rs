//! Every map of the kernel programs. Sizes are the defaults; the loader may set others.

use aya_ebpf::{
    macros::map,
    maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf},
};
use portex_common::loss;

use crate::{capture::Scratch, conn::Conn, walk::Walk};

/// Records on their way to user space.
#[map]
pub(crate) static EVENTS: RingBuf = RingBuf::with_byte_size(8 << 20, 0);

/// What a walk over the kernel's tables found, on its way to user space.
#[map]
pub(crate) static WALKED: RingBuf = RingBuf::with_byte_size(1 << 20, 0);

/// Where a walk stands.
#[map]
pub(crate) static WALK: Array<Walk> = Array::with_max_entries(1, 0);

/// What could not be told, by kind: see [`portex_common::loss`].
#[map]
pub(crate) static LOST: PerCpuArray<u64> = PerCpuArray::with_max_entries(loss::SLOTS, 0);

/// Tracked connections, by the address of their socket or TIME_WAIT minisocket; in the tracepoint
/// way TIME_WAITs by their 4-tuple's digest. Preallocated: programs of the tracing kind must not
/// allocate in every context, and before 6.1 the kernel warns when they could.
#[map]
pub(crate) static CONNS: HashMap<u64, Conn> = HashMap::with_max_entries(262_144, 0);

/// A call that a thread is in.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Call {
    /// The socket that it is about.
    pub(crate) sk: u64,
    /// Another argument, where the return needs one.
    pub(crate) arg: u64,
}

/// Port searches under way, by thread: a kretprobe does not see the arguments.
#[map]
pub(crate) static SEARCHES: HashMap<u64, Call> = HashMap::with_max_entries(16_384, 0);

/// connect() calls under way, by thread: `tcp_v6_connect` (trampoline, kprobe) or the system call
/// (tracepoint).
#[map]
pub(crate) static CONNECTS: HashMap<u64, Call> = HashMap::with_max_entries(16_384, 0);

/// bind(), listen() and autobind calls under way, by thread, as above. Those whose return was not seen
/// stay, so that it forgets the oldest.
#[map]
pub(crate) static BINDS: LruHashMap<u64, Call> = LruHashMap::with_max_entries(4096, 0);

/// Threads whose failed bind has been told, and that are still in the system call.
#[map]
pub(crate) static TOLD: LruHashMap<u64, u8> = LruHashMap::with_max_entries(4096, 0);

/// Where samples with stacks are put together.
#[map]
pub(crate) static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(1, 0);

/// Processes of which a failure has been told with its stack: the first tells its files too.
#[map]
pub(crate) static KNOWN: LruHashMap<u64, u8> = LruHashMap::with_max_entries(4096, 0);

/// Address of `tw_timer_handler`, by which the timers of TIME_WAITs are known. Written by user space
/// in the tracepoint way, else by the first TIME_WAIT that is hooked; 0 until then.
#[map]
pub(crate) static TW_TIMER_HANDLER: Array<u64> = Array::with_max_entries(1, 0);

/// A TIME_WAIT whose timer was taken off.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Unarmed {
    pub(crate) conn: Conn,
    pub(crate) key: u64,
    pub(crate) tw: u64,
    pub(crate) at_ns: u64,
}

/// The latest on each CPU: a restart follows on the same one, with interrupts off.
#[map]
pub(crate) static UNARMED: PerCpuArray<Unarmed> = PerCpuArray::with_max_entries(1, 0);

/// Key of the latest TIME_WAIT on each CPU that the table had no place for.
#[map]
pub(crate) static UNTRACKED: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);
