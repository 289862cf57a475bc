//! What happens to a connection: searched for, held, perhaps in TIME_WAIT, released.
//!
//! Every hook ends in one of the functions here, whatever the way it is attached.
//!
//! The kernel skips a program that is already running on this CPU (it counts that as a recursion
//! miss), so each step can be concluded from the next one: a search whose end was not seen is
//! settled by what the socket does then.

use portex_common::{
    Loss, RecordKind,
    record::{ReleaseReason, flag},
};

use crate::{
    capture::Ctx,
    conn::{Conn, bound_marks, forget, insert, insert_new, lookup, mark, observe, phase, tcp},
    emit::{Detail, emit, failure, now},
    maps::{CONNECTS, Call},
    owner,
    read::{self, SockCommon},
    settings::setting,
    trouble::Outcome,
};

/// Error numbers that a port search ends with (`asm-generic/errno.h`).
pub(crate) mod errno {
    pub(crate) const ENOMEM: u16 = 12;
    pub(crate) const EADDRNOTAVAIL: u16 = 99;
    /// How connect() answers while a handshake is under way (`linux/errno.h` has the last ones).
    pub(crate) const EINTR: u16 = 4;
    pub(crate) const EINPROGRESS: u16 = 115;
    pub(crate) const ERESTARTSYS: u16 = 512;
    pub(crate) const ERESTART_RESTARTBLOCK: u16 = 516;
}

/// Notes the owner before the search begins, so that it can be told even when the programs around it
/// are skipped.
#[inline(always)]
pub(crate) fn announce(sk: u64) -> Outcome {
    if let Some(conn) = lookup(sk) {
        match conn.phase {
            phase::ANNOUNCED => return Ok(()), // by tcp_set_state
            // Its port was bound by number, so that it kept it; or its release was not seen.
            phase::HELD => release(sk, conn, ReleaseReason::Closed, flag::INFERRED),
            _ => forget(sk),
        }
    }
    if !read::is_tcp(sk)? {
        return Ok(());
    }
    let sock = SockCommon::read(sk)?;
    let Some(mut conn) = observe(sk, &sock)? else {
        return Ok(());
    };
    conn.phase = phase::ANNOUNCED;
    if sock.num() == 0 {
        conn.stale_sport = read::inet_sport(sk)?;
    }
    match insert(sk, &conn) {
        // The end of the search tries again, and counts it.
        Err(Loss::TableFull) => Ok(()),
        outcome => outcome,
    }
}

/// A search begins, in the context of the caller of connect().
#[inline(always)]
pub(crate) fn begin_search(sk: u64, sock: &SockCommon, stale_sport: u16) -> Outcome {
    if let Some(conn) = lookup(sk) {
        if conn.phase == phase::ANNOUNCED {
            let num = sock.num();
            if num != 0 {
                conn.marks |= bound_marks(sk)?;
            }
            conn.tuple.sport = num;
            sock.addresses(&mut conn.tuple);
            conn.search_ns = now();
            if stale_sport != 0 {
                conn.stale_sport = stale_sport;
            }
            conn.phase = phase::SEARCHING;
            return Ok(());
        }
        if conn.phase == phase::HELD {
            // The earlier connection of this socket is over: its port was bound by number, so that
            // the socket kept it, or its release was not seen.
            release(sk, conn, ReleaseReason::Closed, flag::INFERRED);
        }
    }
    let Some(mut conn) = observe(sk, sock)? else {
        return Ok(());
    };
    conn.stale_sport = stale_sport;
    insert(sk, &conn)
}

/// A search is about to begin, where no program has announced it.
#[inline(always)]
pub(crate) fn begin_unannounced(sk: u64, sock: &SockCommon, stale_sport: u16) -> Outcome {
    let Some(mut conn) = observe(sk, sock)? else {
        // It may have been somebody's who is not filtered.
        release_earlier(sk);
        return Ok(());
    };
    conn.stale_sport = stale_sport;
    if insert_new(sk, &conn)? {
        return Ok(());
    }
    release_earlier(sk);
    insert(sk, &conn)
}

