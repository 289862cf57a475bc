//! What loading took and is not needed any more.

/// Gives freed memory back to the host. Parsing the kernel's type information and the object file takes
/// some 30 MiB for a moment, which the allocator would keep.
pub(super) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: no preconditions: it looks at the allocator's own lists, under their locks.
    unsafe {
        libc::malloc_trim(0);
    }
}
