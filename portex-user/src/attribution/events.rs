//! What an event changes.

use std::{sync::Arc, time::Duration};

use super::{
    State,
    activity::{Activity, Budget},
    clock::{self, TIME_WAIT},
    closed::Ending,
    failures::{FailedCall, Refusal},
    owners::Process,
    space::{Chosen, Held, Key, Phase, Space, Timestamps},
};
use crate::event::{Event, Kind, Release, Restrictions, TcpState};

/// Namespaces of which only events are known.
const MAX_NAMESPACES: usize = 65_536;

impl State {
    /// Takes an event in. `cgroup` is asked only when a process is first seen.
    pub fn apply(&mut self, event: &Event, cgroup: impl FnOnce() -> Option<Arc<str>>) {
        self.events += 1;
        match event.kind {
            Kind::Connect {
                bound,
                by_number,
                search,
                restrictions,
            } => {
                let chosen = Chosen::of(bound, by_number);
                self.connect(event, (chosen, search), restrictions, cgroup);
            }
            Kind::ConnectFailed {
                errno,
                cause,
                search,
                restrictions,
            } => {
                let refusal = Refusal {
                    call: FailedCall::Connect,
                    errno,
                    cause,
                    search,
                    restrictions,
                };
                self.fail(event, refusal, cgroup);
            }
            Kind::BindFailed {
                call,
                errno,
                cause,
                restrictions,
            } => {
                let refusal = Refusal {
                    call: FailedCall::Bind(call),
                    errno,
                    cause,
                    search: None,
                    restrictions,
                };
                self.fail(event, refusal, cgroup);
            }
            // It neither takes nor frees a port.
            Kind::State { .. } => {}
            Kind::TimeWait { substate } => self.time_wait(event, substate, cgroup),
            Kind::Released {
                held,
                time_wait,
                reason,
            } => self.release(event, held, time_wait, reason, cgroup),
        }
    }

    fn connect(
        &mut self,
        event: &Event,
        (chosen, search): (Chosen, Option<Duration>),
        restrictions: Restrictions,
        cgroup: impl FnOnce() -> Option<Arc<str>>,
    ) {
        let Some(port) = event.src_port else { return };
        let now = clock::nanos(event.time);
        let key = Key::of_event(event, restrictions.dev);
        let owner = self.owners.of_event(event, now, cgroup, &mut self.budget);
        if chosen.is_bound() {
            // No connect() without a port gets it from now on.
            self.note_bound(event.netns, port);
        }
        let Some(mut place) = self.spaces.open_place(key, now, &mut self.budget) else {
            return;
        };
        let row = place.space.row(restrictions, &mut self.budget);
        if let Some(activity) = place.space.activity(row, now) {
            activity.connected(search, now, &mut self.budget);
        }
        let held = Held {
            socket: event.socket,
            at: now,
            life: 0,
            early: 0,
            owner,
            phase: Phase::Live,
            timestamps: Timestamps::Unknown,
            chosen,
            close_wait: false,
            row,
            scan: self.generation,
        };
        place.hold(port, held, &mut self.owners);
        if let Some(process) = self.owners.get_mut(owner) {
            process.activity.connected(search, now, &mut self.budget);
        }
    }

