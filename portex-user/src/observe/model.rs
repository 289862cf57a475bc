//! The model, fed with [`Input`]s: by a live run as by a replay.

use std::{sync::Arc, time::Duration};

use rustc_hash::FxHashMap;

use crate::{
    attribution::{
        Limits, Snapshot, State,
        snapshot::{PortMap, SpaceKey},
    },
    input::Input,
};

/// More cgroups than any host has alive; beyond that all are forgotten and asked for anew.
const MAX_CGROUPS: usize = 8_192;

/// The attribution's state, and what its inputs refer to.
#[derive(Debug)]
pub struct Model {
    state: State,
    cgroups: FxHashMap<u64, Option<Arc<str>>>,
    /// Time of the latest input that has one.
    latest: Duration,
}

impl Model {
    /// Knows nothing yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            state: State::new(limits),
            cgroups: FxHashMap::default(),
            latest: Duration::ZERO,
        }
    }

    /// Takes one step.
    pub fn take(&mut self, input: Input<'_>) {
        if let Some(time) = input.time() {
            self.latest = self.latest.max(time);
        }
        match input {
            Input::Watch(at) => self.state.watch_from(at),
            Input::Cgroup { id, path } => {
                if self.cgroups.len() >= MAX_CGROUPS {
                    self.cgroups.clear();
                }
                self.cgroups.insert(id, path);
            }
            Input::Events(events) => {
                let Self { state, cgroups, .. } = self;
                for event in events.iter() {
                    let path = || cgroups.get(&event.owner.cgroup).cloned().flatten();
                    state.apply(event, path);
                }
            }
            Input::Lost(losses) => self.state.lost(losses.events()),
            Input::ScanBegins(at) => self.state.begin_scan(at),
            Input::Found(batch) => {
                for found in batch.into_owned() {
                    self.state.found(found);
                }
            }
            Input::ScanEnds { sight, at } => {
                let _told_in_snapshots = self.state.end_scan(sight, at);
            }
            Input::Snapshot(_) | Input::Clock(_) => {}
        }
    }

    /// Whether the path of a cgroup was told, or there is none to be told.
    pub fn knows_cgroup(&self, id: u64) -> bool {
        id == 0 || self.cgroups.contains_key(&id)
    }

    /// Time of the latest input.
    pub fn latest(&self) -> Duration {
        self.latest
    }

    /// Who holds which ports at this moment.
    pub fn snapshot(&self, now: Duration) -> Snapshot {
        self.state.snapshot(now)
    }

    /// What each port of a space is used for; `None` when there is no such space.
    pub fn port_map(&self, space: &SpaceKey, now: Duration) -> Option<PortMap> {
        self.state.port_map(space, now)
    }
}

impl Default for Model {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}
