//! `int inet{,6}_hash_connect(struct inet_timewait_death_row *, struct sock *sk)`: the port search.
//!
//! Process context, socket locked. Returns 0, -EADDRNOTAVAIL or -ENOMEM. `skc_num` at the entry
//! tells a search from the check of a bound port.

use aya_ebpf::{
    EbpfContext,
    macros::{fentry, fexit, kprobe, kretprobe},
    programs::{FEntryContext, FExitContext, ProbeContext, RetProbeContext},
};
use portex_common::Loss;

use crate::{
    capture::Ctx,
    life,
    maps::{Call, SEARCHES},
    owner,
    read::{self, SockCommon},
    trouble::{Outcome, finish},
};

#[inline(always)]
fn try_entry(sk: u64) -> Outcome {
    if !read::is_tcp(sk)? {
        return Ok(()); // DCCP, until 6.15
    }
    let sock = SockCommon::read(sk)?;
    match life::begin_search(sk, &sock, 0) {
        // The end of the search tries again, and counts it.
        Err(Loss::TableFull) => Ok(()),
        outcome => outcome,
    }
}

#[inline(always)]
fn try_return(ctx: Ctx, sk: u64, code: i32) -> Outcome {
    if !read::is_tcp(sk)? {
        return Ok(());
    }
    life::end_search(ctx, sk, code)
}

/// A kretprobe does not see the arguments: they are kept by thread.
#[inline(always)]
fn try_kprobe(sk: u64) -> Outcome {
    let call = Call { sk, arg: 0 };
    let kept = SEARCHES
        .insert(owner::thread(), &call, 0)
        .map_err(|_| Loss::CallsFull);
    try_entry(sk)?;
    kept
}

#[inline(always)]
fn try_kretprobe(ctx: Ctx, code: i32) -> Outcome {
    let thread = owner::thread();
    // SAFETY: only this thread has this key.
    let Some(sk) = (unsafe { SEARCHES.get(thread) }).map(|call| call.sk) else {
        return Ok(());
    };
    let _present = SEARCHES.remove(thread);
    try_return(ctx, sk, code)
}

#[fentry]
pub fn inet_hash_connect_fentry(ctx: FEntryContext) -> u32 {
    finish(&ctx, "inet_hash_connect", try_entry(ctx.arg(1)))
}

#[fentry]
pub fn inet6_hash_connect_fentry(ctx: FEntryContext) -> u32 {
    finish(&ctx, "inet6_hash_connect", try_entry(ctx.arg(1)))
}

// The return value follows the two arguments (`FExitContext::ret` would need 5.17).
#[fexit]
pub fn inet_hash_connect_fexit(ctx: FExitContext) -> u32 {
    finish(
        &ctx,
        "inet_hash_connect",
        try_return(ctx.as_ptr(), ctx.arg(1), ctx.arg(2)),
    )
}

#[fexit]
pub fn inet6_hash_connect_fexit(ctx: FExitContext) -> u32 {
    finish(
        &ctx,
        "inet6_hash_connect",
        try_return(ctx.as_ptr(), ctx.arg(1), ctx.arg(2)),
    )
}

#[kprobe]
pub fn inet_hash_connect_kprobe(ctx: ProbeContext) -> u32 {
    kprobe_entry(&ctx)
}

#[kprobe]
pub fn inet6_hash_connect_kprobe(ctx: ProbeContext) -> u32 {
    kprobe_entry(&ctx)
}

#[kretprobe]
pub fn inet_hash_connect_kretprobe(ctx: RetProbeContext) -> u32 {
    kretprobe_entry(&ctx)
}

#[kretprobe]
pub fn inet6_hash_connect_kretprobe(ctx: RetProbeContext) -> u32 {
    kretprobe_entry(&ctx)
}

#[inline(always)]
fn kprobe_entry(ctx: &ProbeContext) -> u32 {
    let outcome = ctx.arg(1).ok_or(Loss::ReadFault).and_then(try_kprobe);
    finish(ctx, "inet_hash_connect", outcome)
}

#[inline(always)]
fn kretprobe_entry(ctx: &RetProbeContext) -> u32 {
    finish(
        ctx,
        "inet_hash_connect",
        try_kretprobe(ctx.as_ptr(), ctx.ret()),
    )
}
