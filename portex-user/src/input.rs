//! Everything that the model takes in, in order: what a live run gives it, what a recording keeps, and
//! what a replay gives it again.

use std::{borrow::Cow, sync::Arc, time::Duration};

use crate::{
    event::{Event, Losses},
    found::{Found, Sight},
};

/// One step of the model. Times are by `CLOCK_MONOTONIC`.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// Events are seen from this moment on.
    Watch(Duration),
    /// The path of a cgroup, by the id that events have; before the first such event. `None`: it has
    /// none that can be known.
    Cgroup {
        /// Its id.
        id: u64,
        /// Its path. Untrusted.
        path: Option<Arc<str>>,
    },
    /// Events, in the order of kernel time.
    Events(Cow<'a, [Event]>),
    /// What was lost since the beginning.
    Lost(Losses),
    /// A scan of the host begins.
    ScanBegins(Duration),
    /// Part of what it found.
    Found(Cow<'a, [Found]>),
    /// It is over.
    ScanEnds {
        /// What it could see.
        sight: Sight,
        /// When.
        at: Duration,
    },
    /// A snapshot was taken.
    Snapshot(Duration),
    /// The time of day was set, or the host slept: `CLOCK_REALTIME` less `CLOCK_MONOTONIC` from here
    /// on, in nanoseconds.
    Clock(i64),
}

impl Input<'_> {
    /// When that was; `None` where it has no time of its own.
    pub fn time(&self) -> Option<Duration> {
        match self {
            Self::Watch(at)
            | Self::ScanBegins(at)
            | Self::ScanEnds { at, .. }
            | Self::Snapshot(at) => Some(*at),
            Self::Events(events) => events.last().map(|event| event.time),
            Self::Cgroup { .. } | Self::Lost(_) | Self::Found(_) | Self::Clock(_) => None,
        }
    }
}