/// The earlier connection of a socket that connects again is over: its port was bound by number, so that
/// the socket kept it, or its release was not seen.
#[inline(always)]
fn release_earlier(sk: u64) {
    if let Some(earlier) = lookup(sk)
        && earlier.phase == phase::HELD
    {
        release(sk, earlier, ReleaseReason::Closed, flag::INFERRED);
    }
}

/// The search ended with `code`, 0 or a negative error number.
#[inline(always)]
pub(crate) fn end_search(ctx: Ctx, sk: u64, code: i32) -> Outcome {
    let sock = SockCommon::read(sk)?;
    if let Some(conn) = lookup(sk)
        && conn.is_unsettled()
    {
        sock.addresses(&mut conn.tuple);
        // Only announced: the program at the entry, which starts the clock, was skipped.
        let flags = if conn.phase == phase::SEARCHING {
            flag::SEARCH_TIMED
        } else {
            0
        };
        if code == 0 {
            succeed(sk, conn, sock.num(), flags);
            return Ok(());
        }
        fail(ctx, sk, conn, errno_of(code), flags);
        return note_failure(&sock);
    }
    // The program at the entry was skipped or found the table full: all but the time and, after a
    // success, whether the port was bound, can be told all the same.
    let Some(mut conn) = observe(sk, &sock)? else {
        return Ok(());
    };
    if code != 0 {
        tell_failure(ctx, &conn, errno_of(code), 0);
        return note_failure(&sock);
    }
    conn.marks = 0;
    hold(&mut conn, sock.num(), flag::INFERRED);
    if setting!(failures_only) == 1 {
        return Ok(());
    }
    insert(sk, &conn)
}

#[inline(always)]
fn errno_of(code: i32) -> u16 {
    code.unsigned_abs() as u16
}

/// The connection got a port. It is out of the table when only failures are wanted.
#[inline(always)]
pub(crate) fn succeed(sk: u64, conn: &mut Conn, port: u16, flags: u8) {
    hold(conn, port, flags);
    if setting!(failures_only) == 1 {
        forget(sk);
    }
}

#[inline(always)]
fn hold(conn: &mut Conn, port: u16, flags: u8) {
    let now = now();
    conn.tuple.sport = port;
    conn.phase = phase::HELD;
    conn.since_ns = now;
    if setting!(failures_only) == 1 {
        return;
    }
    let detail = Detail {
        first_ns: now.wrapping_sub(conn.search_ns),
        second_ns: conn.restrictions,
        flags: flags | bound_flag(conn),
        ..Detail::default()
    };
    emit(RecordKind::Connect, conn, detail);
}

/// The connection got no port. It is out of the table unless its last state change is to be told.
#[inline(always)]
pub(crate) fn fail(ctx: Ctx, sk: u64, conn: &mut Conn, errno: u16, flags: u8) {
    tell_failure(ctx, conn, errno, flags);
    if setting!(states) == 1 {
        conn.phase = phase::FAILED;
    } else {
        forget(sk);
    }
}

/// Writes the record of a failure. The search began at `search_ns`.
#[inline(always)]
pub(crate) fn tell_failure(ctx: Ctx, conn: &Conn, errno: u16, flags: u8) {
    let detail = Detail {
        first_ns: now().wrapping_sub(conn.search_ns),
        second_ns: conn.restrictions,
        errno,
        flags: flags | bound_flag(conn),
        ..Detail::default()
    };
    failure(ctx, RecordKind::ConnectFailed, conn, detail);
}

