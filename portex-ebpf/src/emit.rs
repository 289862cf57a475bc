//! Writing records to the ring buffer.

use aya_ebpf::{
    bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP},
    helpers::bpf_ktime_get_ns,
};
use portex_common::{Loss, Record, RecordKind};

use crate::{
    capture::{self, Ctx},
    conn::Conn,
    maps::{EVENTS, WOKEN},
    owner,
    settings::setting,
    trouble,
};

/// What a record says beyond the connection that it is about. Fields as in [`Record`].
#[derive(Clone, Copy, Default)]
pub(crate) struct Detail {
    pub(crate) first_ns: u64,
    pub(crate) second_ns: u64,
    pub(crate) errno: u16,
    pub(crate) flags: u8,
    pub(crate) from: u8,
    pub(crate) to: u8,
    pub(crate) reason: u8,
}

/// Writes one record, or counts its loss.
///
/// The time is taken after the place in the buffer: so the order of places and the order of times
/// differ only among records that are being written at the same moment.
#[inline(always)]
pub(crate) fn emit(kind: RecordKind, conn: &Conn, detail: Detail) {
    let Some(mut entry) = EVENTS.reserve::<Record>(0) else {
        trouble::count(kind as u32);
        return;
    };
    let now = now();
    // SAFETY: the place is one for a Record.
    unsafe { put(entry.as_mut_ptr(), kind, conn, detail, now) };
    entry.submit(wakeup(kind, now));
}

/// Writes the record of a failure, with what shows where its call came from if that is asked for.
#[inline(always)]
pub(crate) fn failure(ctx: Ctx, kind: RecordKind, conn: &Conn, detail: Detail) {
    if setting!(stacks) == 1 {
        // A failure that is concluded later may be told by another thread, which has another stack.
        let outcome = if owner::thread() as u32 == conn.owner.tid {
            capture::emit(ctx, kind, conn, detail)
        } else {
            Err(Loss::Stack)
        };
        match outcome {
            Ok(()) => return,
            Err(loss) => trouble::count(loss as u32),
        }
    }
    emit(kind, conn, detail);
}

/// Writes a record where it is to be, not on the stack, which is small.
///
/// # Safety
/// `to` must be aligned, and valid for writes of a [`Record`].
#[inline(always)]
pub(crate) unsafe fn put(to: *mut Record, kind: RecordKind, conn: &Conn, detail: Detail, now: u64) {
    // SAFETY: as demanded of the caller.
    unsafe {
        to.write(Record {
            time_ns: now,
            socket: conn.socket,
            owner: conn.owner,
            tuple: conn.tuple,
            first_ns: detail.first_ns,
            second_ns: detail.second_ns,
            errno: detail.errno,
            kind: kind as u8,
            flags: detail.flags,
            from: detail.from,
            to: detail.to,
            reason: detail.reason,
            reserved: 0,
        });
    }
}

/// Once woken, user space comes back every 10 ms while events are in order's queue: of a storm of failures
/// not each needs to wake it.
const WAKE_INTERVAL_NS: u64 = 2_000_000;

/// Whether a failure is to wake user space: not if one on this CPU has just done so.
#[inline(always)]
pub(crate) fn wakes(now: u64) -> bool {
    let Some(woken) = WOKEN.get_ptr_mut(0) else {
        return true;
    };
    // SAFETY: a live map value of this CPU; if two threads write it, both wake.
    let last = unsafe { woken.read_volatile() };
    if now.wrapping_sub(last) < WAKE_INTERVAL_NS {
        return false;
    }
    // SAFETY: as above.
    unsafe { woken.write_volatile(now) };
    true
}

/// From this fill level on the window in which user space is woken holds 64 records and more.
const MANY_BYTES: u32 = 64 << 10;

/// 2^64 by the golden ratio: the upper bits of a product with it depend on all bits (Fibonacci hashing).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Ordinary records do not wake user space, which drains on a timer, unless the buffer has just
/// reached its fill level; a failed allocation does, unless another one has just done so.
#[inline(always)]
fn wakeup(kind: RecordKind, now: u64) -> u64 {
    if matches!(kind, RecordKind::ConnectFailed | RecordKind::BindFailed) && wakes(now) {
        return u64::from(BPF_RB_FORCE_WAKEUP);
    }
    // The level changes little from one record to the next: one of eight asks. The window is wider. By the
    // clock, all of its bits: the lowest alone are the same for ever where it goes in steps.
    if setting!(wakeup_bytes) >= MANY_BYTES && now.wrapping_mul(GOLDEN) >> 61 != 0 {
        return u64::from(BPF_RB_NO_WAKEUP);
    }
    let filled = EVENTS.query(u64::from(BPF_RB_AVAIL_DATA));
    let level = u64::from(setting!(wakeup_bytes));
    // A window, not every record above the level: one wake-up drains them all. It is wide, since
    // records of other CPUs move the level between the query and the next record.
    if filled >= level && filled < level + level / 8 {
        u64::from(BPF_RB_FORCE_WAKEUP)
    } else {
        u64::from(BPF_RB_NO_WAKEUP)
    }
}

/// `CLOCK_MONOTONIC` in nanoseconds.
#[inline(always)]
pub(crate) fn now() -> u64 {
    // SAFETY: a helper without arguments.
    unsafe { bpf_ktime_get_ns() }
}
