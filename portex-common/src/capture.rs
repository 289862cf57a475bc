//! What follows the record of a failure, where stacks are asked for: one sample of the ring buffer
//! holds [`Record`](crate::Record), [`CaptureHeader`] and then, without gaps, user frames, kernel
//! frames, [`BuildIdFrame`]s and bytes of the user stack, as many of each as the header says.

/// Most frames of one stack (`PERF_MAX_STACK_DEPTH` of the kernel).
pub const MOST_FRAMES: usize = 127;
/// Most frames that are told by build id.
pub const MOST_BUILD_IDS: usize = 48;
/// Most bytes of the user stack.
pub const MOST_STACK: usize = 8192;
/// No file descriptor: the value of [`CaptureHeader::fd`] where the call has none.
pub const NO_FD: u32 = u32::MAX;

/// Registers of the caller, and how much of what follows.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaptureHeader {
    /// Instruction pointer at the entry of the system call; 0 where it is not known.
    pub ip: u64,
    /// Stack pointer, likewise.
    pub sp: u64,
    /// Frame pointer, likewise.
    pub bp: u64,
    /// File descriptor that the system call was about, or [`NO_FD`].
    pub fd: u32,
    /// User frames, 8 bytes each: instruction pointers, innermost first.
    pub user: u16,
    /// Kernel frames, likewise.
    pub kernel: u16,
    /// User frames by build id.
    pub build_ids: u16,
    /// Bytes of the user stack, from `sp` upwards.
    pub stack: u16,
    /// Keeps the size a multiple of eight without hidden padding.
    pub reserved: u32,
}

/// A frame by build id, as `bpf_get_stack` writes it (`struct bpf_stack_build_id`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BuildIdFrame {
    /// 1: id and offset hold; 2: only an instruction pointer, in `offset`; else nothing.
    pub status: i32,
    /// Build id of the mapped file, shorter ones filled up with zeros.
    pub build_id: [u8; 20],
    /// Offset in that file.
    pub offset: u64,
}

const _: () = assert!(size_of::<CaptureHeader>() == 40, "no hidden padding");
const _: () = assert!(size_of::<BuildIdFrame>() == 32, "the kernel's size");

/// Reads a value of integers from the beginning of some bytes, and what is left.
fn split<T: Copy>(bytes: &[u8]) -> Option<(T, &[u8])> {
    let (value, rest) = bytes.split_at_checked(size_of::<T>())?;
    // SAFETY: so many bytes are there, the read is unaligned, and this private function is used with
    // the two types above only, whose every bit pattern is valid.
    Some((
        unsafe { core::ptr::read_unaligned(value.as_ptr().cast()) },
        rest,
    ))
}

impl CaptureHeader {
    /// Reads it from the beginning of some bytes, and what is left of them.
    #[must_use]
    pub fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
        split(bytes)
    }
}

impl BuildIdFrame {
    /// Reads one from the beginning of some bytes, and what is left of them.
    #[must_use]
    pub fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
        split(bytes)
    }
}