    fn time_wait(
        &mut self,
        event: &Event,
        substate: TcpState,
        cgroup: impl FnOnce() -> Option<Arc<str>>,
    ) {
        let Some(port) = event.src_port else { return };
        let now = clock::nanos(event.time);
        let (phase, life) = if substate == TcpState::FinWait2 {
            let rules = self.namespaces.get(&event.netns).map(|ns| &ns.rules);
            let life = rules.map_or(TIME_WAIT, |rules| rules.fin_timeout.min(TIME_WAIT));
            (Phase::FinWait2, life)
        } else {
            (Phase::TimeWait, TIME_WAIT)
        };
        let life = clock::millis(life);
        let key = Key::of_event(event, 0);
        let generation = self.generation;
        if let Some((_, place)) = self.spaces.place_of(key, port, event.socket)
            && let Some(held) = place.space.held.get_mut(&port)
        {
            if held.socket == 0 {
                // The event knows who connected, the scan only who had it open.
                let owner = self.owners.of_event(event, now, cgroup, &mut self.budget);
                held.hand_to(owner, now, &mut self.owners);
            }
            // Of one that only a scan found, nobody knows when it began.
            let lived = (held.phase == Phase::Live && held.socket != 0)
                .then(|| Duration::from_nanos(now.saturating_sub(held.at)));
            let first = !held.phase.is_time_wait();
            *held = Held {
                socket: event.socket,
                at: now,
                life,
                early: 0,
                phase,
                timestamps: Timestamps::Unknown,
                close_wait: false,
                scan: generation,
                ..*held
            };
            let (row, owner) = (held.row, held.owner);
            if first {
                self.budget.on_both(
                    (Some(place.space), row),
                    self.owners.get_mut(owner),
                    now,
                    |activity, _| activity.time_waited(lived, now),
                );
            }
            return;
        }
        if self
            .spaces
            .held(&key, port)
            .is_some_and(|held| held.at >= now)
        {
            return; // The port has gone on to a later connection.
        }
        // Its connect was lost; what the model took for the holder has ended unseen.
        if let Some(namespace) = self.namespaces.get_mut(&event.netns) {
            namespace.doubtful = true;
        }
        let owner = self.owners.of_event(event, now, cgroup, &mut self.budget);
        let Some(mut place) = self.spaces.open_place(key, now, &mut self.budget) else {
            return;
        };
        let row = place.space.row(Restrictions::default(), &mut self.budget);
        let held = Held {
            socket: event.socket,
            at: now,
            life,
            early: 0,
            owner,
            phase,
            timestamps: Timestamps::Unknown,
            chosen: Chosen::Unknown,
            close_wait: false,
            row,
            scan: generation,
        };
        place.hold(port, held, &mut self.owners);
        self.budget.on_both(
            (Some(place.space), row),
            self.owners.get_mut(owner),
            now,
            |activity, _| activity.time_waited(None, now),
        );
    }

    fn release(
        &mut self,
        event: &Event,
        held: Duration,
        time_wait: Option<Duration>,
        reason: Release,
        cgroup: impl FnOnce() -> Option<Arc<str>>,
    ) {
        let Some(port) = event.src_port else { return };
        let now = clock::nanos(event.time);
        let mut key = Key::of_event(event, 0);
        let mut place = self.spaces.place_of(key, port, event.socket);
        let freed = place.as_mut().and_then(|(known, place)| {
            key = *known;
            place.free(port, now, &mut self.owners)
        });
        if let Some(scan) = &mut self.scan {
            scan.note_released(&key, port, now);
        }
        let (row, owner) = if let Some(freed) = freed {
            // The bind bucket may have gone with it.
            if let Some(namespace) = self.namespaces.get_mut(&event.netns) {
                namespace.doubtful |= freed.chosen.is_bound() || namespace.is_blocked(port);
            }
            (freed.row, freed.owner)
        } else {
            // Its connect was lost. There is nothing to free, but it did take place.
            let owner = self.owners.of_event(event, now, cgroup, &mut self.budget);
            (0, owner)
        };
        if reason == Release::Closed
            && let Some(process) = self.owners.get(owner)
        {
            let ending = Ending {
                at: now,
                socket: event.socket,
                owner: process.identity(),
            };
            self.closed.note(key, port, ending);
        }
        let space = match place {
            Some((_, place)) => Some(place.space),
            None => self.spaces.map.get_mut(&key),
        };
        self.budget.on_both(
            (space, row),
            self.owners.get_mut(owner),
            now,
            |activity, budget| activity.released(held, time_wait, now, budget),
        );
    }

    fn note_bound(&mut self, netns: u32, port: u16) {
        if self.namespaces.len() < MAX_NAMESPACES || self.namespaces.contains_key(&netns) {
            let namespace = self.namespaces.entry(netns).or_default();
            namespace.bound_since.insert(port);
        }
    }
}

impl Budget {
    /// Counts it for the row of the space, if there is one, and for the process.
    fn on_both(
        &mut self,
        (space, row): (Option<&mut Space>, u8),
        process: Option<&mut Process>,
        now: u64,
        count: impl Fn(&mut Activity, &mut Self),
    ) {
        if let Some(space) = space {
            // One that only a scan has seen has no rows yet.
            space.row(Restrictions::default(), self);
            if let Some(activity) = space.activity(row, now) {
                count(activity, self);
            }
        }
        if let Some(process) = process {
            count(&mut process.activity, self);
        }
    }
}
