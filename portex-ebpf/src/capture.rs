//! What shows where a failing call came from: its registers, its stacks, its file descriptor.
//!
//! It is put together in a place of each CPU's own and written behind the record, as one sample. User
//! space unwinds the user stack: most programs keep no frame pointers, so the kernel's own unwinder
//! sees little of them.

use aya_ebpf::{
    bindings::{
        BPF_F_USER_BUILD_ID, BPF_F_USER_STACK, BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP,
        BPF_RB_NO_WAKEUP,
    },
    helpers::generated::{bpf_get_stack, bpf_ringbuf_output},
};
use core::{arch::asm, ffi::c_void};
use portex_common::{
    CaptureHeader, Loss, Record, RecordKind,
    capture::{MOST_BUILD_IDS, MOST_FRAMES, MOST_STACK, NO_FD},
};

use crate::{
    conn::Conn,
    emit::{Detail, now, put, wakes},
    maps::{EVENTS, KNOWN, SCRATCH},
    read,
    settings::setting,
    task::{self, regs},
};

/// What a program was started with: `bpf_get_stack` asks for it.
pub(crate) type Ctx = *mut c_void;

/// Where a sample is put together: room for the most there can be, and for what the verifier thinks
/// there could be. A power of two.
pub(crate) const ROOM: usize = 16 << 10;

/// The place of one CPU.
#[repr(C)]
pub(crate) struct Scratch {
    /// Who is at it, 0 for nobody: on a preemptible kernel another thread may come in between.
    taken: u64,
    bytes: [u8; ROOM],
}

/// A value of [`Scratch::taken`] that is nobody's: those are odd.
const SPOILT: u64 = 2;

const HEADER: usize = size_of::<Record>();
const FRAMES: usize = HEADER + size_of::<CaptureHeader>();
const FRAME_BYTES: u32 = (MOST_FRAMES * 8) as u32;
const BUILD_ID_BYTES: u32 = (MOST_BUILD_IDS * 32) as u32;
/// The user stack is read in pieces, as its end is not known: a read that begins before and ends behind
/// it gives nothing.
const PIECE: usize = 1024;

/// Writes a record with what shows where its call came from.
///
/// The running thread must be the caller. An error leaves the record to be told by itself.
#[inline(always)]
pub(crate) fn emit(ctx: Ctx, kind: RecordKind, conn: &Conn, detail: Detail) -> Result<(), Loss> {
    // The other half is for records: a failure without its stack is better than none.
    if EVENTS.query(u64::from(BPF_RB_AVAIL_DATA)) > u64::from(setting!(wakeup_bytes)) * 4 {
        return Err(Loss::Stack);
    }
    let scratch = SCRATCH.get_ptr_mut(0).ok_or(Loss::Stack)?;
    // SAFETY: a live map value, of this CPU.
    let taken = unsafe { &raw mut (*scratch).taken };
    // SAFETY: likewise; volatile, as another thread may write it.
    if unsafe { taken.read_volatile() } != 0 {
        return Err(Loss::Stack);
    }
    let token = conn.socket | 1;
    // SAFETY: as above.
    unsafe { taken.write_volatile(token) };
    // SAFETY: as above.
    let base = unsafe { (&raw mut (*scratch).bytes).cast::<u8>() };
    // SAFETY: base is aligned to 8 and ROOM bytes long, a Record shorter.
    unsafe { put(base.cast(), kind, conn, detail, now()) };
    // SAFETY: only whether it is there matters.
    let known = unsafe { KNOWN.get(process(&conn.owner)) }.is_some();
    let length = fill(ctx, base, known);
    // As late as can be: records are put in order by their time, which is to be that of their place.
    let now = now();
    // SAFETY: as above; the time comes first.
    unsafe { (*base.cast::<Record>()).time_ns = now };
    // SAFETY: as above.
    let seen = unsafe { taken.read_volatile() };
    // Two can find the place free, one before the other takes it: then neither has a whole sample, and
    // the first to end tells the other.
    let others = seen != token && seen != SPOILT && seen != 0;
    let next = if others { SPOILT } else { 0 };
    // SAFETY: as above.
    unsafe { taken.write_volatile(next) };
    if seen != token {
        return Err(Loss::Stack);
    }
    // What a process that has not been told of yet is, has to be looked up before it ends.
    let wakeup = if !known || wakes(now) {
        BPF_RB_FORCE_WAKEUP
    } else {
        BPF_RB_NO_WAKEUP
    };
    // SAFETY: length is at most ROOM - 1.
    let code = unsafe {
        bpf_ringbuf_output(
            (&raw const EVENTS).cast_mut().cast(),
            base.cast(),
            length,
            u64::from(wakeup),
        )
    };
    if code != 0 {
        return Err(Loss::Stack);
    }
    // Once its files have been told, they need not be told again.
    if !known {
        let _known = KNOWN.insert(process(&conn.owner), &1, 0);
    }
    Ok(())
}

