//! `int inet_listen(struct socket *, int backlog)`: a socket that is not bound takes a port here
//! (`inet_csk_listen_start`), and one that is asks for its own again.
//!
//! Process context. -EADDRINUSE: there was none, or another socket listens on it.

use aya_ebpf::{
    EbpfContext,
    macros::{fexit, kprobe, kretprobe},
    programs::{FExitContext, ProbeContext, RetProbeContext},
};
use portex_common::record::BindCall;

use crate::{
    bind,
    capture::Ctx,
    read,
    trouble::{Outcome, finish},
};

#[inline(always)]
fn try_return(ctx: Ctx, socket: u64, code: i32) -> Outcome {
    let Some(errno) = bind::refused(i64::from(code)) else {
        return Ok(());
    };
    let sk = read::sk_of_socket(socket)?;
    bind::fail_hooked(ctx, sk, BindCall::Listen, errno, None)
}

#[fexit]
pub fn inet_listen_fexit(ctx: FExitContext) -> u32 {
    let outcome = try_return(ctx.as_ptr(), ctx.arg(0), ctx.arg(2));
    finish(&ctx, "inet_listen", outcome)
}

#[kprobe]
pub fn inet_listen_kprobe(ctx: ProbeContext) -> u32 {
    finish(&ctx, "inet_listen", bind::note_call(ctx.arg(0), Some(0)))
}

#[kretprobe]
pub fn inet_listen_kretprobe(ctx: RetProbeContext) -> u32 {
    finish(&ctx, "inet_listen", try_kretprobe(&ctx))
}

#[inline(always)]
fn try_kretprobe(ctx: &RetProbeContext) -> Outcome {
    let Some(call) = bind::noted_call() else {
        return match bind::refused(i64::from(ctx.ret::<i32>())) {
            Some(errno) => bind::fail_unseen(ctx.as_ptr(), BindCall::Listen, errno),
            None => Ok(()),
        };
    };
    try_return(ctx.as_ptr(), call.sk, ctx.ret())
}
