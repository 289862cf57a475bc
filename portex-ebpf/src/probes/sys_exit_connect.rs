//! `syscalls:sys_exit_connect`: what connect() returned.
//!
//! Settles what `inet_sock_set_state` had to leave open, shows the port of a connection that is
//! still in SYN_SENT, and sees a call that failed before any state change: no source address.

use aya_ebpf::{EbpfContext, macros::tracepoint, programs::TracePointContext};
use portex_common::{
    Loss, Tuple,
    record::{ReleaseReason, flag},
};

use crate::{
    bind,
    capture::Ctx,
    conn::{self, Conn, mark, phase, tcp},
    life::{self, errno},
    maps::{CONNECTS, LATEST},
    owner,
    probes::sys_exit,
    read::{self, AF_INET6, SockCommon},
    settings::setting,
    task::regs,
    trouble::{Outcome, finish},
};

#[tracepoint]
pub fn sys_exit_connect(ctx: TracePointContext) -> u32 {
    finish(
        &ctx,
        "sys_exit_connect",
        try_exit(ctx.as_ptr(), sys_exit::code(&ctx)),
    )
}

#[inline(always)]
fn try_exit(ctx: Ctx, code: i64) -> Outcome {
    let thread = owner::thread();
    if code >= 0 {
        return try_done(thread);
    }
    // SAFETY: only this thread has this key.
    if let Some(sk) = unsafe { CONNECTS.get(thread) }.map(|call| call.sk) {
        let _present = CONNECTS.remove(thread);
        // Without a connection the outcome has been told already, or is filtered or lost.
        return conn::lookup(sk).map_or(Ok(()), |conn| try_settle(ctx, sk, conn, code));
    }
    match code.unsigned_abs() as u16 {
        errno @ (errno::EADDRNOTAVAIL | bind::errno::EAGAIN) => try_refused(ctx, errno),
        // Nonblocking, or interrupted by a signal.
        errno::EINPROGRESS | errno::EINTR | errno::ERESTARTSYS..=errno::ERESTART_RESTARTBLOCK => {
            try_under_way(thread)
        }
        _ => Ok(()),
    }
}

/// connect() has returned 0: the socket has told it when it changed its state. With TCP_FASTOPEN_CONNECT
/// and a cookie that change is yet to come, with the first data.
#[inline(always)]
fn try_done(thread: u64) -> Outcome {
    let Some(latest) = LATEST.get_ptr_mut(0) else {
        return Ok(());
    };
    // SAFETY: a live map value of this CPU.
    let latest = unsafe { latest.read_volatile() };
    if latest.thread != thread
        || read::kernel::<u8>(latest.sk, setting!(offsets.skc_state))? != tcp::SYN_SENT
    {
        return Ok(());
    }
    try_under_way(thread)
}

/// A handshake is under way: its port shows.
#[inline(always)]
fn try_under_way(thread: u64) -> Outcome {
    // SAFETY: a live map value of this CPU.
    let latest = LATEST
        .get_ptr_mut(0)
        .map(|latest| unsafe { latest.read_volatile() });
    let latest = latest.filter(|latest| latest.thread == thread);
    let mut found = latest.and_then(|latest| searching(latest.sk, thread));
    if found.is_none() {
        // The thread has changed its CPU, or another one came in between.
        let of_call = bind::socket_of_call().unwrap_or(None);
        found = of_call.and_then(|(sk, _)| searching(sk, thread));
    }
    let Some((sk, conn)) = found else {
        return Ok(());
    };
    // Nobody holds the socket's lock here: the answer may come on another CPU. What it says then comes
    // first, as the state is looked at last.
    let sock = SockCommon::read(sk)?;
    if sock.num() != 0 && sock.state() == tcp::SYN_SENT && conn.phase == phase::SEARCHING {
        sock.addresses(&mut conn.tuple);
        life::succeed(sk, conn, sock.num(), 0);
    }
    Ok(())
}

/// A socket with its connection, whose search was begun by this thread and is not known to be over.
#[inline(always)]
fn searching(sk: u64, thread: u64) -> Option<(u64, &'static mut Conn)> {
    let conn = conn::lookup(sk)?;
    let is_it = conn.phase == phase::SEARCHING && conn.owner.tid == thread as u32;
    is_it.then_some((sk, conn))
}

#[inline(always)]
fn try_settle(ctx: Ctx, sk: u64, conn: &mut Conn, code: i64) -> Outcome {
    if conn.phase != phase::DEFERRED {
        return Ok(());
    }
    let num = SockCommon::read(sk)?.num();
    let errno = code.unsigned_abs() as u16;
    if errno != errno::EADDRNOTAVAIL && errno != errno::ENOMEM {
        let sport = conn.tuple.sport;
        life::succeed(sk, conn, sport, flag::INFERRED);
        if num == 0 && setting!(failures_only) == 0 {
            life::release(sk, conn, ReleaseReason::Closed, 0);
        }
        return Ok(());
    }
    if !conn.is(mark::BOUND) {
        conn.tuple.sport = 0;
    }
    life::tell_failure(ctx, conn, errno, 0);
    conn::forget(sk);
    Ok(())
}

/// connect() failed, and the socket never left CLOSE: TCP found no source address, or an unbound UDP
/// socket no port.
#[inline(always)]
fn try_refused(ctx: Ctx, errno: u16) -> Outcome {
    let Some((sk, regs)) = bind::socket_of_call()? else {
        return Ok(());
    };
    if errno == bind::errno::EAGAIN {
        return bind::fail_autobind_of(ctx, sk);
    }
    if !read::is_tcp(sk)? {
        return Ok(());
    }
    let sock = SockCommon::read(sk)?;
    let Some(mut conn) = conn::observe(sk, &sock)? else {
        return Ok(());
    };
    let flags = destination(&mut conn.tuple, read::kernel(regs, regs::ARG1)?)?;
    life::tell_failure(ctx, &conn, errno, flags);
    Ok(())
}

/// Reads the destination that the process asked for, as the socket does not have it.
#[inline(always)]
fn destination(tuple: &mut Tuple, address: u64) -> Result<u8, Loss> {
    // struct sockaddr_in and sockaddr_in6 (ABI): family, port, then the address at 4 and at 8.
    let [family, port]: [u16; 2] = read::user(address)?;
    tuple.dport = u16::from_be(port);
    if family == AF_INET6 {
        tuple.daddr = read::user(address.wrapping_add(8))?;
        return Ok(flag::NO_SOURCE);
    }
    tuple.daddr = read::mapped(read::user(address.wrapping_add(4))?);
    Ok(flag::UNSEARCHED)
}
