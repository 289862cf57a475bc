//! What the kernel programs keep of a failing call, so that it can be told where it came from.

/// The registers and the stack of the caller, as they were at the failing call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capture {
    /// File descriptor that the call was about; `None` where it was no system call of that kind.
    pub fd: Option<u32>,
    /// Instruction pointer at the entry of the system call; 0 where it is not known.
    pub ip: u64,
    /// Stack pointer, likewise.
    pub sp: u64,
    /// Frame pointer, likewise: only a number in code that keeps none.
    pub bp: u64,
    /// User stack by frame pointers, innermost first (`bpf_get_stack` with `BPF_F_USER_STACK`).
    pub user: Vec<u64>,
    /// Kernel stack, innermost first; empty when it was not asked for.
    pub kernel: Vec<u64>,
    /// Bytes of the user stack from `sp` upwards; may be cut anywhere.
    pub stack: Vec<u8>,
    /// The frames of `user` by file: only in the first capture of a process.
    pub build_ids: Vec<BuildId>,
}

/// Where a frame lies in a file (`struct bpf_stack_build_id`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildId {
    /// Build id of the file (`NT_GNU_BUILD_ID`), shorter ones filled up with zeros; `None` where the
    /// file has none.
    pub id: Option<[u8; 20]>,
    /// Offset in the file; without an id, the instruction pointer.
    pub offset: u64,
}
