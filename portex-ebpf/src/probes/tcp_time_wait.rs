//! `void tcp_time_wait(struct sock *sk, int state, int timeo)`: a TIME_WAIT is due.
//!
//! Whether it comes to one shows in `inet_twsk_hashdance`; if not, the port is given back at once:
//! that is how an overflow of `tcp_max_tw_buckets` is told from an ordinary close.

use aya_ebpf::{
    macros::{fentry, kprobe},
    programs::{FEntryContext, ProbeContext},
};
use portex_common::Loss;

use crate::{
    conn::{self, mark},
    trouble::{Outcome, finish},
};

#[inline(always)]
fn try_time_wait(sk: u64) -> Outcome {
    if let Some(conn) = conn::lookup(sk) {
        conn.marks |= mark::TIME_WAIT_DUE;
    }
    Ok(())
}

#[fentry]
pub fn tcp_time_wait_fentry(ctx: FEntryContext) -> u32 {
    finish(&ctx, "tcp_time_wait", try_time_wait(ctx.arg(0)))
}

#[kprobe]
pub fn tcp_time_wait_kprobe(ctx: ProbeContext) -> u32 {
    let outcome = ctx.arg(0).ok_or(Loss::ReadFault).and_then(try_time_wait);
    finish(&ctx, "tcp_time_wait", outcome)
}
