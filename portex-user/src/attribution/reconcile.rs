//! The end of a scan: the model is set right by what was found.
//!
//! What events changed since the scan began wins over what the scan says: its rows may be older.

use std::time::Duration;

use rustc_hash::FxHashSet;

use super::{
    State, clock,
    owners::OwnerId,
    pending::Pending,
    scan::{Ended, Look, Scan},
    snapshot::Drift,
    space::{Held, Key, Phase, Space, Timestamps},
};
use crate::found::Sight;

impl State {
    /// The look at the host has ended: sets the model right, and says what was wrong. All events up
    /// to now must have been applied.
    pub fn end_scan(&mut self, sight: Sight, now: Duration) -> Drift {
        let now = clock::nanos(now);
        let Some(mut scan) = self.scan.take() else {
            return Drift::default();
        };
        let first = self.ended.is_none();
        scan.lossy = self.lost > self.ended.map_or(0, |ended| ended.lost);
        let mut drift = Drift::default();
        self.settle(&mut scan, sight, now, &mut drift);
        self.drop_stale(&mut scan, sight, now, &mut drift);
        self.learn_timestamps(&scan, sight);
        self.ended = Some(Ended {
            sight,
            begun: scan.begun,
            lost: scan.lost,
            dropped: scan.dropped,
        });
        let (begun, unreadable) = (scan.begun, std::mem::take(&mut scan.unreadable));
        self.learn_namespaces(scan, sight);
        self.spaces.retire_idle(now, &mut self.budget);
        self.forget_namespaces(begun, &unreadable, sight);
        self.owners.retire_idle(now, &mut self.budget);
        // The first one finds what was there before, which is no mistake.
        self.drift = (!first).then_some(drift);
        drift
    }

    fn settle(&mut self, scan: &mut Scan, sight: Sight, now: u64, drift: &mut Drift) {
        let mut ambiguous = Vec::new();
        for pending in std::mem::take(&mut scan.pending) {
            if self.spaces.held(&pending.key, pending.port).is_some() {
                self.correct(&pending, scan, now, drift);
                continue;
            }
            let Some(look) = scan.namespaces.get_mut(&pending.key.netns) else {
                continue;
            };
            match origin(&pending, look, sight) {
                Origin::Accepted => look.add_accepted(&pending),
                Origin::Outbound => self.add(&pending, scan, now, drift),
                Origin::Ambiguous => ambiguous.push(pending),
            }
        }
        let mirrored = mirrored(&ambiguous);
        for pending in ambiguous {
            let (key, port) = pending.mirror();
            let other_end = self.spaces.devices_of(key);
            let is_other_end = other_end
                .into_iter()
                .any(|key| self.spaces.held(&key, port).is_some());
            // Of two ends, either of which may be the one that connected, neither is taken for it.
            if is_other_end || mirrored.contains(&(key, port)) {
                if let Some(look) = scan.namespaces.get_mut(&pending.key.netns) {
                    look.add_accepted(&pending);
                }
            } else {
                self.add(&pending, scan, now, drift);
            }
        }
    }

    /// A connection that the model did not know.
    fn add(&mut self, pending: &Pending, scan: &Scan, now: u64, drift: &mut Drift) {
        let (key, port) = (pending.key, pending.port);
        if scan.overflowed || scan.was_released(&key, port) {
            return;
        }
        if self.spaces.open(key, now, &mut self.budget).is_none() {
            return;
        }
        let mut held = Held {
            socket: 0,
            at: 0,
            life: 0,
            early: 0,
            owner: OwnerId::UNKNOWN,
            phase: Phase::Live,
            timestamps: Timestamps::Unknown,
            bound: false,
            row: 0,
            scan: scan.generation,
        };
        // An event that lacked the device may have put it among those without.
        let twin = Key { dev: 0, ..key };
        match self.spaces.held(&twin, port) {
            Some(known) if key.dev != 0 && known.socket != 0 && known.scan != scan.generation => {
                held = *known;
                held.row = 0;
                held.scan = scan.generation;
                self.spaces.free(&twin, port, now, &mut self.owners);
            }
            _ => drift.missed += 1,
        }
        pending.set_phase(&mut held, scan.begun, now);
        if held.owner == OwnerId::UNKNOWN {
            held.owner = self.holder(pending, now);
        }
        self.spaces.hold(&key, port, held, &mut self.owners);
    }

    /// The process that the scan found it with.
    fn holder(&mut self, pending: &Pending, now: u64) -> OwnerId {
        let Some(process) = pending.process.as_deref() else {
            return OwnerId::UNKNOWN;
        };
        let netns = pending.key.netns;
        self.owners.of_found(netns, process, now, &mut self.budget)
    }

