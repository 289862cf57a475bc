//! The table of tracked connections, and what may happen to one.
//!
//! Every hook ends in one of the functions here, whatever the way it is attached, so that a
//! connection has one life: searched for, held, perhaps in TIME_WAIT, released.
//!
//! The kernel skips a program that is already running on this CPU (it counts that as a recursion
//! miss), so each step can be concluded from the next one: a search whose end was not seen is
//! settled by what the socket does then.

use portex_common::{Loss, Owner, RecordKind, Tuple, record::ReleaseReason, record::flag};

use crate::{
    emit::{Detail, emit, now},
    maps::{CONNECTS, CONNS, Call},
    owner,
    read::{self, SockCommon},
    settings::setting,
    trouble::Outcome,
};

/// TCP states (`net/tcp_states.h`).
pub(crate) mod tcp {
    pub(crate) const SYN_SENT: u8 = 2;
    pub(crate) const FIN_WAIT2: u8 = 5;
    pub(crate) const TIME_WAIT: u8 = 6;
    pub(crate) const CLOSE: u8 = 7;
    pub(crate) const CLOSING: u8 = 11;
}

/// Error numbers that a port search ends with (`asm-generic/errno.h`).
pub(crate) mod errno {
    pub(crate) const ENOMEM: u16 = 12;
    pub(crate) const EADDRNOTAVAIL: u16 = 99;
}

/// Where a connection is in its life; the value of [`Conn::phase`].
pub(crate) mod phase {
    /// In SYN_SENT, the port search has not begun.
    pub(crate) const ANNOUNCED: u8 = 0;
    /// A port is being looked for.
    pub(crate) const SEARCHING: u8 = 1;
    /// Back in CLOSE; the return of the system call will tell why (tracepoint way).
    pub(crate) const DEFERRED: u8 = 2;
    /// Holds a port.
    pub(crate) const HELD: u8 = 3;
    /// Got no port; kept only to tell its last state change.
    pub(crate) const FAILED: u8 = 4;
    /// The TIME_WAIT minisocket holds the port.
    pub(crate) const TIME_WAIT: u8 = 5;
    /// A TIME_WAIT whose socket has not been seen to close yet (tracepoint way).
    pub(crate) const UNCLAIMED: u8 = 6;
}

/// Bits of [`Conn::marks`].
pub(crate) mod mark {
    /// A port was bound before connect().
    pub(crate) const BOUND: u8 = 1 << 0;
    /// The port was held already when this search began, by an earlier connection of the socket.
    pub(crate) const AGAIN: u8 = 1 << 1;
    /// TIME_WAIT is due (`tcp_time_wait` was called).
    pub(crate) const TIME_WAIT_DUE: u8 = 1 << 2;
    /// The timer of the TIME_WAIT was taken off, and user space told.
    pub(crate) const UNARMED: u8 = 1 << 3;
}

/// A tracked connection.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Conn {
    pub(crate) owner: Owner,
    pub(crate) tuple: Tuple,
    /// Opaque id of the connection.
    pub(crate) socket: u64,
    /// When the search began.
    pub(crate) search_ns: u64,
    /// When the port was given.
    pub(crate) since_ns: u64,
    /// When the TIME_WAIT began.
    pub(crate) time_wait_ns: u64,
    pub(crate) phase: u8,
    pub(crate) marks: u8,
    /// Substate of the TIME_WAIT when its timer was last seen to start.
    pub(crate) substate: u8,
    pub(crate) reserved: u8,
    /// `inet_sport` before the search: left there by an earlier connection of the socket.
    pub(crate) stale_sport: u16,
    pub(crate) reserved2: u16,
}

impl Conn {
    #[inline(always)]
    pub(crate) fn is(&self, mark: u8) -> bool {
        self.marks & mark != 0
    }

    #[inline(always)]
    fn bound_flag(&self) -> u8 {
        if self.is(mark::BOUND) { flag::BOUND } else { 0 }
    }
}

/// The connection under a key, to be changed in place.
#[inline(always)]
pub(crate) fn lookup(key: u64) -> Option<&'static mut Conn> {
    // SAFETY: a live map value. Programs that hold it for the same socket are serialised by the
    // socket lock; a value that is removed meanwhile stays readable, as the map is preallocated.
    CONNS.get_ptr_mut(key).map(|conn| unsafe { &mut *conn })
}

#[inline(always)]
pub(crate) fn insert(key: u64, conn: &Conn) -> Outcome {
    CONNS.insert(key, conn, 0).map_err(|_| Loss::TableFull)
}

#[inline(always)]
pub(crate) fn forget(key: u64) {
    let _absent = CONNS.remove(key);
}

/// A connection of the running process as its socket shows it now, or `None` when it is filtered.
#[inline(always)]
pub(crate) fn observe(sock: &SockCommon) -> Result<Option<Conn>, Loss> {
    let owner = owner::current();
    let wanted = setting!(tgid);
    if wanted != 0 && owner.tgid != wanted {
        return Ok(None);
    }
    let netns = sock.netns()?;
    let wanted = setting!(netns);
    if wanted != 0 && netns != wanted {
        return Ok(None);
    }
    let now = now();
    let num = sock.num();
    let mut conn = Conn {
        owner,
        tuple: Tuple {
            saddr: [0; 4],
            daddr: [0; 4],
            netns,
            sport: num,
            dport: 0,
        },
        // Unique: two searches do not begin on one CPU in the same nanosecond.
        socket: now << 8 | u64::from(cpu() & 0xff),
        search_ns: now,
        since_ns: now,
        time_wait_ns: 0,
        phase: phase::SEARCHING,
        marks: if num != 0 { mark::BOUND } else { 0 },
        substate: 0,
        reserved: 0,
        stale_sport: 0,
        reserved2: 0,
    };
    sock.addresses(&mut conn.tuple);
    Ok(Some(conn))
}

