//! `syscalls:sys_exit_bind`, `sys_exit_listen`, `sys_exit_sendto`, `sys_exit_sendmsg` and
//! `sys_exit_sendmmsg`: what these calls returned (tracepoint way).
//!
//! The socket is the one behind the file descriptor that the call was given. io_uring, the kernel's
//! own callers and 32-bit processes do not come here.
//!
//! Beside hooked functions they make good for returns that were not seen: on preemptible kernels the
//! kernel skips a trampoline's program that is under way, preempted, in another thread on the CPU; and
//! up to 5.18 or so a kretprobe has as many instances as there are CPUs, while `udp_lib_get_port` lets
//! other threads run (`cond_resched`).

use aya_ebpf::{EbpfContext, macros::tracepoint, programs::TracePointContext};
use portex_common::record::BindCall;

use crate::{
    bind::{self, errno, wanted},
    capture::Ctx,
    maps::TOLD,
    owner, read,
    task::regs,
    trouble::{Outcome, finish},
};

/// Offset of `ret` in the record of a `sys_exit_*` tracepoint (its `format` file).
const RET: usize = 16;

/// What the system call returned.
#[inline(always)]
pub(super) fn code(ctx: &TracePointContext) -> i64 {
    // SAFETY: the record is 24 bytes long; the kernel hands over a pointer to it.
    unsafe { ctx.as_ptr().cast::<u8>().add(RET).cast::<i64>().read() }
}

#[tracepoint]
pub fn sys_exit_bind(ctx: TracePointContext) -> u32 {
    finish(&ctx, "sys_exit_bind", try_bind(ctx.as_ptr(), code(&ctx)))
}

#[inline(always)]
fn try_bind(ctx: Ctx, code: i64) -> Outcome {
    let Some(errno) = bind::refused(code) else {
        return Ok(());
    };
    let Some((sk, regs)) = bind::socket_of_call()? else {
        return Ok(());
    };
    let wanted = wanted!(read::user, read::kernel(regs, regs::ARG1)?);
    bind::fail(ctx, sk, BindCall::Bind, errno, Some(wanted))
}

#[tracepoint]
pub fn sys_exit_listen(ctx: TracePointContext) -> u32 {
    finish(
        &ctx,
        "sys_exit_listen",
        try_listen(ctx.as_ptr(), code(&ctx)),
    )
}

#[inline(always)]
fn try_listen(ctx: Ctx, code: i64) -> Outcome {
    if code != -i64::from(errno::EADDRINUSE) {
        return Ok(());
    }
    match bind::socket_of_call()? {
        Some((sk, _)) => bind::fail(ctx, sk, BindCall::Listen, errno::EADDRINUSE, None),
        None => Ok(()),
    }
}

#[tracepoint]
pub fn sys_exit_sendto(ctx: TracePointContext) -> u32 {
    let outcome = try_autobind(ctx.as_ptr(), code(&ctx));
    finish(&ctx, "sys_exit_sendto", outcome)
}

#[tracepoint]
pub fn sys_exit_sendmsg(ctx: TracePointContext) -> u32 {
    let outcome = try_autobind(ctx.as_ptr(), code(&ctx));
    finish(&ctx, "sys_exit_sendmsg", outcome)
}

#[tracepoint]
pub fn sys_exit_sendmmsg(ctx: TracePointContext) -> u32 {
    let outcome = try_autobind(ctx.as_ptr(), code(&ctx));
    finish(&ctx, "sys_exit_sendmmsg", outcome)
}

/// A send, by any of its system calls.
#[inline(always)]
fn try_autobind(ctx: Ctx, code: i64) -> Outcome {
    if code != -i64::from(errno::EAGAIN) {
        return Ok(());
    }
    match bind::socket_of_call()? {
        Some((sk, _)) => bind::fail_autobind_of(ctx, sk),
        None => Ok(()),
    }
}

/// Whether the hooked function has not told it.
#[inline(always)]
fn is_untold() -> bool {
    TOLD.remove(owner::thread()).is_err()
}

#[tracepoint]
pub fn sys_exit_bind_beside(ctx: TracePointContext) -> u32 {
    if bind::refused(code(&ctx)).is_none() || !is_untold() {
        return 0;
    }
    finish(&ctx, "sys_exit_bind", try_bind(ctx.as_ptr(), code(&ctx)))
}

#[tracepoint]
pub fn sys_exit_listen_beside(ctx: TracePointContext) -> u32 {
    if bind::refused(code(&ctx)).is_none() || !is_untold() {
        return 0;
    }
    finish(
        &ctx,
        "sys_exit_listen",
        try_listen(ctx.as_ptr(), code(&ctx)),
    )
}

#[tracepoint]
pub fn sys_exit_connect_beside(ctx: TracePointContext) -> u32 {
    finish(&ctx, "sys_exit_connect", try_autobind_beside(&ctx))
}

#[tracepoint]
pub fn sys_exit_sendto_beside(ctx: TracePointContext) -> u32 {
    finish(&ctx, "sys_exit_sendto", try_autobind_beside(&ctx))
}

#[tracepoint]
pub fn sys_exit_sendmsg_beside(ctx: TracePointContext) -> u32 {
    finish(&ctx, "sys_exit_sendmsg", try_autobind_beside(&ctx))
}

#[tracepoint]
pub fn sys_exit_sendmmsg_beside(ctx: TracePointContext) -> u32 {
    finish(&ctx, "sys_exit_sendmmsg", try_autobind_beside(&ctx))
}

#[inline(always)]
fn try_autobind_beside(ctx: &TracePointContext) -> Outcome {
    let code = code(ctx);
    if code != -i64::from(errno::EAGAIN) || !is_untold() {
        return Ok(());
    }
    try_autobind(ctx.as_ptr(), code)
}
