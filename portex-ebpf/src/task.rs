//! The running task: the registers of its system call, its file descriptors, its beginning.

use aya_ebpf::helpers::generated::{
    bpf_get_current_task, bpf_get_current_task_btf, bpf_get_stack, bpf_task_pt_regs,
};
use portex_common::{Loss, settings::ABSENT};

use crate::{
    capture::Ctx,
    maps::{BEGAN, Began, SYMBOLS, symbol},
    owner, read,
    settings::setting,
};

/// When the process of the running task began, in clock ticks of 10 ms; 0 where it cannot be read.
#[inline(always)]
pub(crate) fn process_start() -> u32 {
    const TICK_NS: u64 = 10_000_000;
    if setting!(offsets.task_group_leader) == ABSENT
        || setting!(offsets.task_start_boottime) == ABSENT
    {
        return 0;
    }
    // SAFETY: a helper without arguments.
    let task = unsafe { bpf_get_current_task() };
    let thread = owner::thread();
    let known = BEGAN.get_ptr_mut(0);
    if let Some(known) = known {
        // SAFETY: a live map value of this CPU.
        let known = unsafe { known.read_volatile() };
        if known.task == task && known.thread == thread && known.seal == known.sealed() {
            return known.start as u32;
        }
    }
    let start = read::kernel(task, setting!(offsets.task_group_leader))
        .and_then(|leader| read::kernel::<u64>(leader, setting!(offsets.task_start_boottime)));
    let Ok(start) = start else {
        return 0;
    };
    let start = start / TICK_NS;
    if let Some(known) = known {
        let mut value = Began {
            task,
            thread,
            start,
            seal: 0,
        };
        value.seal = value.sealed();
        // SAFETY: as above.
        unsafe { known.write_volatile(value) };
    }
    start as u32
}

/// Whether the running kernel code was called by `inet_twsk_deschedule_put`, which ends a TIME_WAIT
/// before its time, or by `inet_twsk_purge`, which ends those of a namespace.
#[inline(always)]
pub(crate) fn is_in_deschedule(ctx: Ctx) -> bool {
    const DEPTH: usize = 16;
    let (Some(&put), Some(&put_end), Some(&purge), Some(&purge_end)) = (
        SYMBOLS.get(symbol::DESCHEDULE),
        SYMBOLS.get(symbol::DESCHEDULE_END),
        SYMBOLS.get(symbol::PURGE),
        SYMBOLS.get(symbol::PURGE_END),
    ) else {
        return true;
    };
    let mut stack = [0_u64; DEPTH];
    // SAFETY: the buffer is as long as is said.
    let bytes = unsafe {
        bpf_get_stack(
            ctx.cast(),
            stack.as_mut_ptr().cast(),
            size_of_val(&stack) as u32,
            0,
        )
    };
    // Without a stack: stray segments are rarer than what ends a TIME_WAIT.
    bytes <= 0
        || stack
            .iter()
            .any(|&at| (at >= put && at < put_end) || (at >= purge && at < purge_end))
}

/// System call that the running process is in, by the number in its registers; `None` where the
/// kernel does not tell (before 5.15).
#[inline(always)]
pub(crate) fn syscall() -> Option<u64> {
    if setting!(task_pt_regs) == 0 {
        return None;
    }
    read::kernel(current().1, regs::NUMBER).ok()
}

/// The running task, and its registers at the entry of the system call.
#[inline(always)]
fn current() -> (u64, u64) {
    // SAFETY: helpers of 5.11 and 5.15; where they are missing, `task_pt_regs` is 0 and this is dead
    // code for the verifier.
    unsafe {
        let task = bpf_get_current_task_btf();
        (task as u64, bpf_task_pt_regs(task) as u64)
    }
}

/// The registers with which the running process entered the kernel, 0 where they are not known.
///
/// Before 5.15 they are looked for where they lie: at the top of the kernel stack of the task
/// (`task_pt_regs`), which is 16 KiB (`THREAD_SIZE`) but for debugging kernels; the code segment tells
/// whether it is them.
#[inline(always)]
pub(crate) fn user_regs() -> u64 {
    if setting!(task_pt_regs) == 1 {
        return current().1;
    }
    if setting!(offsets.task_stack) == ABSENT {
        return 0;
    }
    // SAFETY: a helper without arguments.
    let task = unsafe { bpf_get_current_task() };
    let Ok(stack) = read::kernel::<u64>(task, setting!(offsets.task_stack)) else {
        return 0;
    };
    let found = stack.wrapping_add(regs::THREAD_SIZE - regs::SIZE);
    match read::kernel::<u64>(found, regs::CODE_SEGMENT) {
        Ok(regs::USER_CODE) => found,
        _ => 0,
    }
}

/// Offsets in `struct pt_regs` (ABI): number and first arguments of a system call, and where it was
/// made.
#[cfg(bpf_target_arch = "x86_64")]
pub(crate) mod regs {
    pub(crate) const NUMBER: u16 = 120;
    pub(crate) const ARG0: u16 = 112;
    pub(crate) const ARG1: u16 = 104;
    pub(crate) const IP: u16 = 128;
    pub(crate) const SP: u16 = 152;
    pub(crate) const BP: u16 = 32;
    pub(crate) const CODE_SEGMENT: u16 = 136;
    /// `__USER_CS`, of 64-bit code.
    pub(crate) const USER_CODE: u64 = 0x33;
    /// Of the whole.
    pub(crate) const SIZE: u64 = 168;
    pub(crate) const THREAD_SIZE: u64 = 16 << 10;
}

/// Numbers of the system calls with which a port is asked for, by a file descriptor as their first
/// argument (`asm/unistd.h`): connect, sendto, sendmsg, bind, listen, sendmmsg.
#[cfg(bpf_target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn takes_port(number: u64) -> bool {
    matches!(number, 42 | 44 | 46 | 49 | 50 | 307)
}

/// Number of connect(2) (`asm/unistd.h`).
#[cfg(bpf_target_arch = "x86_64")]
pub(crate) const CONNECT: u64 = 42;

/// The socket behind a file descriptor of the running process, 0 if it is none.
#[inline(always)]
pub(crate) fn sock_of_fd(task: u64, fd: u32) -> Result<u64, Loss> {
    let files: u64 = read::kernel(task, setting!(offsets.task_files))?;
    let table: u64 = read::kernel(files, setting!(offsets.files_fdt))?;
    let size: u32 = read::kernel(table, setting!(offsets.fdt_max_fds))?;
    if fd >= size {
        return Ok(0);
    }
    let array: u64 = read::kernel(table, setting!(offsets.fdt_fd))?;
    let file: u64 = read::kernel(array.wrapping_add(u64::from(fd) * 8), 0)?;
    let socket: u64 = read::kernel(file, setting!(offsets.file_private_data))?;
    // A file of another kind has something else there: only a socket points back.
    let back: u64 = read::kernel(socket, setting!(offsets.socket_file))?;
    if back != file {
        return Ok(0);
    }
    read::kernel(socket, setting!(offsets.socket_sk))
}
