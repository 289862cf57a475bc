//! The thread that looks stacks and processes up.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use rustc_hash::FxHashMap;
use rustix::time::{ClockId, clock_gettime};

use crate::{
    call::Call,
    details::ProcessDetails,
    event::{Capture, Comm, Owner},
    inventory::details,
    privileges,
    symbols::Symbolizer,
};

/// Processes whose details are kept; all are forgotten when there are more.
const MOST_PROCESSES: usize = 4_096;

/// Tasks that the thread may have before it; for more there is no place.
const MOST_TASKS: usize = 32_768;

/// What the thread is told.
pub(super) enum Task {
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

/// What was found of one. It keeps the capture, so that no other has its address meanwhile.
pub(super) struct Answer {
    pub(super) capture: Arc<Capture>,
    pub(super) call: Arc<Call>,
}

/// There is no thread any more.
#[derive(Debug)]
pub(super) struct Ended;

/// By what a call is known: the address of its capture, while somebody keeps it.
pub(super) fn key(capture: &Arc<Capture>) -> usize {
    Arc::as_ptr(capture).addr()
}

/// The thread that looks stacks and processes up. It ends when this is dropped and it has done what it is at.
pub struct Explainer {
    tasks: mpsc::SyncSender<Task>,
    answers: mpsc::Receiver<Answer>,
}

impl Explainer {
    /// Begins. The thread keeps the capabilities that the caller has now as far as it needs them.
    ///
    /// # Errors
    ///
    /// No thread can be started.
    pub fn start() -> io::Result<Self> {
        let (tasks, asked) = mpsc::sync_channel(MOST_TASKS);
        let (answer, answers) = mpsc::channel();
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
            }
        })?;
        Ok(Self { tasks, answers })
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
                // Too busy: it will be looked up later. When the thread has ended, that shows when it
                // is asked.
                let _not_taken = tasks.try_send(Task::Keep(*owner));
            }
        }
    }

    /// Whether it will be answered.
    pub(super) fn ask(&self, job: Job) -> bool {
        self.tasks.try_send(Task::Answer(job)).is_ok()
    }

    /// The next answer, if there is one.
    pub(super) fn answer(&self) -> Result<Option<Answer>, Ended> {
        match self.answers.try_recv() {
            Ok(answer) => Ok(Some(answer)),
            Err(mpsc::TryRecvError::Empty) => Ok(None),
            Err(mpsc::TryRecvError::Disconnected) => Err(Ended),
        }
    }

    /// The next answer, or `None` when it is too late for one.
    pub(super) fn wait(&self, until: Instant) -> Result<Option<Answer>, Ended> {
        let patience = until.saturating_duration_since(Instant::now());
        match self.answers.recv_timeout(patience) {
            Ok(answer) => Ok(Some(answer)),
            Err(mpsc::RecvTimeoutError::Timeout) => Ok(None),
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(Ended),
        }
    }

    /// Without a thread: what it would do, a test does.
    #[cfg(test)]
    pub(super) fn by_hand() -> (Self, mpsc::Receiver<Task>, mpsc::Sender<Answer>) {
        let (tasks, asked) = mpsc::sync_channel(MOST_TASKS);
        let (answer, answers) = mpsc::channel();
        (Self { tasks, answers }, asked, answer)
    }
}

/// What the thread knows.
struct Desk {
    symbols: Symbolizer,
    /// By id, start and name: an exec changes the name, as a rule.
    processes: FxHashMap<(u32, u32, Comm), Arc<ProcessDetails>>,
}

impl Desk {
    fn new() -> Self {
        Self {
            symbols: Symbolizer::new(),
            processes: FxHashMap::default(),
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
            age: age(job),
        };
        Answer {
            capture: Arc::clone(&job.capture),
            call: Arc::new(call),
        }
    }

    fn process(&mut self, owner: &Owner) -> Arc<ProcessDetails> {
        if self.processes.len() >= MOST_PROCESSES {
            self.processes.clear();
        }
        let known = (owner.pid, owner.start, owner.comm);
        Arc::clone(self.processes.entry(known).or_insert_with(|| {
            let found = details::process_since(owner.pid, owner.start);
            Arc::new(found)
        }))
    }
}

/// How old the process was at its call, in whole clock ticks (10 ms). The start is cut to 32 bits: so is
/// the difference, which wraps after 497 days.
fn age(job: &Job) -> Option<Duration> {
    let now = |clock| Duration::try_from(clock_gettime(clock)).unwrap_or_default();
    if job.owner.start == 0 {
        return None;
    }
    let suspended = now(ClockId::Boottime).saturating_sub(now(ClockId::Monotonic));
    let ticks = (job.at + suspended).as_millis() / 10;
    #[expect(clippy::cast_possible_truncation, reason = "as the start is cut")]
    let age = (ticks as u32).wrapping_sub(job.owner.start);
    Some(Duration::from_millis(u64::from(age) * 10))
}
