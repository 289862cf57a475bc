//! Events written down by a test.

use std::{collections::VecDeque, io, sync::Arc, time::Duration};

use super::EventSource;
use crate::event::{Event, Losses, Owner};

/// Hands out batches of events, one at a call.
#[derive(Debug, Default)]
pub struct Script {
    /// Batches still to come, each with the losses from then on.
    pub batches: VecDeque<(Vec<Event>, Losses)>,
    /// What [`EventSource::finish`] finds.
    pub rest: Vec<Event>,
    /// What time it is.
    pub now: Duration,
    losses: Losses,
}

impl EventSource for Script {
    async fn fill(&mut self, events: &mut Vec<Event>) -> io::Result<bool> {
        let Some((batch, losses)) = self.batches.pop_front() else {
            return Ok(false);
        };
        events.extend(batch);
        self.losses = losses;
        Ok(true)
    }

    fn finish(&mut self, events: &mut Vec<Event>) {
        self.batches.clear();
        events.append(&mut self.rest);
    }

    fn losses(&self) -> Losses {
        self.losses
    }

    fn cgroup(&mut self, _owner: &Owner) -> Option<Arc<str>> {
        None
    }

    fn now(&self) -> Duration {
        self.now
    }
}
