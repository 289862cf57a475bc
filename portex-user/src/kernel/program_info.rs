//! What the kernel tells of a loaded program (`bpf_prog_get_info_by_fd`).

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd},
};

use aya_obj::generated::{bpf_cmd, bpf_prog_info};

/// The part of `union bpf_attr` for `BPF_OBJ_GET_INFO_BY_FD`.
#[repr(C)]
struct InfoAttr {
    fd: u32,
    len: u32,
    info: u64,
}

/// The fixed part of it. Fields that this kernel does not know are 0.
pub(super) fn read(program: BorrowedFd<'_>) -> io::Result<bpf_prog_info> {
    // SAFETY: it is made of integers; all zeros is valid.
    let mut info: bpf_prog_info = unsafe { std::mem::zeroed() };
    let mut attr = InfoAttr {
        fd: program.as_raw_fd().cast_unsigned(),
        len: u32::try_from(size_of_val(&info)).unwrap_or(0),
        info: (&raw mut info).addr() as u64,
    };
    // SAFETY: both structs live through the call, are of the sizes given, and zero where the kernel reads, so that the
    // kernel is given no buffers for the variable parts.
    let code = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            bpf_cmd::BPF_OBJ_GET_INFO_BY_FD,
            &raw mut attr,
            size_of::<InfoAttr>(),
        )
    };
    if code == 0 {
        Ok(info)
    } else {
        Err(io::Error::last_os_error())
    }
}
