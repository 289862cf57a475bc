//! `tcp:tcp_destroy_sock(struct sock *sk)`, raw: a socket goes away, and its port with it.
//!
//! A port that was bound by number stays with its socket after CLOSE, until here. So does a connection
//! whose way to CLOSE was not seen: the kernel skips `inet_sock_set_state` when it interrupts itself, as
//! a softirq does that closes one socket while another one changes its state.

use aya_ebpf::{macros::raw_tracepoint, programs::RawTracePointContext};
use portex_common::record::{ReleaseReason, flag};

use crate::{
    conn::{self, phase},
    life,
    read::{
        SockCommon,
        time_wait::{self, Successor},
    },
    trouble::{Outcome, finish},
};

#[raw_tracepoint(tracepoint = "tcp_destroy_sock")]
pub fn tcp_destroy_sock(ctx: RawTracePointContext) -> u32 {
    finish(&ctx, "tcp_destroy_sock", try_destroy(ctx.arg(0)))
}

#[inline(always)]
fn try_destroy(sk: u64) -> Outcome {
    if let Some(conn) = conn::lookup(sk) {
        if conn.phase != phase::HELD {
            conn::forget(sk);
            return Ok(());
        }
        // Hash and addresses stay in a socket that is closed.
        if time_wait::knows_tw_timers()
            && let Successor::TimeWait(tw) =
                time_wait::successor(&SockCommon::read(sk)?, conn.tuple.sport)?
        {
            let substate = time_wait::tw_substate(tw)?;
            return life::enter_time_wait(sk, conn, tw, substate, flag::INFERRED);
        }
        life::release(sk, conn, ReleaseReason::Closed, 0);
    }
    Ok(())
}
