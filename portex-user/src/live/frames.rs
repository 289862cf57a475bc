//! From the model to what a view is given at each tick.

use std::{sync::Arc, time::Duration};

use super::Costs;
use crate::{
    attribution::{Snapshot, snapshot::SpaceKey},
    clock::Clock,
    filter::Filter,
    input::Input,
    observe::{self, Model, Watched},
    recording::Pace,
    views::top::{Frame, Replay, Status},
};

/// What one run's frames have in common.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Name of the host.
    pub host: Arc<str>,
    /// Release of the kernel.
    pub kernel: Arc<str>,
    /// How portex is attached.
    pub attach: Option<Arc<str>>,
    /// When the run began, by `CLOCK_MONOTONIC`.
    pub began: Duration,
    /// From kernel time to the time of day.
    pub clock: Clock,
    /// Whether this is a replay.
    pub replayed: bool,
    /// What is to be said of each snapshot, in one line.
    pub advice: Option<fn(&Snapshot) -> &'static str>,
    /// What cannot be done or seen on this host, a line each.
    pub notes: Vec<String>,
}

/// Makes frames.
#[derive(Debug)]
pub struct Frames {
    origin: Origin,
    filter: Filter,
    /// What portex itself costs; `None`: nothing is traced.
    costs: Option<Costs>,
    /// Events and time of the frame before.
    before: Option<(u64, Duration)>,
    /// What the latest scan could not see.
    unseen: Vec<String>,
    notes: Arc<[String]>,
    /// Between frames.
    pub(super) interval: Duration,
    /// Whose ports are asked for.
    pub(super) focus: Option<SpaceKey>,
    /// Bytes written, when the run is recorded.
    pub(super) recorded: Option<u64>,
    /// Times as fast as it was, and whether it is over.
    replay: Option<(f64, bool)>,
}

impl Frames {
    /// Of a run, of what the filter wants.
    pub fn new(origin: Origin, filter: Filter, interval: Duration) -> Self {
        Self {
            notes: origin.notes.clone().into(),
            origin,
            filter,
            costs: None,
            before: None,
            unseen: Vec::new(),
            interval,
            focus: None,
            recorded: None,
            replay: None,
        }
    }

    /// The same, telling what portex itself costs.
    #[must_use]
    pub fn with_costs(self, costs: Costs) -> Self {
        Self {
            costs: Some(costs),
            ..self
        }
    }

    /// A recording tells of a step of its clock.
    pub(super) fn hear(&mut self, input: &Input<'_>) {
        if let Input::Clock(offset) = *input
            && self.origin.replayed
        {
            self.origin.clock = Clock::fixed(offset.into());
        }
    }

    /// How fast a replay goes.
    pub(super) fn set_pace(&mut self, pace: Option<Pace>) {
        if let Some(pace) = pace {
            let times = match pace {
                Pace::Times(times) => times,
                Pace::AtOnce => f64::INFINITY,
            };
            let over = self.replay.is_some_and(|(_, over)| over);
            self.replay = Some((times, over));
        }
    }

    /// Nothing more comes of it.
    pub(super) fn replay_ended(&mut self) {
        let (times, _) = self.replay.unwrap_or((1.0, false));
        self.replay = Some((times, true));
    }

    /// Whether frames go by the time of a recording.
    pub(super) fn are_replayed(&self) -> bool {
        self.origin.replayed
    }

    /// What a scan could not see.
    pub(super) fn scanned(&mut self, watched: &Watched) {
        let mut unseen = Vec::new();
        if let Some(refusal) = &watched.refusal {
            unseen.push(format!(
                "what explicit binds take is estimated, so that no figure is exact: {refusal}"
            ));
        }
        unseen.extend(watched.scanned.report.notes.iter().cloned());
        if unseen != self.unseen {
            self.notes = self.origin.notes.iter().chain(&unseen).cloned().collect();
            self.unseen = unseen;
        }
    }

    /// The frame of this moment of the model.
    pub(super) fn make(&mut self, model: &Model, now: Duration) -> Frame {
        let mut snapshot = model.snapshot(now);
        observe::narrow(&mut snapshot, &self.filter);
        if !self.origin.replayed {
            self.origin.clock.follow();
        }
        let origin = &self.origin;
        let before = self.before.replace((snapshot.events, now));
        let events_per_s = before.map_or(0.0, |(events, then)| {
            per_second(
                snapshot.events.saturating_sub(events),
                now.saturating_sub(then),
            )
        });
        let port_map = self.focus.and_then(|key| {
            let map = model.port_map(&key, now)?;
            Some((key, Arc::new(map)))
        });
        let status = Status {
            host: origin.host.clone(),
            kernel: origin.kernel.clone(),
            attach: origin.attach.clone(),
            time: origin.clock.timestamp(now),
            uptime: now.saturating_sub(origin.began),
            events_per_s,
            own_cost: self.costs.as_mut().map(|costs| costs.since_before(now)),
            interval: self.interval,
            replay: self.replay.map(|(speed, ended)| Replay {
                position: now.saturating_sub(origin.began),
                speed,
                ended,
            }),
            recorded: self.recorded,
            advice: origin.advice.map(|advice| advice(&snapshot).into()),
            notes: Arc::clone(&self.notes),
        };
        Frame {
            snapshot: Arc::new(snapshot),
            status,
            port_map,
        }
    }
}

fn per_second(events: u64, time: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let events = events as f64;
    if time.is_zero() {
        0.0
    } else {
        events / time.as_secs_f64()
    }
}
