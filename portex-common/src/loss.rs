//! Slots of the per-CPU loss counters: what could not be told, by kind.
//!
//! Slot k in `1..KINDS` counts records of [`RecordKind`](crate::RecordKind) k that found the ring
//! buffer full. The slots behind those are named here.

use crate::record::KINDS;

/// Losses other than a full ring buffer.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The table of tracked sockets was full: the later events of this connection are unknown.
    TableFull = KINDS,
    /// The table of calls under way was full: the outcome of one call is unknown.
    CallsFull = KINDS + 1,
    /// Kernel memory could not be read.
    ReadFault = KINDS + 2,
    /// A table was locked by what this program interrupted: an entry was not added, or not removed.
    TableBusy = KINDS + 3,
    /// A failure was told without its stack: the ring buffer was too full for it, or the place where
    /// it is put together was in use.
    Stack = KINDS + 4,
}

/// Number of slots.
pub const SLOTS: u32 = KINDS + 5;
