//! Views of a [`Snapshot`]: one JSON object, or tables for people.
//!
//! [`Snapshot`]: crate::attribution::Snapshot

mod cells;
mod json;
pub(super) mod names;
pub(super) mod numbers;
mod objects;
mod sentences;
mod table;
mod text;

use std::time::Duration;

pub use json::json;
pub(in crate::views) use table::paragraph;
pub use text::{ROWS, Tables, text};

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
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
