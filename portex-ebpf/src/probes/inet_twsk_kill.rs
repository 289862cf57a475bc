//! `void inet_twsk_kill(struct inet_timewait_sock *tw)`: the port of a TIME_WAIT is free.
//!
//! Every end of a TIME_WAIT comes through here: its timer, a reset, a recycling connect, `ss -K`,
//! the end of the namespace.

use aya_ebpf::{
    helpers::generated::bpf_jiffies64,
    macros::{fentry, kprobe},
    programs::{FEntryContext, ProbeContext},
};
use portex_common::{Loss, record::ReleaseReason};

use crate::{
    conn::{self, phase},
    life,
    read::time_wait,
    trouble::{Outcome, finish},
};

#[inline(always)]
fn try_kill(tw: u64) -> Outcome {
    let Some((key, conn)) = conn::of_time_wait(tw)? else {
        return Ok(());
    };
    if conn.phase != phase::TIME_WAIT {
        return Ok(());
    }
    let reason = if time_wait::tw_recycled(tw)? {
        ReleaseReason::Recycled
    } else if due(tw)? {
        ReleaseReason::Expired
    } else {
        ReleaseReason::Killed
    };
    life::release(key, conn, reason, 0);
    Ok(())
}

/// Whether the time of a TIME_WAIT is over.
#[inline(always)]
pub(crate) fn due(tw: u64) -> Result<bool, Loss> {
    // SAFETY: a helper without arguments.
    let jiffies = unsafe { bpf_jiffies64() };
    Ok(jiffies
        .wrapping_sub(time_wait::tw_expires(tw)?)
        .cast_signed()
        >= 0)
}

#[fentry]
pub fn inet_twsk_kill_fentry(ctx: FEntryContext) -> u32 {
    finish(&ctx, "inet_twsk_kill", try_kill(ctx.arg(0)))
}

#[kprobe]
pub fn inet_twsk_kill_kprobe(ctx: ProbeContext) -> u32 {
    let outcome = ctx.arg(0).ok_or(Loss::ReadFault).and_then(try_kill);
    finish(&ctx, "inet_twsk_kill", outcome)
}
