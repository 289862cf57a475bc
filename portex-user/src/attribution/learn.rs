//! What a scan tells beyond the connections: timestamps, and the namespaces themselves.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    State,
    binds::Namespace,
    scan::Scan,
    space::{Chosen, Held, Key, Space, Timestamps},
};
use crate::found::Sight;

impl State {
    pub(super) fn learn_timestamps(&mut self, scan: &Scan, sight: Sight) {
        if !sight.timestamps {
            return;
        }
        let seen = |held: &Held| {
            held.scan == scan.generation && held.at < scan.begun && held.phase.is_time_wait()
        };
        for (key, space) in &mut self.spaces.map {
            if scan.namespaces.contains_key(&key.netns) {
                for held in space.held.values_mut().filter(|held| seen(held)) {
                    held.timestamps = Timestamps::Yes;
                }
            }
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
                    && seen(held)
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

    pub(super) fn learn_namespaces(&mut self, mut scan: Scan, sight: Sight) {
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
        // A bind that the scan should have seen, and did not, is gone.
        let outdated = |held: &Held| sight.binds && held.at < scan.begun;
        for (key, space) in &mut self.spaces.map {
            let Some(namespace) = self.namespaces.get_mut(&key.netns) else {
                continue;
            };
            for (&port, held) in space
                .held
                .iter_mut()
                .filter(|(_, held)| held.chosen.is_bound())
            {
                if outdated(held) && namespace.scanned && !namespace.blocked.contains(&port) {
                    held.chosen = Chosen::Search;
                } else {
                    namespace.bound_since.insert(port);
                }
            }
        }
        if sight.binds {
            self.guess_binds();
        }
    }

    /// Of a connection whose connect() was not seen, nobody told who chose its port. Where that is
    /// blocked, and nobody else is there to have blocked it, it was a bind() before that connect().
    fn guess_binds(&mut self) {
        let mut holders: FxHashMap<(u32, u16), u32> = FxHashMap::default();
        let is_blocked = |namespace: &Namespace, port| {
            namespace.scanned
                && !namespace.in_vrf
                && namespace.blocked.contains(&port)
                && namespace.rules.range.contains(port)
        };
        for (key, space) in &self.spaces.map {
            let Some(namespace) = self.namespaces.get(&key.netns) else {
                continue;
            };
            let ports = space.held.keys().copied();
            for port in ports.filter(|&port| is_blocked(namespace, port)) {
                *holders.entry((key.netns, port)).or_default() += 1;
            }
        }
        for (&netns, namespace) in &self.namespaces {
            for endpoint in namespace.endpoints.keys() {
                holders
                    .entry((netns, endpoint.port))
                    .and_modify(|count| *count += 1);
            }
        }
        for (key, space) in &mut self.spaces.map {
            for (&port, held) in &mut space.held {
                if let Chosen::Unknown | Chosen::PerhapsBind = held.chosen {
                    held.chosen = match holders.get(&(key.netns, port)) {
                        Some(1) => Chosen::PerhapsBind,
                        _ => Chosen::Unknown,
                    };
                }
            }
        }
    }
}
