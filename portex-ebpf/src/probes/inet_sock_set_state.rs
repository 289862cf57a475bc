//! `sock:inet_sock_set_state(const struct sock *sk, int oldstate, int newstate)`, raw: the heart of
//! the tracepoint way.
//!
//! The port search itself is not seen, but what it leaves behind is: CLOSE → SYN_SENT comes before
//! it, in the context of the caller, and the next change after it. By then a search that failed has
//! left `inet_sport` as it was. `tcp_set_state` gives the port back before this tracepoint, so at
//! CLOSE `skc_num` tells whether the socket still holds one.

use aya_ebpf::{EbpfContext, macros::raw_tracepoint, programs::RawTracePointContext};
use portex_common::{
    Loss,
    record::{ReleaseReason, flag},
};

use crate::{
    bind,
    capture::Ctx,
    conn::{self, Conn, mark, phase, tcp},
    life::{self, errno},
    maps::{CONNECTS, Call, LATEST, Latest},
    owner,
    read::{
        self, SockCommon,
        time_wait::{self, Successor},
    },
    settings::setting,
    task::{self, regs},
    trouble::{Outcome, finish},
};

#[raw_tracepoint(tracepoint = "inet_sock_set_state")]
pub fn inet_sock_set_state(ctx: RawTracePointContext) -> u32 {
    let from: i32 = ctx.arg(1);
    let to: i32 = ctx.arg(2);
    finish(
        &ctx,
        "inet_sock_set_state",
        try_set_state(ctx.as_ptr(), ctx.arg(0), from as u8, to as u8),
    )
}

#[inline(always)]
fn try_set_state(ctx: Ctx, sk: u64, from: u8, to: u8) -> Outcome {
    if from == tcp::CLOSE && to == tcp::SYN_SENT {
        return try_begin(sk);
    }
    if setting!(states) == 0 && from != tcp::SYN_SENT && to != tcp::CLOSE {
        return Ok(());
    }
    let Some(mut conn) = conn::lookup(sk) else {
        return disown_failure(sk, from, to);
    };
    let sock = SockCommon::read(sk)?;
    if conn.phase == phase::SEARCHING {
        try_settle(ctx, sk, conn, &sock, to)?;
        if setting!(states) == 0 && to != tcp::CLOSE {
            return Ok(());
        }
        match conn::lookup(sk) {
            Some(settled) => conn = settled,
            None => return Ok(()),
        }
    }
    if conn.phase == phase::HELD && to == tcp::CLOSE {
        return try_close(sk, conn, &sock, from);
    }
    life::tell_state(conn, from, to);
    if conn.phase == phase::FAILED {
        conn::forget(sk);
    }
    Ok(())
}

/// CLOSE → SYN_SENT: a search is about to begin, in the context of the caller of connect().
#[inline(always)]
fn try_begin(sk: u64) -> Outcome {
    if !read::is_tcp(sk)? {
        return Ok(());
    }
    if setting!(syscall_exit) == 1
        && let Some(latest) = LATEST.get_ptr_mut(0)
    {
        let thread = owner::thread();
        // SAFETY: a live map value of this CPU; who reads it checks that it is of its thread.
        unsafe { latest.write_volatile(Latest { thread, sk }) };
    }
    let sock = SockCommon::read(sk)?;
    let stale_sport = if sock.num() == 0 {
        read::inet_sport(sk)?
    } else {
        0
    };
    life::begin_unannounced(sk, &sock, stale_sport)?;
    if setting!(states) == 1
        && let Some(conn) = conn::lookup(sk)
    {
        life::tell_state(conn, tcp::CLOSE, tcp::SYN_SENT);
    }
    Ok(())
}

/// SYN_SENT → something: the search is over.
#[inline(always)]
fn try_settle(ctx: Ctx, sk: u64, conn: &mut Conn, sock: &SockCommon, to: u8) -> Outcome {
    sock.addresses(&mut conn.tuple);
    if to != tcp::CLOSE {
        life::succeed(sk, conn, sock.num(), 0);
        return Ok(());
    }
    let sport = read::inet_sport(sk)?;
    let call = match setting!(syscall_exit) {
        1 => call_on(sk)?,
        _ => OnSocket::Another,
    };
    if matches!(call, OnSocket::Connects) && owner::thread() as u32 == conn.owner.tid {
        // Refused or out of ports: the return value will tell.
        await_return(sk)?;
        conn.tuple.sport = sport;
        conn.phase = phase::DEFERRED;
        return Ok(());
    }
    if matches!(call, OnSocket::Disconnects) {
        life::succeed(sk, conn, sport, flag::INFERRED);
        return Ok(());
    }
    // No system call to wait for: io_uring, MSG_FASTOPEN, a kernel thread, or it has returned.
    conclude(ctx, sk, conn, sport).map(drop)
}

