//! `void tcp_set_state(struct sock *sk, int state)`: every state change of a full socket by name.
//!
//! Twice: to tell state changes where they are asked for, and as the witness of the port search. CLOSE
//! → SYN_SENT comes before the search, in the context of the caller of connect(), and what the search
//! came to shows in the next change. The witness is always a kprobe, which runs without preemption: on
//! preemptible kernels with many threads, the trampolines' programs around the search can all be
//! skipped at once, each being under way, preempted, in another thread on the same CPU.

use aya_ebpf::{
    EbpfContext,
    macros::{fentry, kprobe},
    programs::{FEntryContext, ProbeContext},
};
use portex_common::Loss;

use crate::{
    capture::Ctx,
    conn::{self, phase, tcp},
    life,
    read::SockCommon,
    trouble::{Outcome, finish},
};

/// Tells a change.
#[inline(always)]
fn try_set_state(ctx: Ctx, sk: u64, to: i32) -> Outcome {
    let to = to as u8;
    try_witness(ctx, sk, to)?;
    let Some(conn) = conn::lookup(sk) else {
        return Ok(());
    };
    life::tell_state(conn, SockCommon::read(sk)?.state(), to);
    if conn.phase == phase::FAILED {
        conn::forget(sk);
    }
    Ok(())
}

/// Notes the owner before the search, and settles a search whose end was not seen.
#[inline(always)]
fn try_witness(ctx: Ctx, sk: u64, to: u8) -> Outcome {
    if to == tcp::SYN_SENT {
        return life::announce(sk);
    }
    if to != tcp::ESTABLISHED && to != tcp::CLOSE {
        return Ok(());
    }
    match conn::lookup(sk) {
        Some(conn) if conn.is_unsettled() => {
            life::settle(ctx, sk, conn, &SockCommon::read(sk)?, to)
        }
        _ => Ok(()),
    }
}

#[fentry]
pub fn tcp_set_state_fentry(ctx: FEntryContext) -> u32 {
    finish(
        &ctx,
        "tcp_set_state",
        try_set_state(ctx.as_ptr(), ctx.arg(0), ctx.arg(1)),
    )
}

#[kprobe]
pub fn tcp_set_state_kprobe(ctx: ProbeContext) -> u32 {
    let outcome = arguments(&ctx).and_then(|(sk, to)| try_set_state(ctx.as_ptr(), sk, to));
    finish(&ctx, "tcp_set_state", outcome)
}

#[kprobe]
pub fn tcp_set_state_witness(ctx: ProbeContext) -> u32 {
    let outcome = arguments(&ctx).and_then(|(sk, to)| try_witness(ctx.as_ptr(), sk, to as u8));
    finish(&ctx, "tcp_set_state", outcome)
}

#[inline(always)]
fn arguments(ctx: &ProbeContext) -> Result<(u64, i32), Loss> {
    let sk = ctx.arg(0).ok_or(Loss::ReadFault)?;
    let to = ctx.arg(1).ok_or(Loss::ReadFault)?;
    Ok((sk, to))
}
