//! `tcp:tcp_destroy_sock(struct sock *sk)`, raw: a socket goes away, and its port with it.
//!
//! A port that was bound by number stays with its socket after CLOSE, until here.

use aya_ebpf::{macros::raw_tracepoint, programs::RawTracePointContext};
use portex_common::record::ReleaseReason;

use crate::{
    conn::{self, phase},
    life,
    trouble::{Outcome, finish},
};

#[raw_tracepoint(tracepoint = "tcp_destroy_sock")]
pub fn tcp_destroy_sock(ctx: RawTracePointContext) -> u32 {
    finish(&ctx, "tcp_destroy_sock", try_destroy(ctx.arg(0)))
}

#[inline(always)]
fn try_destroy(sk: u64) -> Outcome {
    if let Some(conn) = conn::lookup(sk) {
        if conn.phase == phase::HELD {
            life::release(sk, conn, ReleaseReason::Closed, 0);
        } else {
            conn::forget(sk);
        }
    }
    Ok(())
}
