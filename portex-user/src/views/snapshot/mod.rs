//! Views of a [`Snapshot`]: one JSON object, or tables for people.

pub(super) mod cells;
mod cost;
mod json;
pub(super) mod names;
pub(super) mod numbers;
mod objects;
mod sentences;
pub(super) mod table;
mod text;

use std::time::Duration;

pub use json::json;
pub(in crate::views) use table::paragraph;
pub use text::{ROWS, Tables, text};

use crate::{attribution::Snapshot, cost::OwnCost};

/// Where a snapshot comes from.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// Release of the kernel, as `uname -r` gives it.
    pub kernel: &'a str,
    /// How portex is attached; `None` when nothing was traced.
    pub attach: Option<&'a str>,
    /// When the snapshot was taken.
    pub time: jiff::Timestamp,
    /// How long portex has been running.
    pub uptime: Duration,
    /// What portex itself costs; `None` when nothing is traced, and in replays.
    pub own_cost: Option<OwnCost>,
}

impl About<'_> {
    /// The time of day of a moment by `CLOCK_MONOTONIC`, from that of the snapshot.
    pub(in crate::views) fn timestamp(
        &self,
        snapshot: &Snapshot,
        moment: Duration,
    ) -> jiff::Timestamp {
        let nanos = |time: Duration| i128::try_from(time.as_nanos()).unwrap_or(i128::MAX);
        let ago = nanos(snapshot.time).saturating_sub(nanos(moment));
        let time = self.time.as_nanosecond().saturating_sub(ago);
        // What no calendar has, no clock shows.
        jiff::Timestamp::from_nanosecond(time).unwrap_or(self.time)
    }
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
