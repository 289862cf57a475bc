//! The end of a scan: the model is set right by what was found.
//!
//! What events changed since the scan began wins over what the scan says: its rows may be older.

use std::time::Duration;

use rustc_hash::FxHashSet;

use super::{
    State, clock,
    closed::Ending,
    owners::OwnerId,
    pending::Pending,
    scan::{Ended, Look, Scan},
    snapshot::Drift,
    space::{Chosen, Held, Key, Phase, Timestamps},
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
        self.ended = Some(Ended {
            sight,
            begun: scan.begun,
            lost: scan.lost,
            dropped: scan.dropped,
        });
        let (begun, unreadable) = (scan.begun, std::mem::take(&mut scan.unreadable));
        self.learn_namespaces(&mut scan, sight);
        self.learn_ports(&scan, sight);
        self.learn_timestamps(&scan, sight);
        self.spaces.retire_idle(now, &mut self.budget);
        self.forget_namespaces(begun, &unreadable, sight);
        self.owners.retire_idle(now, &mut self.budget);
        // The first one finds what was there before, which is no mistake.
        self.drift = (!first).then_some(drift);
        drift
    }

    fn settle(&mut self, scan: &mut Scan, sight: Sight, now: u64, drift: &mut Drift) {
        let mut ambiguous = Vec::new();
        for (count, of_space) in scan.pending.take() {
            let mut room = Room::For(count);
            for pending in of_space {
                if self.spaces.held(&pending.key, pending.port).is_some() {
                    self.correct(&pending, scan, now, drift);
                    continue;
                }
                let Some(look) = scan.namespaces.get_mut(&pending.key.netns) else {
                    continue;
                };
                let began = pending.began(&look.namespace.rules, scan.begun, now);
                let ending =
                    began.and_then(|began| self.closed.find(pending.key, pending.port, &began));
                match origin(&pending, look, sight) {
                    _ if ending.is_some() => {
                        self.add(&pending, ending, (&mut room, scan), now, drift);
                    }
                    Origin::Accepted => look.add_accepted(&pending),
                    Origin::Outbound => self.add(&pending, None, (&mut room, scan), now, drift),
                    Origin::Ambiguous => ambiguous.push(pending),
                }
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
                self.add(&pending, None, (&mut Room::For(1), scan), now, drift);
            }
        }
    }

    /// A connection that the model did not know, or knew until its `ending`.
    fn add(
        &mut self,
        pending: &Pending,
        ending: Option<Ending>,
        (room, scan): (&mut Room, &Scan),
        now: u64,
        drift: &mut Drift,
    ) {
        let (key, port) = (pending.key, pending.port);
        if scan.overflowed || scan.was_released(&key, port) {
            return;
        }
        if let Room::For(count) = *room {
            let Some(space) = self.spaces.open(key, now, &mut self.budget) else {
                return;
            };
            space.held.reserve(count);
            *room = Room::Made;
        }
        let mut held = Held {
            socket: ending.map_or(0, |ending| ending.socket),
            at: 0,
            life: 0,
            early: 0,
            owner: ending.map_or(OwnerId::UNKNOWN, |ending| self.owners.with(&ending.owner)),
            phase: Phase::Live,
            timestamps: Timestamps::Unknown,
            chosen: Chosen::Unknown,
            close_wait: false,
            row: 0,
            scan: scan.generation,
        };
        // An event that lacked the device may have put it among those without.
        let twin = Key { dev: 0, ..key };
        let known = (key.dev != 0).then(|| self.spaces.held(&twin, port));
        match known.flatten() {
            Some(known)
                if known.socket != 0
                    && known.scan != scan.generation
                    // No connection comes back from TIME_WAIT: that is an older one.
                    && (pending.phase.is_time_wait() || !known.phase.is_time_wait()) =>
            {
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
            after.chosen = Chosen::Unknown;
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
        let watched = self.watched_from.is_some();
        let Scan {
            namespaces,
            unreadable,
            generation,
            lossy,
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
                // Under churn, an inet_diag dump may miss a row that is there.
                let overlooked = watched
                    && !*lossy
                    && held.phase.is_time_wait()
                    && held.scan == generation.wrapping_sub(1)
                    && held.expires() > now;
                if overlooked {
                    held.set_earliest(0);
                }
                let keep = (seen || overlooked) && !accepted;
                drift.stale += u64::from(!keep);
                keep
            });
    }
}

/// Room in a space for what a scan found of it.
enum Room {
    /// So many ports may come.
    For(usize),
    /// It is there; it stays, as no other is opened before the last of them has come.
    Made,
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