/// Settles a search whose end was not seen, from what its socket looks like before it moves on to
/// state `to` (0: the socket gives its port back, or goes over to TIME_WAIT). It may be out of the
/// table after that.
#[inline(always)]
pub(crate) fn settle(ctx: Ctx, sk: u64, conn: &mut Conn, sock: &SockCommon, to: u8) -> Outcome {
    if !conn.is_unsettled() {
        return Ok(());
    }
    sock.addresses(&mut conn.tuple);
    let num = sock.num();
    // A failed search leaves the number as it was. The same is true of a bound port that fails,
    // and of one that succeeds and is reset: the error of the socket tells these two apart.
    let failed = if num == 0 {
        true
    } else {
        conn.is(mark::BOUND)
            && to == tcp::CLOSE
            && sock.state() == tcp::SYN_SENT
            && owner::thread() as u32 == conn.owner.tid
            && read::sk_err(sk)? == 0
    };
    if failed {
        fail(ctx, sk, conn, errno::EADDRNOTAVAIL, flag::INFERRED);
        return note_failure(sock);
    }
    succeed(sk, conn, num, flag::INFERRED);
    Ok(())
}

/// Lets `tcp_v6_connect` know, when it returns, that its error has been told already.
#[inline(always)]
pub(crate) fn note_failure(sock: &SockCommon) -> Outcome {
    if sock.family() != read::AF_INET6 {
        return Ok(());
    }
    let call = Call { sk: 0, arg: 0 };
    CONNECTS
        .insert(owner::thread(), &call, 0)
        .map_err(|_| Loss::CallsFull)
}

/// The port lives on in a TIME_WAIT minisocket, tracked under `key` from now on.
#[inline(always)]
pub(crate) fn enter_time_wait(sk: u64, conn: &Conn, key: u64, substate: u8, flags: u8) -> Outcome {
    let mut conn = *conn;
    conn.phase = phase::TIME_WAIT;
    conn.marks &= !mark::TIME_WAIT_DUE;
    conn.time_wait_ns = now();
    if let Some(stale) = lookup(key)
        && stale.phase == phase::TIME_WAIT
    {
        // The end of the minisocket that had this address before was not seen.
        release(key, stale, ReleaseReason::Expired, flag::INFERRED);
    }
    // First out, then in: a full table has room for it then.
    forget(sk);
    let outcome = insert(key, &conn);
    tell_time_wait(&conn, substate, flags);
    outcome
}

/// Writes the record of a TIME_WAIT that began.
#[inline(always)]
pub(crate) fn tell_time_wait(conn: &Conn, substate: u8, flags: u8) {
    let detail = Detail {
        to: substate,
        flags,
        ..Detail::default()
    };
    emit(RecordKind::TimeWait, conn, detail);
}

/// The port is free.
#[inline(always)]
pub(crate) fn release(key: u64, conn: &Conn, reason: ReleaseReason, flags: u8) {
    emit(
        RecordKind::Released,
        conn,
        release_detail(conn, reason, flags),
    );
    forget(key);
}

/// What the record of a release says.
#[inline(always)]
pub(crate) fn release_detail(conn: &Conn, reason: ReleaseReason, flags: u8) -> Detail {
    let now = now();
    let waited = conn.phase == phase::TIME_WAIT;
    Detail {
        first_ns: now.wrapping_sub(conn.since_ns),
        second_ns: if waited {
            now.wrapping_sub(conn.time_wait_ns)
        } else {
            0
        },
        flags: flags | if waited { flag::HAD_TIME_WAIT } else { 0 },
        reason: reason as u8,
        ..Detail::default()
    }
}

/// Tells a state change of a tracked connection, when they are asked for.
#[inline(always)]
pub(crate) fn tell_state(conn: &Conn, from: u8, to: u8) {
    if setting!(states) == 1 {
        let detail = Detail {
            from,
            to,
            ..Detail::default()
        };
        emit(RecordKind::State, conn, detail);
    }
}

#[inline(always)]
fn bound_flag(conn: &Conn) -> u8 {
    let bound = if conn.is(mark::BOUND) { flag::BOUND } else { 0 };
    let by_number = if conn.is(mark::BY_NUMBER) {
        flag::BY_NUMBER
    } else {
        0
    };
    bound | by_number
}
