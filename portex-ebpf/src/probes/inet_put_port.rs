//! `void inet_put_port(struct sock *sk)`: a socket gives its port back.
//!
//! On the way to TIME_WAIT it runs too, while the minisocket keeps the port: the connection has left
//! the socket's place in the table by then, so that call is not taken for a release.

use aya_ebpf::{
    EbpfContext,
    macros::{fentry, kprobe},
    programs::{FEntryContext, ProbeContext},
};
use portex_common::{Loss, record::ReleaseReason};

use crate::{
    capture::Ctx,
    conn::{self, mark, phase},
    life,
    read::SockCommon,
    trouble::{Outcome, finish},
};

#[inline(always)]
fn try_put_port(ctx: Ctx, sk: u64) -> Outcome {
    let Some(mut conn) = conn::lookup(sk) else {
        return Ok(());
    };
    if conn.is_unsettled() {
        life::settle(ctx, sk, conn, &SockCommon::read(sk)?, 0)?;
        match conn::lookup(sk) {
            Some(settled) => conn = settled,
            None => return Ok(()),
        }
    }
    if conn.phase != phase::HELD {
        return Ok(());
    }
    let reason = if conn.is(mark::TIME_WAIT_DUE) {
        ReleaseReason::Overflow
    } else {
        ReleaseReason::Closed
    };
    life::release(sk, conn, reason, 0);
    Ok(())
}

#[fentry]
pub fn inet_put_port_fentry(ctx: FEntryContext) -> u32 {
    finish(
        &ctx,
        "inet_put_port",
        try_put_port(ctx.as_ptr(), ctx.arg(0)),
    )
}

#[kprobe]
pub fn inet_put_port_kprobe(ctx: ProbeContext) -> u32 {
    let outcome = ctx.arg(0).ok_or(Loss::ReadFault);
    let outcome = outcome.and_then(|sk| try_put_port(ctx.as_ptr(), sk));
    finish(&ctx, "inet_put_port", outcome)
}