#[inline(always)]
fn cpu() -> u32 {
    // SAFETY: a helper without arguments.
    unsafe { aya_ebpf::helpers::generated::bpf_get_smp_processor_id() }
}

/// A search begins, in the context of the caller of connect().
#[inline(always)]
pub(crate) fn begin_search(sk: u64, sock: &SockCommon, stale_sport: u16) -> Outcome {
    if let Some(conn) = lookup(sk) {
        let num = sock.num();
        let same_port = num != 0 && num == conn.tuple.sport;
        if conn.phase == phase::ANNOUNCED || (conn.phase == phase::HELD && same_port) {
            if conn.phase == phase::HELD {
                conn.marks |= mark::AGAIN;
            }
            if num != 0 {
                conn.marks |= mark::BOUND;
            }
            conn.tuple.sport = num;
            sock.addresses(&mut conn.tuple);
            conn.search_ns = now();
            conn.stale_sport = stale_sport;
            conn.phase = phase::SEARCHING;
            return Ok(());
        }
        if conn.phase == phase::HELD {
            // Its release was not seen, but the socket holds another port now, or none.
            release(sk, conn, ReleaseReason::Closed, flag::INFERRED);
        }
    }
    let Some(mut conn) = observe(sock)? else {
        return Ok(());
    };
    conn.stale_sport = stale_sport;
    insert(sk, &conn)
}

/// The search ended with `code`, 0 or a negative error number.
#[inline(always)]
pub(crate) fn end_search(sk: u64, code: i32) -> Outcome {
    let sock = SockCommon::read(sk)?;
    if let Some(conn) = lookup(sk)
        && conn.phase == phase::SEARCHING
    {
        sock.addresses(&mut conn.tuple);
        if code == 0 {
            succeed(sk, conn, sock.num(), flag::SEARCH_TIMED);
            return Ok(());
        }
        fail(sk, conn, errno_of(code), flag::SEARCH_TIMED);
        return note_failure(&sock);
    }
    // The program at the entry was skipped or found the table full: all but the time and, after a
    // success, whether the port was bound, can be told all the same.
    let Some(mut conn) = observe(&sock)? else {
        return Ok(());
    };
    if code != 0 {
        tell_failure(&conn, errno_of(code), 0);
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

/// The connection got a port.
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
    if !conn.is(mark::AGAIN) {
        conn.since_ns = now;
    }
    conn.marks &= !mark::AGAIN;
    if setting!(failures_only) == 1 {
        return;
    }
    let detail = Detail {
        first_ns: now.wrapping_sub(conn.search_ns),
        flags: flags | conn.bound_flag(),
        ..Detail::default()
    };
    emit(RecordKind::Connect, conn, detail);
}

/// The connection got no port.
#[inline(always)]
pub(crate) fn fail(sk: u64, conn: &mut Conn, errno: u16, flags: u8) {
    tell_failure(conn, errno, flags);
    if conn.is(mark::AGAIN) {
        conn.marks &= !mark::AGAIN;
        conn.phase = phase::HELD;
    } else if setting!(states) == 1 {
        conn.phase = phase::FAILED;
    } else {
        forget(sk);
    }
}

/// Writes the record of a failure. The search began at `search_ns`.
#[inline(always)]
pub(crate) fn tell_failure(conn: &Conn, errno: u16, flags: u8) {
    let detail = Detail {
        first_ns: now().wrapping_sub(conn.search_ns),
        errno,
        flags: flags | conn.bound_flag(),
        ..Detail::default()
    };
    emit(RecordKind::ConnectFailed, conn, detail);
}

/// Settles a search whose end was not seen, from what its socket looks like before it moves on to
/// state `to` (0: the socket gives its port back, or goes over to TIME_WAIT).
#[inline(always)]
pub(crate) fn settle(sk: u64, conn: &mut Conn, sock: &SockCommon, to: u8) -> Outcome {
    if conn.phase != phase::SEARCHING {
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
        fail(sk, conn, errno::EADDRNOTAVAIL, flag::INFERRED);
        return note_failure(sock);
    }
    succeed(sk, conn, num, flag::INFERRED);
    Ok(())
}

/// Lets `tcp_v6_connect` know, when it returns, that its error has been told already.
#[inline(always)]
fn note_failure(sock: &SockCommon) -> Outcome {
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
    conn.substate = substate;
    conn.time_wait_ns = now();
    // First out, then in: a full table has room for it then.
    forget(sk);
    let outcome = insert(key, &conn);
    tell_time_wait(&conn, substate, flags);
    outcome
}

/// Key of a TIME_WAIT in the tracepoint way, where socket and minisocket are never seen together:
/// both have the same hash of the 4-tuple and the same ports. The top bit is clear, which it is in
/// no kernel address.
#[inline(always)]
pub(crate) fn digest(hash: u32, dport: u16, sport: u16) -> u64 {
    (u64::from(hash) << 32 | u64::from(dport) << 16 | u64::from(sport)) & !(1 << 63)
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
