//! What a scan tells beyond the connections: timestamps, and the namespaces themselves.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    State,
    scan::Scan,
    space::{Chosen, Held, Key, Space, Timestamps},
};
use crate::found::Sight;

impl State {
    /// After [`Self::learn_ports`], which takes all TIME_WAITs that were seen for such with timestamps.
    pub(super) fn learn_timestamps(&mut self, scan: &Scan, sight: Sight) {
        if !sight.timestamps {
            return;
        }
        for (key, port) in &scan.no_timestamps {
            let mut keys: Vec<Key> = self.spaces.devices_of(*key).collect();
            keys.retain(|key| {
                let held = self.spaces.held(key, *port);
                held.is_some_and(|held| held.phase.is_time_wait())
            });
            // It does not say on which device.
            let timestamps = match keys.len() {
                1 => Timestamps::No,
                _ => Timestamps::Unknown,
            };
            for key in keys {
                if let Some(held) = self.spaces.held_mut(&key, *port)
                    && scan.tells_timestamps(held)
                {
                    held.timestamps = timestamps;
                }
            }
        }
    }

    /// Forgets namespaces that are gone: no look into them, and no event since it began.
    pub(super) fn forget_namespaces(
        &mut self,
        begun: u64,
        unreadable: &FxHashSet<u32>,
        sight: Sight,
    ) {
        if sight.hidden_namespaces > 0 {
            return;
        }
        let (namespaces, budget) = (&self.namespaces, &mut self.budget);
        let is_there = |netns: u32| {
            unreadable.contains(&netns) || namespaces.get(&netns).is_some_and(|known| known.scanned)
        };
        let keep = |key: &Key, space: &Space| !space.is_idle(begun) || is_there(key.netns);
        self.spaces.retain_spaces(keep, budget);
        let alive: FxHashSet<u32> = self.spaces.map.keys().map(|key| key.netns).collect();
        self.namespaces.retain(|netns, known| {
            known.scanned || alive.contains(netns) || unreadable.contains(netns)
        });
        let namespaces = &self.namespaces;
        self.refused_binds
            .retain_namespaces(|netns| namespaces.contains_key(&netns));
    }

    pub(super) fn learn_namespaces(&mut self, scan: &mut Scan, sight: Sight) {
        for namespace in self.namespaces.values_mut() {
            namespace.scanned = false;
        }
        for (netns, look) in std::mem::take(&mut scan.namespaces) {
            let mut namespace = look.namespace;
            namespace.scanned = true;
            if !sight.binds {
                namespace.blocked.extend(look.listeners.ports());
                let bound = namespace.endpoints.keys().map(|endpoint| endpoint.port);
                namespace.blocked.extend(bound);
            }
            self.namespaces.insert(netns, namespace);
        }
        // The bind bucket may have gone after the scan had seen it.
        for (netns, port) in scan.released() {
            if let Some(namespace) = self.namespaces.get_mut(&netns) {
                namespace.doubtful |= namespace.blocked.contains(&port);
            }
        }
    }

    /// What the namespaces, as they were found, say of each port that is held. One pass through all
    /// of them, as there may be a million.
    pub(super) fn learn_ports(&mut self, scan: &Scan, sight: Sight) {
        let mut alone = Alone::default(); // of blocked ports
        for (key, space) in &mut self.spaces.map {
            let Some(namespace) = self.namespaces.get_mut(&key.netns) else {
                continue;
            };
            let timestamps = sight.timestamps && namespace.scanned;
            let may_guess = sight.binds
                && namespace.scanned
                && !namespace.in_vrf
                && !namespace.blocked.is_empty();
            let range = namespace.rules.range;
            for (&port, held) in &mut space.held {
                if timestamps && scan.tells_timestamps(held) {
                    held.timestamps = Timestamps::Yes;
                }
                if held.chosen.is_bound() {
                    // A bind that the scan should have seen, and did not, is gone.
                    let outdated = sight.binds && held.at < scan.begun;
                    if outdated && namespace.scanned && !namespace.blocked.contains(&port) {
                        held.chosen = Chosen::Search;
                    } else {
                        namespace.bound_since.insert(port);
                    }
                } else if sight.binds && held.chosen == Chosen::PerhapsBind {
                    held.chosen = Chosen::Unknown;
                }
                if may_guess && range.contains(port) && namespace.blocked.contains(&port) {
                    alone
                        .entry((key.netns, port))
                        .and_modify(|only| *only = None)
                        .or_insert(Some(*key));
                }
            }
        }
        self.guess_binds(alone);
    }

    /// Of a connection whose connect() was not seen, nobody told who chose its port. Where that is
    /// blocked, and nobody else is there to have blocked it, it was a bind() before that connect().
    fn guess_binds(&mut self, mut alone: Alone) {
        if alone.is_empty() {
            return;
        }
        for (&netns, namespace) in &self.namespaces {
            for endpoint in namespace.endpoints.keys() {
                alone
                    .entry((netns, endpoint.port))
                    .and_modify(|only| *only = None);
            }
        }
        for ((_, port), only) in alone {
            let held = only.and_then(|key| self.spaces.held_mut(&key, port));
            if let Some(held) = held
                && held.chosen == Chosen::Unknown
            {
                held.chosen = Chosen::PerhapsBind;
            }
        }
    }
}

/// Ports of namespaces, and the space of the only one that holds them; `None`: several do.
type Alone = FxHashMap<(u32, u16), Option<Key>>;

impl Scan {
    /// Whether it is a TIME_WAIT that the scan saw, as it is.
    fn tells_timestamps(&self, held: &Held) -> bool {
        held.scan == self.generation && held.at < self.begun && held.phase.is_time_wait()
    }
}