/// SYN_SENT → CLOSE: tells a search that failed from a connection that was given up. Whether it failed.
///
/// A search that failed has left the port as it was, and ends in the thread that began it. Else the
/// end shows: a refusal or a timeout has set the error, close() has shut the socket down.
#[inline(always)]
fn conclude(ctx: Ctx, sk: u64, conn: &mut Conn, sport: u16) -> Result<bool, Loss> {
    let untouched = conn.is(mark::BOUND) || sport == 0 || sport == conn.stale_sport;
    let failed = untouched
        && owner::thread() as u32 == conn.owner.tid
        && read::sk_err(sk)? == 0
        && !read::is_shut_down(sk)?;
    if failed {
        life::fail(ctx, sk, conn, errno::EADDRNOTAVAIL, flag::INFERRED);
    } else {
        life::succeed(sk, conn, sport, flag::INFERRED);
    }
    Ok(failed)
}

/// Lets the end of connect() find the socket.
#[inline(always)]
fn await_return(sk: u64) -> Outcome {
    let call = Call { sk, arg: 0 };
    CONNECTS
        .insert(owner::thread(), &call, 0)
        .map_err(|_| Loss::CallsFull)
}

/// What the running thread does with a socket.
enum OnSocket {
    /// It is in connect() on it.
    Connects,
    /// It is in connect() with AF_UNSPEC, on this one or another.
    Disconnects,
    /// Neither.
    Another,
}

#[inline(always)]
fn call_on(sk: u64) -> Result<OnSocket, Loss> {
    const AF_UNSPEC: u16 = 0;
    if task::syscall() != Some(task::CONNECT) {
        return Ok(OnSocket::Another);
    }
    // The thread is perhaps only interrupted, and in connect() on something else: a descriptor of no socket,
    // say. Then it is not this socket's.
    let Ok(address) = read::kernel(task::user_regs(), regs::ARG1) else {
        return Ok(OnSocket::Another);
    };
    if read::user::<u16>(address).is_ok_and(|family| family == AF_UNSPEC) {
        return Ok(OnSocket::Disconnects);
    }
    // The thread may have changed its CPU since it began.
    let is_it =
        began_here(sk) || matches!(bind::socket_of_call(), Ok(Some((of_call, _))) if of_call == sk);
    Ok(if is_it {
        OnSocket::Connects
    } else {
        OnSocket::Another
    })
}

/// Whether the latest search on this CPU is of this socket and thread.
#[inline(always)]
fn began_here(sk: u64) -> bool {
    // SAFETY: a live map value of this CPU.
    let latest = LATEST
        .get_ptr_mut(0)
        .map(|latest| unsafe { latest.read_volatile() });
    latest.is_some_and(|latest| latest.thread == owner::thread() && latest.sk == sk)
}

/// A search that is over and that is not tracked, being filtered or lost, is not to be taken for a call
/// that failed before any.
#[inline(always)]
fn disown_failure(sk: u64, from: u8, to: u8) -> Outcome {
    if from == tcp::SYN_SENT
        && to == tcp::CLOSE
        && setting!(syscall_exit) == 1
        && began_here(sk)
        && matches!(call_on(sk)?, OnSocket::Connects)
    {
        return await_return(0);
    }
    Ok(())
}