/// What a process is known by.
#[inline(always)]
fn process(owner: &portex_common::Owner) -> u64 {
    u64::from(owner.tgid) << 32 | u64::from(owner.start)
}

/// Fills in all behind the record. Returns the length of the sample.
#[inline(always)]
fn fill(ctx: Ctx, base: *mut u8, known: bool) -> u64 {
    // SAFETY: base is aligned to 8, and so is HEADER; header and record fit.
    let header = unsafe { &mut *base.add(HEADER).cast::<CaptureHeader>() };
    *header = CaptureHeader {
        fd: NO_FD,
        ..CaptureHeader::default()
    };
    let found = task::user_regs();
    if found != 0 {
        header.ip = read::kernel(found, regs::IP).unwrap_or(0);
        header.sp = read::kernel(found, regs::SP).unwrap_or(0);
        header.bp = read::kernel(found, regs::BP).unwrap_or(0);
        let number = read::kernel(found, regs::NUMBER).unwrap_or(u64::MAX);
        if task::takes_port(number) {
            header.fd = read::kernel::<u64>(found, regs::ARG0).unwrap_or(u64::MAX) as u32;
        }
    }
    // SAFETY: FRAMES is less than ROOM.
    let mut at = unsafe { base.add(FRAMES) };
    let bytes = stack(ctx, at, FRAME_BYTES, u64::from(BPF_F_USER_STACK));
    header.user = (bytes / 8) as u16;
    at = advance(at, bytes);
    if setting!(kernel_stacks) == 1 {
        let bytes = stack(ctx, at, FRAME_BYTES, 0);
        header.kernel = (bytes / 8) as u16;
        at = advance(at, bytes);
    }
    if !known {
        let flags = u64::from(BPF_F_USER_STACK | BPF_F_USER_BUILD_ID);
        let bytes = stack(ctx, at, BUILD_ID_BYTES, flags);
        header.build_ids = (bytes / 32) as u16;
        at = advance(at, bytes);
    }
    let (end, read) = user_stack(at, header.sp);
    header.stack = read as u16;
    masked::<{ ROOM as i32 - 1 }>(end as u64 - base as u64)
}

/// Reads a stack. Returns how many bytes were written, at most `most`.
#[inline(always)]
fn stack(ctx: Ctx, to: *mut u8, most: u32, flags: u64) -> u64 {
    // SAFETY: callers leave so much room behind `to`; the verifier checks it.
    let bytes = unsafe { bpf_get_stack(ctx, to.cast(), most, flags) };
    if bytes < 0 {
        0
    } else {
        masked::<0x7f8>(bytes as u64)
    }
}

/// Copies the user stack from `sp` on, as far as it can be read. Returns where that ends, and how
/// many bytes it is.
#[inline(always)]
fn user_stack(mut at: *mut u8, sp: u64) -> (*mut u8, usize) {
    let mut read = 0;
    if sp == 0 {
        return (at, read);
    }
    for _ in 0..MOST_STACK / PIECE {
        if !read::user_bytes::<{ PIECE as u32 }>(at, sp.wrapping_add(read as u64)) {
            break;
        }
        read += PIECE;
        at = at.wrapping_add(PIECE);
    }
    if read == MOST_STACK {
        return (at, read);
    }
    if read::user_bytes::<512>(at, sp.wrapping_add(read as u64)) {
        read += 512;
        at = at.wrapping_add(512);
    }
    if read::user_bytes::<256>(at, sp.wrapping_add(read as u64)) {
        read += 256;
        at = at.wrapping_add(256);
    }
    if read::user_bytes::<128>(at, sp.wrapping_add(read as u64)) {
        read += 128;
        at = at.wrapping_add(128);
    }
    (at, read)
}

/// `pointer + bytes`, in assembly: so the sum is what the compiler keeps, not its parts. Kernels before
/// 5.15 forget the bounds of a number that is put on the stack and taken back, but not those of a
/// pointer.
#[inline(always)]
fn advance(mut pointer: *mut u8, bytes: u64) -> *mut u8 {
    // SAFETY: arithmetic only; the verifier judges what is done with it.
    unsafe { asm!("{0} += {1}", inout(reg) pointer, in(reg) bytes) };
    pointer
}

/// `number & MASK`, in assembly: so the compiler cannot leave it out where it knows better than the
/// verifier.
#[inline(always)]
fn masked<const MASK: i32>(mut number: u64) -> u64 {
    // SAFETY: arithmetic only.
    unsafe { asm!("{0} &= {1}", inout(reg) number, const MASK) };
    number
}
