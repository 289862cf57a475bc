//! What could not be told, by kind. Recordings keep it: what changes here changes their format.

use serde::{Deserialize, Serialize};

/// Why events could not be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Losses {
    /// Records that found the ring buffer full, by the kind of event.
    pub ring_full: RingFull,
    /// Connections that found the table of tracked sockets full; their later events are unknown.
    pub table_full: u64,
    /// Entries that could not be added to the table or removed, since what was interrupted had it locked.
    pub table_busy: u64,
    /// Calls whose outcome is unknown, since the table of calls was full.
    pub calls_full: u64,
    /// Programs that could not read kernel memory.
    pub read_fault: u64,
    /// Runs of programs that the kernel skipped, since the program (a kprobe: any) ran on that CPU.
    /// Most of them are made good from what the socket did next.
    pub skipped: u64,
    /// Records that could not be understood.
    pub undecodable: u64,
    /// Failures that were told without the stack that was asked for.
    pub stacks: u64,
}

/// Records that found the ring buffer full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingFull {
    /// `connect` events.
    pub connect: u64,
    /// `connect_failed` events.
    pub connect_failed: u64,
    /// `bind_failed` events.
    pub bind_failed: u64,
    /// `state` events.
    pub state: u64,
    /// `time_wait` events.
    pub time_wait: u64,
    /// `released` events.
    pub released: u64,
    /// Of recordings of earlier versions. Each: a `released` event that was told should have been taken
    /// back.
    pub rearmed: u64,
}

impl Losses {
    /// Every counter with its name, in a fixed order.
    pub fn by_kind(&self) -> [(&'static str, u64); 14] {
        [
            ("connect", self.ring_full.connect),
            ("connect_failed", self.ring_full.connect_failed),
            ("bind_failed", self.ring_full.bind_failed),
            ("state", self.ring_full.state),
            ("time_wait", self.ring_full.time_wait),
            ("released", self.ring_full.released),
            ("rearmed", self.ring_full.rearmed),
            ("table_full", self.table_full),
            ("table_busy", self.table_busy),
            ("calls_full", self.calls_full),
            ("read_fault", self.read_fault),
            ("skipped", self.skipped),
            ("undecodable", self.undecodable),
            ("stacks", self.stacks),
        ]
    }

    /// What came since an earlier reading.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let (now, then) = (&self.ring_full, &earlier.ring_full);
        Self {
            ring_full: RingFull {
                connect: now.connect.saturating_sub(then.connect),
                connect_failed: now.connect_failed.saturating_sub(then.connect_failed),
                bind_failed: now.bind_failed.saturating_sub(then.bind_failed),
                state: now.state.saturating_sub(then.state),
                time_wait: now.time_wait.saturating_sub(then.time_wait),
                released: now.released.saturating_sub(then.released),
                rearmed: now.rearmed.saturating_sub(then.rearmed),
            },
            table_full: self.table_full.saturating_sub(earlier.table_full),
            table_busy: self.table_busy.saturating_sub(earlier.table_busy),
            calls_full: self.calls_full.saturating_sub(earlier.calls_full),
            read_fault: self.read_fault.saturating_sub(earlier.read_fault),
            skipped: self.skipped.saturating_sub(earlier.skipped),
            undecodable: self.undecodable.saturating_sub(earlier.undecodable),
            stacks: self.stacks.saturating_sub(earlier.stacks),
        }
    }

    /// Events that were not told: all but [`Losses::skipped`], which counts programs, and
    /// [`Losses::stacks`].
    pub fn events(&self) -> u64 {
        self.by_kind()
            .iter()
            .filter(|(name, _)| !matches!(*name, "skipped" | "stacks"))
            .map(|(_, count)| count)
            .sum()
    }
}