/// Something → CLOSE of a connection that holds a port.
#[inline(always)]
fn try_close(sk: u64, conn: &Conn, sock: &SockCommon, from: u8) -> Outcome {
    let (mut reason, mut flags) = (ReleaseReason::Closed, 0);
    if leads_to_time_wait(from) {
        let successor = if time_wait::knows_tw_timers() {
            time_wait::successor(sock, conn.tuple.sport)?
        } else {
            Successor::Unknown
        };
        if let Successor::TimeWait(tw) = successor {
            let substate = time_wait::tw_substate(tw)?;
            if from != substate {
                life::tell_state(conn, from, substate);
            }
            return life::enter_time_wait(sk, conn, tw, substate, 0);
        }
        if is_time_wait_due(sk, sock, from)? {
            if matches!(successor, Successor::Unknown) {
                // It will be one, unless tcp_max_tw_buckets is reached; its end will not be seen.
                life::tell_state(conn, from, tcp::TIME_WAIT);
                life::tell_time_wait(conn, tcp::TIME_WAIT, flag::INFERRED);
                conn::forget(sk);
                return Ok(());
            }
            // A FIN_WAIT2 that nobody holds also ends when data comes that nobody will read.
            if time_wait::overflow(sock)? != Some(false) {
                reason = ReleaseReason::Overflow;
            }
            flags = flag::INFERRED;
        }
    }
    end(sk, conn, sock, from, reason, flags)
}

/// A connection is over, and no TIME_WAIT keeps its port.
#[inline(always)]
fn end(
    sk: u64,
    conn: &Conn,
    sock: &SockCommon,
    from: u8,
    reason: ReleaseReason,
    flags: u8,
) -> Outcome {
    life::tell_state(conn, from, tcp::CLOSE);
    // A port that was bound by number stays with the socket until it is destroyed.
    if sock.num() == 0 {
        life::release(sk, conn, reason, flags);
    }
    Ok(())
}

/// Beside hooked functions: makes good for programs that the kernel skipped.
///
/// A trampoline's program is skipped while it is under way on the same CPU, preempted in another
/// thread, perhaps; a kprobe's while any other is, so that a softirq that interrupts one goes unseen
/// as a whole. This program is skipped only while itself is under way.
#[raw_tracepoint(tracepoint = "inet_sock_set_state")]
pub fn inet_sock_set_state_beside(ctx: RawTracePointContext) -> u32 {
    let (from, to): (i32, i32) = (ctx.arg(1), ctx.arg(2));
    finish(
        &ctx,
        "inet_sock_set_state",
        try_beside(ctx.as_ptr(), ctx.arg(0), from as u8, to as u8),
    )
}

#[inline(always)]
fn try_beside(ctx: Ctx, sk: u64, from: u8, to: u8) -> Outcome {
    if from == tcp::CLOSE && to == tcp::SYN_SENT {
        return life::announce(sk);
    }
    if from != tcp::SYN_SENT && to != tcp::CLOSE {
        return Ok(());
    }
    let Some(conn) = conn::lookup(sk) else {
        return Ok(());
    };
    if conn.is_unsettled() {
        let sock = SockCommon::read(sk)?;
        sock.addresses(&mut conn.tuple);
        let sport = read::inet_sport(sk)?;
        if to == tcp::CLOSE {
            if conclude(ctx, sk, conn, sport)? {
                life::note_failure(&sock)?;
            }
        } else {
            life::succeed(sk, conn, sport, flag::INFERRED);
        }
    }
    if to != tcp::CLOSE || setting!(failures_only) == 1 {
        return Ok(());
    }
    try_closed(sk, from)
}

/// A connection that is at its socket's place still, when the socket has no port any more, has missed
/// something.
#[inline(always)]
fn try_closed(sk: u64, from: u8) -> Outcome {
    let Some(conn) = conn::lookup(sk) else {
        return Ok(());
    };
    if conn.phase != phase::HELD {
        return Ok(());
    }
    let sock = SockCommon::read(sk)?;
    if sock.num() != 0 {
        return Ok(());
    }
    if is_time_wait_due(sk, &sock, from)? {
        let key = conn::digest(sock.hash(), conn.tuple.dport, conn.tuple.sport);
        return life::enter_time_wait(sk, conn, key, tcp::TIME_WAIT, flag::INFERRED);
    }
    life::release(sk, conn, ReleaseReason::Closed, flag::INFERRED);
    Ok(())
}

/// Whether a socket that closes from this state goes over to TIME_WAIT, as far as it can be told:
/// its FIN has been answered by the peer's, or nobody holds it any more; and no reset, which sets
/// the error first, or close with data unread, which comes before both, has ended it.
#[inline(always)]
fn is_time_wait_due(sk: u64, sock: &SockCommon, from: u8) -> Result<bool, Loss> {
    Ok(leads_to_time_wait(from) && sock.is_dead_or_done() && read::sk_err(sk)? == 0)
}

#[inline(always)]
fn leads_to_time_wait(from: u8) -> bool {
    from == tcp::FIN_WAIT2 || from == tcp::CLOSING
}
