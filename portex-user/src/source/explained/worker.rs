//! The thread that looks stacks and processes up.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use log::error;
use rustc_hash::FxHashMap;
use rustix::{
    param::clock_ticks_per_second,
    time::{ClockId, clock_gettime},
};
use tokio::sync::Notify;

use crate::{
    call::Call,
    details::ProcessDetails,
    event::{Capture, Owner},
    inventory::details,
    privileges,
    symbols::Symbolizer,
};

/// Processes whose details are kept; all are forgotten when there are more.
const MOST_PROCESSES: usize = 4_096;

/// What the thread is told.
enum Task {
    /// To remember what is needed of a process while it lives.
    Keep(Owner),
    /// To look a call up.
    Answer(Job),
}

/// A failing call of a process.
pub(super) struct Job {
    pub(super) owner: Owner,
    /// When the call was, by `CLOCK_MONOTONIC`.
    pub(super) at: Duration,
    pub(super) capture: Arc<Capture>,
}

/// What was found of one.
pub(super) struct Answer {
    pub(super) key: usize,
    pub(super) call: Arc<Call>,
}

/// By what a call is known: the address of its capture, while somebody keeps it.
pub(super) fn key(capture: &Arc<Capture>) -> usize {
    Arc::as_ptr(capture).addr()
}

/// The thread that looks stacks and processes up. It ends when this is dropped and it has done what it is at.
pub struct Explainer {
    tasks: mpsc::Sender<Task>,
    answers: mpsc::Receiver<Answer>,
    ready: Arc<Notify>,
}

impl Explainer {
    /// Begins. The thread keeps the capabilities that the caller has now as far as it needs them.
    ///
    /// # Errors
    ///
    /// No thread can be started.
    pub fn start() -> io::Result<Self> {
        let (tasks, asked) = mpsc::channel();
        let (answer, answers) = mpsc::channel();
        let ready = Arc::new(Notify::new());
        let notify = Arc::clone(&ready);
        let thread = thread::Builder::new().name("portex-stacks".to_owned());
        thread.spawn(move || {
            privileges::keep_for_stacks();
            let mut desk = Desk::new();
            let mut waiting = VecDeque::new();
            loop {
                if waiting.is_empty() {
                    match asked.recv() {
                        Ok(task) => desk.take(task, &mut waiting),
                        Err(mpsc::RecvError) => return,
                    }
                }
                // First what is gone when a process is: it may end while others are looked up.
                for task in asked.try_iter() {
                    desk.take(task, &mut waiting);
                }
                let Some(job) = waiting.pop_front() else {
                    continue;
                };
                if answer.send(desk.answer(&job)).is_err() {
                    return;
                }
                notify.notify_one();
            }
        })?;
        Ok(Self {
            tasks,
            answers,
            ready,
        })
    }

    /// Tells the thread of processes that fail, at once: events wait a little to be put in order, and a
    /// process may have ended by then.
    pub fn early(&self) -> impl FnMut(&Owner) + 'static {
        let tasks = self.tasks.clone();
        let mut latest = (0, 0);
        move |owner| {
            let process = (owner.pid, owner.start);
            if process != latest {
                latest = process;
                // When the thread has ended, that shows when it is asked.
                let _ended = tasks.send(Task::Keep(owner.clone()));
            }
        }
    }

    /// Whether it will be answered.
    pub(super) fn ask(&self, job: Job) -> bool {
        let asked = self.tasks.send(Task::Answer(job));
        if asked.is_err() {
            error!("the thread that looks stacks up has ended");
        }
        asked.is_ok()
    }

    pub(super) fn try_answer(&self) -> Option<Answer> {
        self.answers.try_recv().ok()
    }

    /// The next answer. Dropping the future loses nothing.
    pub(super) async fn answer(&self) -> Answer {
        loop {
            if let Some(answer) = self.try_answer() {
                return answer;
            }
            self.ready.notified().await;
        }
    }

    /// The next answer, or `None` when it is too late for one.
    pub(super) fn wait(&self, until: Instant) -> Option<Answer> {
        let patience = until.saturating_duration_since(Instant::now());
        self.answers.recv_timeout(patience).ok()
    }
}

/// What the thread knows.
struct Desk {
    symbols: Symbolizer,
    processes: FxHashMap<(u32, u32), Arc<ProcessDetails>>,
    /// From `CLOCK_MONOTONIC` to `CLOCK_BOOTTIME`: the time of suspend.
    suspended: Duration,
}

impl Desk {
    fn new() -> Self {
        let now = |clock| Duration::try_from(clock_gettime(clock)).unwrap_or_default();
        let monotonic = now(ClockId::Monotonic);
        Self {
            symbols: Symbolizer::new(),
            processes: FxHashMap::default(),
            suspended: now(ClockId::Boottime).saturating_sub(monotonic),
        }
    }

    fn take(&mut self, task: Task, waiting: &mut VecDeque<Job>) {
        match task {
            Task::Keep(owner) => self.keep(&owner),
            Task::Answer(job) => {
                self.keep(&job.owner);
                waiting.push_back(job);
            }
        }
    }

    fn keep(&mut self, owner: &Owner) {
        self.symbols.keep(owner.pid, owner.start, &owner.comm);
        self.process(owner);
    }

    fn answer(&mut self, job: &Job) -> Answer {
        let Owner {
            pid, start, comm, ..
        } = &job.owner;
        let stack = self.symbols.stack(*pid, *start, comm, &job.capture);
        let call = Call {
            fd: job.capture.fd,
            stack,
            process: self.process(&job.owner),
            age: self.age(job),
        };
        Answer {
            key: key(&job.capture),
            call: Arc::new(call),
        }
    }

    fn process(&mut self, owner: &Owner) -> Arc<ProcessDetails> {
        if self.processes.len() >= MOST_PROCESSES {
            self.processes.clear();
        }
        let known = self.processes.entry((owner.pid, owner.start));
        Arc::clone(known.or_insert_with(|| {
            let found = details::process_since(owner.pid, owner.start);
            Arc::new(found)
        }))
    }

    /// In whole clock ticks (10 ms).
    fn age(&self, job: &Job) -> Option<Duration> {
        if job.owner.start == 0 {
            return None;
        }
        let ticks = clock_ticks_per_second().max(1);
        let start = u64::from(job.owner.start);
        let start = Duration::from_millis(start.saturating_mul(1_000) / ticks);
        (job.at + self.suspended).checked_sub(start)
    }
}
