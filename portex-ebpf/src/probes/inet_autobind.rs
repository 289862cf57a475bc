//! `int inet_autobind(struct sock *)`: an unbound UDP socket takes a port, in connect() and in a send
//! (`inet_dgram_connect`, `inet_send_prepare`).
//!
//! Process context. It fails with -EAGAIN, and only for want of a port; TCP never comes here.

use aya_ebpf::{
    EbpfContext,
    macros::{fexit, kprobe, kretprobe},
    programs::{FExitContext, ProbeContext, RetProbeContext},
};
use portex_common::record::BindCall;

use crate::{
    bind::{self, errno},
    capture::Ctx,
    trouble::{Outcome, finish},
};

#[inline(always)]
fn try_return(ctx: Ctx, sk: u64, code: i32) -> Outcome {
    if code != -i32::from(errno::EAGAIN) {
        return Ok(());
    }
    bind::fail_hooked(ctx, sk, BindCall::Autobind, errno::EAGAIN, None)
}

#[fexit]
pub fn inet_autobind_fexit(ctx: FExitContext) -> u32 {
    let outcome = try_return(ctx.as_ptr(), ctx.arg(0), ctx.arg(1));
    finish(&ctx, "inet_autobind", outcome)
}

#[kprobe]
pub fn inet_autobind_kprobe(ctx: ProbeContext) -> u32 {
    finish(&ctx, "inet_autobind", bind::note_call(ctx.arg(0), Some(0)))
}

#[kretprobe]
pub fn inet_autobind_kretprobe(ctx: RetProbeContext) -> u32 {
    finish(&ctx, "inet_autobind", try_kretprobe(&ctx))
}

#[inline(always)]
fn try_kretprobe(ctx: &RetProbeContext) -> Outcome {
    let Some(call) = bind::noted_call() else {
        if ctx.ret::<i32>() != -i32::from(errno::EAGAIN) {
            return Ok(());
        }
        return bind::fail_unseen(ctx.as_ptr(), BindCall::Autobind, errno::EAGAIN);
    };
    try_return(ctx.as_ptr(), call.sk, ctx.ret())
}