    /// A connection that the model knows differently.
    fn correct(&mut self, pending: &Pending, scan: &Scan, now: u64, drift: &mut Drift) {
        let (key, port) = (pending.key, pending.port);
        let Some(&before) = self.spaces.held(&key, port) else {
            return;
        };
        let by_event_since = before.socket != 0 && before.at >= scan.begun;
        if by_event_since || scan.was_released(&key, port) {
            return;
        }
        let mut after = before;
        if pending.differs(&before, scan, now) {
            pending.set_phase(&mut after, scan.begun, now);
        } else if after.phase.is_time_wait() {
            after.set_earliest(pending.expires(scan.begun));
        }
        let found = pending.process.as_deref();
        let another = pending.is_another(&before, scan, now);
        if another {
            after.socket = 0;
            after.row = 0;
        }
        let replaced = found.is_some_and(|found| !self.owners.is(before.owner, found));
        if another || replaced && (scan.lossy || before.owner == OwnerId::UNKNOWN) {
            after.owner = self.holder(pending, now);
        }
        // That a FIN_WAIT2 minisocket becomes a TIME_WAIT is told by no event, so it is no mistake.
        let phase_was_wrong = after.phase.is_time_wait() != before.phase.is_time_wait();
        if phase_was_wrong || after.owner != before.owner {
            drift.changed += 1;
        }
        if let Some(held) = self.spaces.held_mut(&key, port) {
            held.hand_to(after.owner, now, &mut self.owners);
            *held = after;
        }
    }

    /// Forgets what the scan did not find, and what it shows to be no outbound connection.
    fn drop_stale(&mut self, scan: &mut Scan, sight: Sight, now: u64, drift: &mut Drift) {
        let hidden = sight.hidden_namespaces > 0;
        let Scan {
            namespaces,
            unreadable,
            generation,
            ..
        } = scan;
        self.spaces
            .retain(now, &mut self.owners, |key, port, held| {
                let look = namespaces.get_mut(&key.netns);
                let seen = held.scan == *generation;
                let Some(look) = look else {
                    let keep = seen || hidden || unreadable.contains(&key.netns);
                    drift.stale += u64::from(!keep);
                    return keep;
                };
                let accepted = held.socket == 0 && look.listeners.accept(key.src, port);
                if seen && accepted {
                    look.add_accepted(&Pending::of_held(*key, port, held));
                }
                let keep = seen && !accepted;
                drift.stale += u64::from(!keep);
                keep
            });
    }

    fn learn_timestamps(&mut self, scan: &Scan, sight: Sight) {
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
    fn forget_namespaces(&mut self, begun: u64, unreadable: &FxHashSet<u32>, sight: Sight) {
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
    }

    fn learn_namespaces(&mut self, mut scan: Scan, sight: Sight) {
        for namespace in self.namespaces.values_mut() {
            namespace.scanned = false;
        }
        for (netns, look) in std::mem::take(&mut scan.namespaces) {
            let mut namespace = look.namespace;
            namespace.scanned = true;
            if !sight.binds {
                namespace.blocked.extend(look.listeners.ports());
                let bound = namespace.endpoints.iter().map(|endpoint| endpoint.port);
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
            for (&port, held) in space.held.iter_mut().filter(|(_, held)| held.bound) {
                if outdated(held) && namespace.scanned && !namespace.blocked.contains(&port) {
                    held.bound = false;
                } else {
                    namespace.bound_since.insert(port);
                }
            }
        }
    }
}

enum Origin {
    Outbound,
    Accepted,
    /// Connected from a port that was bound, or accepted by a listener that has gone.
    Ambiguous,
}

fn origin(pending: &Pending, look: &Look, sight: Sight) -> Origin {
    let port = pending.port;
    if pending.connecting {
        Origin::Outbound
    } else if look.listeners.accept(pending.key.src, port) {
        Origin::Accepted
    } else if sight.binds && !look.namespace.blocked.contains(&port) && !look.namespace.in_vrf {
        Origin::Outbound
    } else if look.namespace.rules.range.contains(port) {
        Origin::Ambiguous
    } else {
        Origin::Accepted
    }
}

/// Those whose other end is ambiguous as well.
fn mirrored(ambiguous: &[Pending]) -> FxHashSet<(Key, u16)> {
    let local: FxHashSet<_> = ambiguous
        .iter()
        .map(|pending| (pending.key.netns, pending.key.src))
        .collect();
    ambiguous
        .iter()
        .filter(|pending| local.contains(&(pending.key.netns, pending.key.dst)))
        .map(|pending| {
            let key = Key {
                dev: 0,
                ..pending.key
            };
            (key, pending.port)
        })
        .collect()
}
