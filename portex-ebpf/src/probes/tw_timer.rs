//! `timer:timer_cancel` and `timer:timer_expire_entry`, raw, for the timers of TIME_WAIT minisockets
//! only: the exact end of a TIME_WAIT where no function can be hooked.
//!
//! A minisocket's timer is known by its function, `tw_timer_handler`. These are called for every timer
//! of the host, several times for each connection, so that what they do for others is one read and
//! one comparison. There is no `timer_start`: `inet_sock_set_state` finds the minisocket itself.
//!
//! `timer_expire_entry` also serves beside hooked functions, where it sees an expiry that a program was
//! skipped for.
//!
//! `timer_cancel` also comes before an expiry and within a restart (`detach_timer`): when the peer's
//! FIN or a stray segment comes.

use aya_ebpf::{EbpfContext, macros::raw_tracepoint, programs::RawTracePointContext};
use portex_common::record::ReleaseReason;

use crate::{
    capture::Ctx,
    conn::{self, phase},
    life,
    probes::inet_twsk_kill::due,
    read::time_wait,
    task,
    trouble::{Outcome, finish},
};

#[raw_tracepoint(tracepoint = "timer_cancel")]
pub fn timer_cancel(ctx: RawTracePointContext) -> u32 {
    finish(&ctx, "timer_cancel", try_cancel(ctx.as_ptr(), ctx.arg(0)))
}

#[raw_tracepoint(tracepoint = "timer_expire_entry")]
pub fn timer_expire_entry(ctx: RawTracePointContext) -> u32 {
    finish(&ctx, "timer_expire_entry", try_expire(ctx.arg(0)))
}

#[inline(always)]
fn try_expire(timer: u64) -> Outcome {
    let Some(tw) = time_wait::tw_of_timer(timer)? else {
        return Ok(());
    };
    if let Some((key, conn)) = conn::of_time_wait(tw)?
        && conn.phase == phase::TIME_WAIT
    {
        life::release(key, conn, ReleaseReason::Expired, 0);
    }
    Ok(())
}

#[inline(always)]
fn try_cancel(ctx: Ctx, timer: u64) -> Outcome {
    let Some(tw) = time_wait::tw_of_timer(timer)? else {
        return Ok(());
    };
    let Some(conn) = conn::lookup(tw) else {
        return Ok(());
    };
    if conn.phase != phase::TIME_WAIT {
        return Ok(());
    }
    if time_wait::tw_recycled(tw)? {
        life::release(tw, conn, ReleaseReason::Recycled, 0);
        return Ok(());
    }
    if due(tw)? {
        return Ok(()); // timer_expire_entry follows
    }
    // Else it is only started again, for the peer's FIN or for a stray segment. The substate does not
    // tell: a timer that stays in its slot of the wheel is not taken off when it changes.
    if task::is_in_deschedule(ctx) {
        life::release(tw, conn, ReleaseReason::Killed, 0);
    }
    Ok(())
}
