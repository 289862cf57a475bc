//! A source whose failing calls are told in full.
//!
//! ```text
//! source → events ─┬→ wait, in order ─→ view
//!                  └→ what was captured → thread portex-stacks → Call ─┘
//! ```
//!
//! Reading debug information of a large program takes seconds, and `/proc` of a process may hang: who
//! empties the ring buffer must not wait for that. Events keep their order; those behind a failure wait
//! with it.

mod worker;

use std::{
    collections::VecDeque,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use rustc_hash::FxHashMap;
use tokio::select;

pub use self::worker::Explainer;
use self::worker::{Answer, Job};
use super::EventSource;
use crate::{
    call::Call,
    clock::Clock,
    event::{Event, Losses, Owner},
};

/// Failures that may wait for their stacks at a time, up to ten kilobytes each: two seconds of 10,000
/// a second. More are told without.
const MOST_ASKED: usize = 20_000;
/// Events that may wait behind them.
const MOST_WAITING: usize = 262_144;
/// How long the end waits for stacks that are still looked up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Events of a source, with what there is to tell of failing calls.
pub struct Explained<S> {
    source: S,
    worker: Explainer,
    /// Events that are not to be told yet; the first is one that is asked for.
    waiting: VecDeque<Event>,
    /// Failures that are asked for and not answered.
    asked: usize,
    /// By the address of the capture, which the event keeps.
    answers: FxHashMap<usize, Arc<Call>>,
    /// Those of the events that were handed out last.
    told: FxHashMap<usize, Arc<Call>>,
    /// Failures that are told without a stack, since too many waited.
    unexplained: u64,
}

impl<S: EventSource> Explained<S> {
    /// Of a source with captures.
    pub fn new(source: S, worker: Explainer) -> Self {
        Self {
            source,
            worker,
            waiting: VecDeque::new(),
            asked: 0,
            answers: FxHashMap::default(),
            told: FxHashMap::default(),
            unexplained: 0,
        }
    }

    fn take_in(&mut self, fresh: Vec<Event>) {
        for mut event in fresh {
            if let Some(capture) = &event.capture {
                let room = self.asked < MOST_ASKED && self.waiting.len() < MOST_WAITING;
                let job = Job {
                    owner: event.owner.clone(),
                    at: event.time,
                    capture: Arc::clone(capture),
                };
                if room && self.worker.ask(job) {
                    self.asked += 1;
                } else {
                    event.capture = None;
                    self.unexplained += 1;
                }
            }
            self.waiting.push_back(event);
        }
    }

    fn answered(&mut self, answer: Answer) {
        self.asked = self.asked.saturating_sub(1);
        self.answers.insert(answer.key, answer.call);
    }

    /// Hands out what need not wait, or all there is.
    fn release(&mut self, all: bool, events: &mut Vec<Event>) {
        while let Some(event) = self.waiting.front() {
            if let Some(capture) = &event.capture {
                let key = worker::key(capture);
                match self.answers.remove(&key) {
                    Some(call) => drop(self.told.insert(key, call)),
                    None if all => self.unexplained += 1,
                    None => return,
                }
            }
            events.extend(self.waiting.pop_front());
        }
    }
}

impl<S: EventSource> EventSource for Explained<S> {
    async fn fill(&mut self, events: &mut Vec<Event>) -> io::Result<bool> {
        self.told.clear();
        let mut fresh = Vec::new();
        let more = select! {
            biased;
            more = self.source.fill(&mut fresh) => more?,
            answer = self.worker.answer() => {
                self.answered(answer);
                true
            }
        };
        self.take_in(fresh);
        while let Some(answer) = self.worker.try_answer() {
            self.answered(answer);
        }
        self.release(false, events);
        Ok(more)
    }

    fn finish(&mut self, events: &mut Vec<Event>) {
        let mut fresh = Vec::new();
        self.source.finish(&mut fresh);
        self.take_in(fresh);
        let end = Instant::now() + PATIENCE;
        while self.asked > 0 {
            match self.worker.wait(end) {
                Some(answer) => self.answered(answer),
                None => break,
            }
        }
        self.release(true, events);
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

    fn now(&self) -> Duration {
        self.source.now()
    }
}
