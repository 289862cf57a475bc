//! `inet_twsk_hashdance(struct inet_timewait_sock *tw, struct sock *sk, ...)`: the minisocket takes
//! the place of the socket. From 6.11 on `inet_twsk_hashdance_schedule`, with the same beginning.
//!
//! It is called only when the minisocket was allocated, and has both at its entry: so nothing has
//! to be carried from an entry to a return, which softirqs could get between. Addresses and
//! substate are filled in by then, and the timer does not run yet or the minisocket is not found yet.

use aya_ebpf::{
    EbpfContext,
    macros::{fentry, kprobe},
    programs::{FEntryContext, ProbeContext},
};
use portex_common::{Loss, settings::ABSENT};

use crate::{
    capture::Ctx,
    conn::{self, phase},
    life,
    read::{SockCommon, time_wait},
    settings::setting,
    trouble::{Outcome, finish},
};

#[inline(always)]
fn try_hashdance(ctx: Ctx, tw: u64, sk: u64) -> Outcome {
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
    let substate = time_wait::tw_substate(tw)?;
    if setting!(offsets.timer_function) != ABSENT && setting!(offsets.tw_timer) != ABSENT {
        time_wait::learn_tw_timer(tw)?;
    }
    if setting!(states) == 1 {
        let from = SockCommon::read(sk)?.state();
        if from != substate {
            life::tell_state(conn, from, substate);
        }
    }
    life::enter_time_wait(sk, conn, tw, substate, 0)
}

#[fentry]
pub fn inet_twsk_hashdance_fentry(ctx: FEntryContext) -> u32 {
    finish(
        &ctx,
        "inet_twsk_hashdance",
        try_hashdance(ctx.as_ptr(), ctx.arg(0), ctx.arg(1)),
    )
}

#[kprobe]
pub fn inet_twsk_hashdance_kprobe(ctx: ProbeContext) -> u32 {
    finish(&ctx, "inet_twsk_hashdance", try_kprobe(&ctx))
}

#[inline(always)]
fn try_kprobe(ctx: &ProbeContext) -> Outcome {
    let tw = ctx.arg(0).ok_or(Loss::ReadFault)?;
    let sk = ctx.arg(1).ok_or(Loss::ReadFault)?;
    try_hashdance(ctx.as_ptr(), tw, sk)
}
