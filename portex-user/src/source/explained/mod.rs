//! A source whose failing calls are told in full.
//!
//! ```text
//! source → events ─┬→ wait, in order ─→ view
//!                  └→ what was captured → thread portex-stacks → Call ─┘
//! ```
//!
//! Reading debug information of a large program takes seconds, and `/proc` of a process may hang: who
//! empties the ring buffer must not wait for that. Events keep their order; those behind a failure wait
//! with it, but not for long: then it is told without its stack, and that is counted.

#[cfg(test)]
mod tests;
mod worker;

use std::{
    collections::VecDeque,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use log::error;
use rustc_hash::{FxHashMap, FxHashSet};

pub use self::worker::Explainer;
use self::worker::{Answer, Ended, Job};
use super::EventSource;
use crate::{
    call::Call,
    clock::Clock,
    event::{Event, Losses, Owner},
    filter::Filter,
};

/// Failures that may wait for their stacks at a time, up to ten kilobytes each: two seconds of 10,000
/// a second. More are told without.
const MOST_ASKED: usize = 20_000;
/// Events that may wait behind them.
const MOST_WAITING: usize = 262_144;
/// How long a failure waits for its stack.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the end waits for stacks that are still looked up: less than a program that was told to end
/// has (see `cli/stop.rs`).
const LAST_PATIENCE: Duration = Duration::from_secs(3);

/// Events of a source, with what there is to tell of failing calls.
pub struct Explained<S> {
    source: S,
    worker: Explainer,
    /// What will not be shown need not be looked up.
    filter: Filter,
    patience: Duration,
    /// Events that are not to be told yet; the first is one that is asked for. With the time of asking.
    waiting: VecDeque<(Event, Instant)>,
    /// Failures that the thread has not answered.
    asked: usize,
    /// Of these, the ones that still wait, by [`worker::key`].
    wanted: FxHashSet<usize>,
    /// Likewise, what was answered of events that wait.
    answers: FxHashMap<usize, Arc<Call>>,
    /// Those of the events that were handed out last.
    told: FxHashMap<usize, Arc<Call>>,
    /// Failures that are told without a stack.
    unexplained: u64,
    /// The thread has ended; there are no answers any more.
    ended: bool,
    /// Nobody will see what comes.
    given_up: bool,
}

impl<S: EventSource> Explained<S> {
    /// Of a source with captures. Events that the filter does not let through are handed out, too, but
    /// not explained.
    pub fn new(source: S, worker: Explainer, filter: Filter) -> Self {
        Self {
            source,
            worker,
            filter,
            patience: PATIENCE,
            waiting: VecDeque::new(),
            asked: 0,
            wanted: FxHashSet::default(),
            answers: FxHashMap::default(),
            told: FxHashMap::default(),
            unexplained: 0,
            ended: false,
            given_up: false,
        }
    }

    fn take_in(&mut self, fresh: Vec<Event>, now: Instant) {
        for mut event in fresh {
            if let Some(capture) = event.capture.take()
                && self
                    .filter
                    .matches(&event, || self.source.cgroup(&event.owner))
            {
                let key = worker::key(&capture);
                let job = Job {
                    owner: event.owner,
                    at: event.time,
                    capture: Arc::clone(&capture),
                };
                if self.asked < MOST_ASKED && !self.ended && self.worker.ask(job) {
                    self.asked += 1;
                    self.wanted.insert(key);
                    event.capture = Some(capture);
                } else {
                    self.unexplained += 1;
                }
            }
            self.waiting.push_back((event, now));
        }
    }

    fn listen(&mut self) {
        loop {
            match self.worker.answer() {
                Ok(Some(answer)) => self.answered(answer),
                Ok(None) => return,
                Err(Ended) => return self.end(),
            }
        }
    }

    fn answered(&mut self, answer: Answer) {
        self.asked = self.asked.saturating_sub(1);
        let key = worker::key(&answer.capture);
        // Of one that did not wait any longer, it is dropped.
        if self.wanted.remove(&key) {
            self.answers.insert(key, answer.call);
        }
    }

    fn end(&mut self) {
        if !self.ended {
            self.ended = true;
            error!("the thread that looks stacks up has ended: failures are told without");
        }
    }

    /// Hands out what need not wait, or all there is.
    fn release(&mut self, all: bool, now: Instant, events: &mut Vec<Event>) {
        while let Some((event, since)) = self.waiting.front_mut() {
            if let Some(capture) = &event.capture {
                let key = worker::key(capture);
                if let Some(call) = self.answers.remove(&key) {
                    self.told.insert(key, call);
                } else {
                    let late = now.saturating_duration_since(*since) >= self.patience;
                    if !(all || late || self.ended || self.waiting.len() > MOST_WAITING) {
                        return;
                    }
                    self.wanted.remove(&key);
                    self.unexplained += 1;
                    if let Some((event, _)) = self.waiting.front_mut() {
                        event.capture = None;
                    }
                }
            }
            events.extend(self.waiting.pop_front().map(|(event, _)| event));
        }
    }
}

impl<S: EventSource> EventSource for Explained<S> {
    async fn fill(&mut self, events: &mut Vec<Event>) -> io::Result<bool> {
        self.told.clear();
        let mut fresh = Vec::new();
        // It comes back several times a second whether there is something or not.
        let more = self.source.fill(&mut fresh).await?;
        let now = Instant::now();
        self.take_in(fresh, now);
        self.listen();
        self.release(false, now, events);
        Ok(more)
    }

    fn give_up(&mut self) {
        self.given_up = true;
        self.source.give_up();
    }

    fn finish(&mut self, events: &mut Vec<Event>) {
        let mut fresh = Vec::new();
        self.source.finish(&mut fresh);
        let now = Instant::now();
        self.take_in(fresh, now);
        let end = now + LAST_PATIENCE.min(self.patience * 2);
        while !self.wanted.is_empty() && !self.given_up && !self.ended {
            match self.worker.wait(end) {
                Ok(Some(answer)) => self.answered(answer),
                Ok(None) => break,
                Err(Ended) => self.end(),
            }
        }
        self.release(true, now, events);
    }

    fn losses(&self) -> Losses {
        let mut losses = self.source.losses();
        losses.stacks += self.unexplained;
        losses
    }

    fn cgroup(&mut self, owner: &Owner) -> Option<Arc<str>> {
        self.source.cgroup(owner)
    }

    fn call(&self, event: &Event) -> Option<Arc<Call>> {
        let capture = event.capture.as_ref()?;
        self.told.get(&worker::key(capture)).cloned()
    }

    fn clock(&self) -> Clock {
        self.source.clock()
    }

    fn told_until(&self) -> Duration {
        let until = self.source.told_until();
        self.waiting
            .front()
            .map_or(until, |(event, _)| event.time.min(until))
    }

    fn now(&self) -> Duration {
        self.source.now()
    }
}
