//! `timer:timer_start`, `timer:timer_cancel` and `timer:timer_expire_entry`, raw, for the timers of
//! TIME_WAIT minisockets only: the exact life of a TIME_WAIT where no function can be hooked.
//!
//! A minisocket's timer is known by its function, `tw_timer_handler`. It is started just before the
//! socket goes to CLOSE (`tcp_time_wait`, then `tcp_done`), so the TIME_WAIT waits unclaimed under
//! its 4-tuple's digest until `inet_sock_set_state` gives it its owner.
//!
//! `timer_expire_entry` also serves beside hooked functions, where it sees an expiry that a program was
//! skipped for.
//!
//! `timer_cancel` also comes before an expiry and within a restart (`detach_timer`), so a cancel is
//! an end only when none of these follows.

use aya_ebpf::{macros::raw_tracepoint, programs::RawTracePointContext};
use portex_common::{Owner, RecordKind, Tuple, record::ReleaseReason};

use crate::{
    conn::{self, Conn, phase},
    emit::{Detail, emit, now},
    life,
    maps::{UNARMED, UNTRACKED, Unarmed},
    probes::inet_twsk_kill::due,
    read::{self, SockCommon},
    settings::setting,
    trouble::{Outcome, finish},
};

/// Between the two halves of a `mod_timer` there are a few hundred instructions; between the end of
/// a TIME_WAIT and the next one of the same 4-tuple, a connection.
const AT_ONCE_NS: u64 = 20_000;

#[raw_tracepoint(tracepoint = "timer_start")]
pub fn timer_start(ctx: RawTracePointContext) -> u32 {
    finish(&ctx, "timer_start", try_start(ctx.arg(0)))
}

#[raw_tracepoint(tracepoint = "timer_cancel")]
pub fn timer_cancel(ctx: RawTracePointContext) -> u32 {
    finish(&ctx, "timer_cancel", try_cancel(ctx.arg(0)))
}

#[raw_tracepoint(tracepoint = "timer_expire_entry")]
pub fn timer_expire_entry(ctx: RawTracePointContext) -> u32 {
    finish(&ctx, "timer_expire_entry", try_expire(ctx.arg(0)))
}

#[inline(always)]
fn key(tw: &SockCommon) -> u64 {
    conn::digest(tw.hash(), tw.dport(), tw.num())
}

#[inline(always)]
fn try_start(timer: u64) -> Outcome {
    let Some(tw) = read::tw_of_timer(timer)? else {
        return Ok(());
    };
    let sock = SockCommon::read(tw)?;
    let key = key(&sock);
    let substate = read::tw_substate(tw)?;
    if let Some(unarmed) = restarted(key, tw) {
        unarmed.tw = 0;
        unarmed.conn.substate = substate;
        emit(RecordKind::Rearmed, &unarmed.conn, Detail::default());
        return conn::insert(key, &unarmed.conn);
    }
    let wanted = setting!(netns);
    if wanted != 0 && sock.netns()? != wanted {
        return Ok(());
    }
    let mut conn = Conn {
        owner: Owner {
            cgroup: 0,
            tgid: 0,
            tid: 0,
            uid: 0,
            comm: [0; 16],
            start: 0,
        },
        tuple: Tuple {
            saddr: [0; 4],
            daddr: [0; 4],
            netns: 0,
            sport: sock.num(),
            dport: 0,
        },
        socket: 0,
        search_ns: 0,
        since_ns: 0,
        time_wait_ns: now(),
        phase: phase::UNCLAIMED,
        marks: 0,
        substate,
        reserved: 0,
        stale_sport: 0,
        reserved2: 0,
        restrictions: 0,
    };
    sock.addresses(&mut conn.tuple);
    let outcome = conn::insert(key, &conn);
    if outcome.is_err()
        && let Some(untracked) = UNTRACKED.get_ptr_mut(0)
    {
        // SAFETY: a live map value of this CPU.
        unsafe { untracked.write(key) };
    }
    outcome
}

/// What `timer_cancel` has just taken out of the table, if this start is the second half of the same
/// `mod_timer`: of the same minisocket, at once.
#[inline(always)]
fn restarted(key: u64, tw: u64) -> Option<&'static mut Unarmed> {
    // SAFETY: a live map value of this CPU, where interrupts are off within `mod_timer`.
    let unarmed = unsafe { &mut *UNARMED.get_ptr_mut(0)? };
    let same = unarmed.tw == tw && unarmed.key == key;
    (same && now().wrapping_sub(unarmed.at_ns) < AT_ONCE_NS).then_some(unarmed)
}

/// Whether the TIME_WAIT of this closing socket was there, but found no place in the table.
#[inline(always)]
pub(crate) fn was_untracked(sock: &SockCommon, sport: u16) -> bool {
    let key = conn::digest(sock.hash(), sock.dport(), sport);
    UNTRACKED.get(0) == Some(&key)
}

#[inline(always)]
fn try_expire(timer: u64) -> Outcome {
    let Some(tw) = read::tw_of_timer(timer)? else {
        return Ok(());
    };
    let Some((key, conn)) = conn::of_time_wait(tw)? else {
        return Ok(());
    };
    if conn.phase == phase::TIME_WAIT {
        life::release(key, conn, ReleaseReason::Expired, 0);
    } else if conn.phase == phase::UNCLAIMED {
        conn::forget(key);
    }
    Ok(())
}

#[inline(always)]
fn try_cancel(timer: u64) -> Outcome {
    let Some(tw) = read::tw_of_timer(timer)? else {
        return Ok(());
    };
    let key = key(&SockCommon::read(tw)?);
    let Some(conn) = conn::lookup(key) else {
        return Ok(());
    };
    if conn.phase != phase::TIME_WAIT {
        return Ok(());
    }
    if read::tw_recycled(tw)? {
        life::release(key, conn, ReleaseReason::Recycled, 0);
        return Ok(());
    }
    if due(tw)? {
        return Ok(()); // timer_expire_entry follows
    }
    // Killed, or restarted because the peer's FIN or a stray segment came: then timer_start follows.
    let detail = life::release_detail(conn, ReleaseReason::Killed, 0);
    emit(RecordKind::Unarmed, conn, detail);
    if let Some(unarmed) = UNARMED.get_ptr_mut(0) {
        let value = Unarmed {
            conn: *conn,
            key,
            tw,
            at_ns: now(),
        };
        // SAFETY: a live map value of this CPU, where interrupts are off within `mod_timer`.
        unsafe { unarmed.write(value) };
    }
    conn::forget(key);
    Ok(())
}
