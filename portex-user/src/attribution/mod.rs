//! The model: owners, port spaces, rates, forecast, retention. Events and what was found on the host
//! go in, a [`Snapshot`] comes out. Does no I/O, and is told the time.
//!
//! ```text
//! Event → events ─┐                                ┌─ capacity, recycle  (what connect can get)
//!                 ├→ spaces, owners, binds → picture ─ pools             (what bind can get)
//! Found → scan  ──┘                                ├─ udp               (the same, of UDP)
//!                                                  └─ forecast           (until when)
//! ```

use std::time::Duration;

use rustc_hash::FxHashMap;

use self::{
    activity::Budget,
    binds::Namespace,
    closed::Closed,
    owners::Owners,
    refused_binds::RefusedBinds,
    scan::{Ended, Scan},
    spaces::Spaces,
};

mod activity;
mod address;
mod binds;
mod capacity;
mod clock;
mod closed;
mod events;
mod failures;
mod forecast;
mod gathered;
mod held_ports;
mod learn;
mod owners;
mod pending;
mod picture;
mod pool_owners;
mod pools;
mod port_map;
mod prefix;
mod processes;
mod rates;
mod reconcile;
mod recycle;
mod refused_binds;
mod retention;
mod rows;
mod scan;
pub mod snapshot;
mod space;
mod spaces;
#[cfg(test)]
mod tests;
mod udp;

pub use snapshot::{Drift, Snapshot};

/// How much the model may keep. What there is no room for is counted ([`Snapshot::dropped`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Held ports, some 60 bytes each; those of UDP sockets are counted apart.
    pub sockets: usize,
    /// Spaces, some 300 bytes each, up to 3 KiB while busy.
    pub spaces: usize,
    /// Processes, likewise.
    pub owners: usize,
    /// Spaces and processes whose times are kept as distributions, some 10 KiB each.
    pub histograms: usize,
    /// Bind pools in a snapshot; pools that refused a bind, up to 3 KiB each while they do.
    pub pools: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sockets: 2_097_152,
            spaces: 262_144,
            owners: 65_536,
            histograms: 4_096,
            pools: 4_096,
        }
    }
}

/// What is known of who holds which ports.
#[derive(Debug)]
pub struct State {
    limits: Limits,
    /// Since when events are seen.
    watched_from: Option<u64>,
    /// How many were applied.
    events: u64,
    lost: u64,
    namespaces: FxHashMap<u32, Namespace>,
    owners: Owners,
    spaces: Spaces,
    closed: Closed,
    failures: failures::Log,
    refused_binds: RefusedBinds,
    /// What is left of [`Limits::histograms`].
    budget: Budget,
    /// Number of the latest scan, in a byte: held ports that are older than that were not seen by it.
    generation: u8,
    scan: Option<Scan>,
    ended: Option<Ended>,
    drift: Option<Drift>,
}

impl State {
    /// Knows nothing yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            watched_from: None,
            events: 0,
            lost: 0,
            namespaces: FxHashMap::default(),
            owners: Owners::new(limits.owners),
            spaces: Spaces::new(limits.spaces, limits.sockets),
            closed: Closed::default(),
            failures: failures::Log::default(),
            refused_binds: RefusedBinds::new(limits.pools),
            budget: Budget(limits.histograms),
            generation: 0,
            scan: None,
            ended: None,
            drift: None,
        }
    }

    /// From now on events are applied; rates count from here.
    pub fn watch_from(&mut self, now: Duration) {
        self.watched_from = Some(clock::nanos(now));
    }

    /// How many events were lost since the beginning. To be told before [`Self::end_scan`]: after a
    /// loss a scan trusts the model less.
    pub fn lost(&mut self, total: u64) {
        self.lost = self.lost.max(total);
    }

    fn dropped(&self) -> u64 {
        self.spaces.dropped + self.owners.dropped + self.refused_binds.dropped
    }
}
