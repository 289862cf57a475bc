//! `int inet{,6}_bind(struct socket *, struct sockaddr *, int)`: bind(), TCP's and UDP's.
//!
//! Process context. -EADDRINUSE comes from `inet_csk_get_port` and `udp_lib_get_port`, whatever they
//! return themselves (1, until 6.1); the address is the kernel's copy of the caller's.

use aya_ebpf::{
    EbpfContext,
    macros::{fexit, kprobe, kretprobe},
    programs::{FExitContext, ProbeContext, RetProbeContext},
};
use portex_common::record::BindCall;

use crate::{
    bind::{self, wanted},
    capture::Ctx,
    read,
    trouble::{Outcome, finish},
};

#[inline(always)]
fn try_return(ctx: Ctx, socket: u64, address: u64, code: i32) -> Outcome {
    let Some(errno) = bind::refused(i64::from(code)) else {
        return Ok(());
    };
    let sk = read::sk_of_socket(socket)?;
    let wanted = wanted!(|from| read::kernel(from, 0), address);
    bind::fail_hooked(ctx, sk, BindCall::Bind, errno, Some(wanted))
}

#[fexit]
pub fn inet_bind_fexit(ctx: FExitContext) -> u32 {
    let outcome = try_return(ctx.as_ptr(), ctx.arg(0), ctx.arg(1), ctx.arg(3));
    finish(&ctx, "inet_bind", outcome)
}

#[fexit]
pub fn inet6_bind_fexit(ctx: FExitContext) -> u32 {
    let outcome = try_return(ctx.as_ptr(), ctx.arg(0), ctx.arg(1), ctx.arg(3));
    finish(&ctx, "inet6_bind", outcome)
}

#[kprobe]
pub fn inet_bind_kprobe(ctx: ProbeContext) -> u32 {
    finish(&ctx, "inet_bind", bind::note_call(ctx.arg(0), ctx.arg(1)))
}

#[kprobe]
pub fn inet6_bind_kprobe(ctx: ProbeContext) -> u32 {
    finish(&ctx, "inet6_bind", bind::note_call(ctx.arg(0), ctx.arg(1)))
}

#[kretprobe]
pub fn inet_bind_kretprobe(ctx: RetProbeContext) -> u32 {
    finish(&ctx, "inet_bind", try_kretprobe(&ctx))
}

#[kretprobe]
pub fn inet6_bind_kretprobe(ctx: RetProbeContext) -> u32 {
    finish(&ctx, "inet6_bind", try_kretprobe(&ctx))
}

#[inline(always)]
fn try_kretprobe(ctx: &RetProbeContext) -> Outcome {
    let Some(call) = bind::noted_call() else {
        return match bind::refused(i64::from(ctx.ret::<i32>())) {
            Some(errno) => bind::fail_unseen(ctx.as_ptr(), BindCall::Bind, errno),
            None => Ok(()),
        };
    };
    try_return(ctx.as_ptr(), call.sk, call.arg, ctx.ret())
}
