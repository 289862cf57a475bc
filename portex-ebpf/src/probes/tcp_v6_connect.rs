//! `int tcp_v6_connect(struct sock *sk, struct sockaddr *uaddr, int addr_len)`.
//!
//! It fails with -EADDRNOTAVAIL before any port search when IPv6 has no source address for the
//! destination (`ipv6_dev_get_saddr`): IPv6 switched off and `::1`, for one. That is no exhaustion.

use aya_ebpf::{
    EbpfContext,
    macros::{fexit, kprobe, kretprobe},
    programs::{FExitContext, ProbeContext, RetProbeContext},
};
use portex_common::{Loss, record::flag};

use crate::{
    capture::Ctx,
    conn::{self},
    life::{self, errno},
    maps::{CONNECTS, Call},
    owner,
    read::{self, SockCommon},
    trouble::{Outcome, finish},
};

/// Offset of `sin6_port` in `struct sockaddr_in6` (ABI).
const SIN6_PORT: u16 = 2;

#[inline(always)]
fn try_return(ctx: Ctx, sk: u64, uaddr: u64, code: i32) -> Outcome {
    let thread = owner::thread();
    let told = CONNECTS.remove(thread).is_ok();
    if told || code != -i32::from(errno::EADDRNOTAVAIL) {
        return Ok(());
    }
    if !read::is_tcp(sk)? {
        return Ok(());
    }
    let Some(mut conn) = conn::observe(sk, &SockCommon::read(sk)?)? else {
        return Ok(());
    };
    // The socket's own is zero by now; this is the kernel's copy of the caller's address.
    conn.tuple.dport = u16::from_be(read::kernel(uaddr, SIN6_PORT)?);
    life::tell_failure(ctx, &conn, errno::EADDRNOTAVAIL, flag::NO_SOURCE);
    Ok(())
}

#[fexit]
pub fn tcp_v6_connect_fexit(ctx: FExitContext) -> u32 {
    let code: i32 = ctx.arg(3);
    if code == 0 {
        return 0;
    }
    finish(
        &ctx,
        "tcp_v6_connect",
        try_return(ctx.as_ptr(), ctx.arg(0), ctx.arg(1), code),
    )
}

/// Calls of `tcp_v6_connect` by thread, with the arguments that its kretprobe does not see, live in
/// the upper half of the key space: a thread can be in a port search of the same call.
#[inline(always)]
fn key() -> u64 {
    owner::thread() | 1 << 63
}

#[kprobe]
pub fn tcp_v6_connect_kprobe(ctx: ProbeContext) -> u32 {
    finish(&ctx, "tcp_v6_connect", try_kprobe(&ctx))
}

#[inline(always)]
fn try_kprobe(ctx: &ProbeContext) -> Outcome {
    let call = Call {
        sk: ctx.arg(0).ok_or(Loss::ReadFault)?,
        arg: ctx.arg(1).ok_or(Loss::ReadFault)?,
    };
    CONNECTS
        .insert(key(), &call, 0)
        .map_err(|_| Loss::CallsFull)
}

#[kretprobe]
pub fn tcp_v6_connect_kretprobe(ctx: RetProbeContext) -> u32 {
    finish(
        &ctx,
        "tcp_v6_connect",
        try_kretprobe(ctx.as_ptr(), ctx.ret()),
    )
}

#[inline(always)]
fn try_kretprobe(ctx: Ctx, code: i32) -> Outcome {
    let key = key();
    // SAFETY: only this thread has this key.
    let Some(call) = (unsafe { CONNECTS.get(key) }).copied() else {
        return Ok(());
    };
    let _present = CONNECTS.remove(key);
    if code == 0 {
        return Ok(());
    }
    try_return(ctx, call.sk, call.arg, code)
}
