//! The table of connections (`inet_hashinfo.ehash`): TIME_WAITs whose peer sent no timestamps, so that
//! `tcp_twsk_unique` refuses their port to a new connection.

use aya_ebpf::programs::RawTracePointContext;
use core::ffi::c_void;
use portex_common::{Loss, WalkedKind, walked::walk};

use super::{Walk, answer, get, hashinfo, observed, set, tell};
use crate::{
    conn::tcp,
    read::{SockCommon, kernel},
    settings::setting,
};

/// As in `bind_buckets`.
const ROUNDS: u32 = 4;
const STEPS: u32 = 48;

/// What looking came to.
enum Sighted {
    /// So far nothing.
    Nothing,
    /// The end of the table.
    End,
    /// A TIME_WAIT without timestamps.
    TimeWait(u64),
}

/// Arguments: descriptor of a TCP socket, first slot.
/// Written out, since the macro of aya-ebpf lets raw tracepoints return nothing.
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tracepoint")]
pub extern "C" fn walk_time_waits(ctx: *mut c_void) -> u32 {
    let ctx = RawTracePointContext::new(ctx);
    let Some(walk) = Walk::begin(ctx.arg(1), END_OF_LIST) else {
        return walk::FAILED;
    };
    let outcome = try_walk(ctx.arg(0), walk);
    let unfinished = get!(walk.node) & END_OF_LIST == 0;
    answer(walk, unfinished, outcome)
}

#[inline(always)]
fn try_walk(fd: u32, walk: *mut Walk) -> Result<u32, Loss> {
    let info = hashinfo(fd)?;
    let table: u64 = kernel(info, setting!(offsets.hashinfo_ehash))?;
    let mask = u64::from(kernel::<u32>(info, setting!(offsets.hashinfo_ehash_mask))?);
    for _ in 0..ROUNDS {
        match look(walk, table, mask)? {
            Sighted::Nothing => {}
            Sighted::End => return Ok(walk::END),
            Sighted::TimeWait(tw) => {
                let sock = SockCommon::read(tw)?;
                if !tell(&observed(WalkedKind::NoTimestamps, &sock)?) {
                    set!(walk.node, UNTOLD);
                    return Ok(walk::FULL);
                }
            }
        }
    }
    Ok(0)
}

/// No node, but no end of a list: the slot has to be begun again.
const UNTOLD: u64 = 2;

#[inline(always)]
fn look(walk: *mut Walk, table: u64, mask: u64) -> Result<Sighted, Loss> {
    for _ in 0..STEPS {
        let (node, slot) = (get!(walk.node), get!(walk.slot));
        if node & END_OF_LIST != 0 {
            if slot > mask {
                return Ok(Sighted::End);
            }
            // struct inet_ehash_bucket is one pointer (hlist_nulls_head).
            set!(walk.node, kernel(table + slot * 8, 0)?);
            set!(walk.slot, slot + 1);
        } else {
            let next: u64 = kernel(node, 0)?;
            // The end says which list it is of: a socket that moved leads into another.
            if next & END_OF_LIST != 0 && next >> 1 != slot - 1 {
                set!(walk.slot, slot - 1);
            }
            set!(walk.node, next);
            let sk = node.wrapping_sub(u64::from(setting!(offsets.skc_nulls_node)));
            if is_without_timestamps(sk)? {
                return Ok(Sighted::TimeWait(sk));
            }
        }
    }
    Ok(Sighted::Nothing)
}

/// A pointer with this bit is the end of a list (`hlist_nulls`).
const END_OF_LIST: u64 = 1;

#[inline(always)]
fn is_without_timestamps(sk: u64) -> Result<bool, Loss> {
    let state: u8 = kernel(sk, setting!(offsets.skc_state))?;
    if state != tcp::TIME_WAIT {
        return Ok(false);
    }
    Ok(kernel::<u32>(sk, setting!(offsets.tw_ts_recent_stamp))? == 0)
}
