//! `void tcp_set_state(struct sock *sk, int state)`: every state change of a full socket by name.
//!
//! Needed to settle searches whose return was not seen (a kretprobe without a free instance, a
//! program skipped by the recursion guard), and to tell state changes where asked for.

use aya_ebpf::{
    macros::{fentry, kprobe},
    programs::{FEntryContext, ProbeContext},
};
use portex_common::Loss;

use crate::{
    conn::{self, phase, tcp},
    life,
    read::{self, SockCommon},
    settings::setting,
    trouble::{Outcome, finish},
};

#[inline(always)]
fn try_set_state(sk: u64, to: i32) -> Outcome {
    let to = to as u8;
    if setting!(states) == 0 && to != tcp::CLOSE && to != tcp::ESTABLISHED {
        return Ok(());
    }
    let Some(mut conn) = conn::lookup(sk) else {
        return if setting!(states) == 1 && to == tcp::SYN_SENT {
            announce(sk)
        } else {
            Ok(())
        };
    };
    if setting!(states) == 0 && conn.phase != phase::SEARCHING {
        return Ok(());
    }
    let sock = SockCommon::read(sk)?;
    if conn.phase == phase::SEARCHING {
        life::settle(sk, conn, &sock, to)?;
        match conn::lookup(sk) {
            Some(settled) => conn = settled,
            None => return Ok(()),
        }
    }
    life::tell_state(conn, sock.state(), to);
    if conn.phase == phase::FAILED {
        conn::forget(sk);
    }
    Ok(())
}

/// CLOSE → SYN_SENT comes before the port search.
#[inline(always)]
fn announce(sk: u64) -> Outcome {
    if !read::is_tcp(sk)? {
        return Ok(());
    }
    let sock = SockCommon::read(sk)?;
    let Some(mut conn) = conn::observe(&sock)? else {
        return Ok(());
    };
    conn.phase = phase::ANNOUNCED;
    life::tell_state(&conn, sock.state(), tcp::SYN_SENT);
    conn::insert(sk, &conn)
}

#[fentry]
pub fn tcp_set_state_fentry(ctx: FEntryContext) -> u32 {
    finish(&ctx, "tcp_set_state", try_set_state(ctx.arg(0), ctx.arg(1)))
}

#[kprobe]
pub fn tcp_set_state_kprobe(ctx: ProbeContext) -> u32 {
    finish(&ctx, "tcp_set_state", try_kprobe(&ctx))
}

#[inline(always)]
fn try_kprobe(ctx: &ProbeContext) -> Outcome {
    let sk = ctx.arg(0).ok_or(Loss::ReadFault)?;
    let to = ctx.arg(1).ok_or(Loss::ReadFault)?;
    try_set_state(sk, to)
}
