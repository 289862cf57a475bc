//! Events of a recording.

use std::{io, sync::Arc, time::Duration};

use rustc_hash::FxHashMap;

use super::EventSource;
use crate::{
    clock::Clock,
    event::{Event, Losses, Owner},
    input::Input,
    recording::{Ahead, Pace, Pacer},
};

/// As many as the model of a live run knows: then it asks for all anew, which is recorded too.
const MAX_CGROUPS: usize = 8_192;

/// The events that a recording tells of, at a pace.
pub struct Replay {
    inputs: Ahead,
    pace: Pace,
    /// Set by the first event.
    pacer: Option<Pacer>,
    /// Later events are not told; by `CLOCK_MONOTONIC` of the recording.
    until: Duration,
    /// Events that are not due yet.
    waiting: Option<Vec<Event>>,
    cgroups: FxHashMap<u64, Option<Arc<str>>>,
    losses: Losses,
    latest: Duration,
}

impl Replay {
    /// The first `duration` of a recording, or all of it.
    pub fn new(inputs: Ahead, pace: Pace, duration: Option<Duration>) -> Self {
        let latest = inputs.header().started();
        Self {
            inputs,
            pace,
            pacer: None,
            until: duration.map_or(Duration::MAX, |duration| latest.saturating_add(duration)),
            waiting: None,
            cgroups: FxHashMap::default(),
            losses: Losses::default(),
            latest,
        }
    }

    /// The recording, as far as it was read.
    pub fn recording(&self) -> &Ahead {
        &self.inputs
    }

    /// Reads on to the next events, or other news; false at the end.
    async fn read(&mut self) -> io::Result<bool> {
        let Some(input) = self.inputs.next().await? else {
            return Ok(false);
        };
        if let Some(time) = input.time() {
            if time > self.until && !matches!(input, Input::Events(_)) {
                return Ok(false);
            }
            self.latest = self.latest.max(time.min(self.until));
        }
        match input {
            Input::Events(events) => self.waiting = Some(events.into_owned()),
            Input::Cgroup { id, path } => {
                if self.cgroups.len() >= MAX_CGROUPS {
                    self.cgroups.clear();
                }
                self.cgroups.insert(id, path);
            }
            Input::Lost(losses) => self.losses = losses,
            Input::Watch(_)
            | Input::ScanBegins(_)
            | Input::Found(_)
            | Input::ScanEnds { .. }
            | Input::Snapshot(_)
            | Input::Clock(_) => {}
        }
        Ok(true)
    }

    /// Waits until events are due.
    async fn wait(&mut self, recorded: Duration) {
        let pacer = *self
            .pacer
            .get_or_insert_with(|| Pacer::new(self.pace, recorded));
        if let Some(due) = pacer.due(recorded) {
            tokio::time::sleep_until(due.into()).await;
        }
    }
}

impl EventSource for Replay {
    async fn fill(&mut self, events: &mut Vec<Event>) -> io::Result<bool> {
        if self.waiting.is_none() && !self.read().await? {
            return Ok(false);
        }
        let Some(last) = self.waiting.as_ref().and_then(|waiting| waiting.last()) else {
            self.waiting = None;
            return Ok(true);
        };
        let last = last.time;
        self.wait(last).await;
        if let Some(mut waiting) = self.waiting.take() {
            // In the order of time.
            waiting.truncate(waiting.partition_point(|event| event.time <= self.until));
            events.append(&mut waiting);
        }
        Ok(last <= self.until)
    }

    fn finish(&mut self, _events: &mut Vec<Event>) {
        // What was not told is not due.
    }

    fn losses(&self) -> Losses {
        self.losses
    }

    fn cgroup(&mut self, owner: &Owner) -> Option<Arc<str>> {
        self.cgroups.get(&owner.cgroup).cloned().flatten()
    }

    fn clock(&self) -> Clock {
        self.inputs.clock()
    }

    fn now(&self) -> Duration {
        self.latest
    }
}

#[cfg(test)]
mod tests;
