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

/// When each CPU has woken user space for a failure.
#[map]
pub(crate) static WOKEN: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// What a walk over the kernel's tables found, on its way to user space.
#[map]
pub(crate) static WALKED: RingBuf = RingBuf::with_byte_size(1 << 20, 0);

/// Where a walk stands.
#[map]
pub(crate) static WALK: Array<Walk> = Array::with_max_entries(1, 0);

/// What could not be told, by kind: see [`portex_common::loss`].
#[map]
pub(crate) static LOST: PerCpuArray<u64> = PerCpuArray::with_max_entries(loss::SLOTS, 0);

/// Tracked connections, by the address of their socket or TIME_WAIT minisocket; a TIME_WAIT that no
/// program saw begin by its 4-tuple's digest. Preallocated: programs of the tracing kind must not
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
/// (tracepoint, where its outcome is awaited). Those whose return was not seen stay, so that it forgets
/// the oldest.
#[map]
pub(crate) static CONNECTS: LruHashMap<u64, Call> = LruHashMap::with_max_entries(16_384, 0);

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

/// Addresses of kernel functions by which TIME_WAITs' timers and what is done to them are known: slots
/// of [`symbol`]. Written by user space in the tracepoint way; else the first TIME_WAIT that is hooked
/// shows the handler. 0 until then.
#[map]
pub(crate) static SYMBOLS: Array<u64> = Array::with_max_entries(5, 0);

/// Slots of [`SYMBOLS`].
pub(crate) mod symbol {
    /// `tw_timer_handler`.
    pub(crate) const TW_TIMER_HANDLER: u32 = 0;
    /// `inet_twsk_deschedule_put`, and the function behind it.
    pub(crate) const DESCHEDULE: u32 = 1;
    pub(crate) const DESCHEDULE_END: u32 = 2;
    /// `inet_twsk_purge`, which has the former inlined on some kernels, and the function behind it.
    pub(crate) const PURGE: u32 = 3;
    pub(crate) const PURGE_END: u32 = 4;
}

/// The connect that began last on each CPU: a nonblocking call finds its socket by it when it returns.
#[map]
pub(crate) static LATEST: PerCpuArray<Latest> = PerCpuArray::with_max_entries(1, 0);

/// A thread and the socket that it connects.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Latest {
    pub(crate) thread: u64,
    pub(crate) sk: u64,
}

/// The process that was looked at last on each CPU.
#[map]
pub(crate) static BEGAN: PerCpuArray<Began> = PerCpuArray::with_max_entries(1, 0);

/// A task, and when its process began.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Began {
    pub(crate) task: u64,
    pub(crate) thread: u64,
    pub(crate) start: u64,
    /// Belies a value of which another thread, that came in between, has written a part.
    pub(crate) seal: u64,
}

impl Began {
    /// What the seal of the other fields is.
    #[inline(always)]
    pub(crate) fn sealed(&self) -> u64 {
        self.task.wrapping_mul(3) ^ self.thread.rotate_left(17) ^ self.start.wrapping_mul(5)
    }
}
