//! Looks up what is only wanted when somebody looks at it: details of processes, names of hosts.
//!
//! ```text
//! ask ─┬→ queue → thread portex-lookup → /proc ────┬→ answer
//!      └→ queue → thread portex-names  → resolver ─┘
//! ```
//!
//! Who asks never waits: the resolver may take seconds to say that it knows nothing, and reading of a
//! process may hang as long as that process wants.

mod host_name;

use std::{
    io,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use crate::{details::ProcessDetails, inventory::details, privileges};

/// Questions of either kind that may wait; more are forgotten.
const WAITING: usize = 1_024;

/// What somebody wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Question {
    /// About the process of this id (TGID).
    Process(u32),
    /// What this address is called.
    HostName(IpAddr),
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// About a process; of one that has ended, too.
    Process(Box<ProcessDetails>),
    /// The name of an address, `None` where it has none: letters, digits, `-`, `_` and `.`, at most
    /// 253 of them (RFC 1035). Whoever owns the address chose it.
    HostName(IpAddr, Option<Arc<str>>),
}

/// Two threads that answer questions, each kind in the order of asking. They end soon after this is
/// dropped, and give no answer then; nobody waits for them.
#[derive(Debug)]
pub struct Lookup {
    processes: SyncSender<u32>,
    hosts: SyncSender<IpAddr>,
    ended: Arc<AtomicBool>,
}

impl Lookup {
    /// Begins; `answer` is called on the threads, by one at a time.
    ///
    /// The threads keep the capabilities that the caller has now as far as they need them: what it
    /// takes to read `/proc`, and none for who talks to the network.
    ///
    /// # Errors
    ///
    /// No thread can be started.
    pub fn start(answer: impl Fn(Answer) + Send + 'static) -> io::Result<Self> {
        Self::with(
            answer,
            || {
                privileges::keep_for_proc();
                details::process
            },
            || {
                privileges::keep_none();
                host_name::of
            },
        )
    }

    /// With other sources, each made on the thread that uses it.
    fn with<P, H>(
        answer: impl Fn(Answer) + Send + 'static,
        process: impl FnOnce() -> P + Send + 'static,
        host: impl FnOnce() -> H + Send + 'static,
    ) -> io::Result<Self>
    where
        P: FnMut(u32) -> ProcessDetails,
        H: FnMut(IpAddr) -> Option<Arc<str>>,
    {
        let answer = Arc::new(Mutex::new(answer));
        let ended = Arc::new(AtomicBool::new(false));
        let (processes, asked) = sync_channel(WAITING);
        let shared = (Arc::clone(&answer), Arc::clone(&ended));
        spawn("portex-lookup", asked, shared, move || {
            let mut process = process();
            move |pid| Answer::Process(Box::new(process(pid)))
        })?;
        let (hosts, asked) = sync_channel(WAITING);
        let shared = (answer, Arc::clone(&ended));
        spawn("portex-names", asked, shared, move || {
            let mut host = host();
            move |address| Answer::HostName(address, host(address))
        })?;
        Ok(Self {
            processes,
            hosts,
            ended,
        })
    }

    /// Asks; the answer comes when it comes. A question for which there is no room is forgotten.
    pub fn ask(&self, question: Question) {
        let _forgotten = match question {
            Question::Process(pid) => self.processes.try_send(pid).is_err(),
            Question::HostName(address) => self.hosts.try_send(address).is_err(),
        };
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

/// Starts a thread that answers until nobody asks any more.
fn spawn<Q, F, A>(
    name: &str,
    questions: Receiver<Q>,
    (answer, ended): (Arc<Mutex<F>>, Arc<AtomicBool>),
    source: impl FnOnce() -> A + Send + 'static,
) -> io::Result<()>
where
    Q: Send + 'static,
    F: Fn(Answer) + Send + 'static,
    A: FnMut(Q) -> Answer,
{
    let thread = thread::Builder::new().name(name.to_owned());
    thread.spawn(move || {
        let mut find = source();
        for question in questions {
            if ended.load(Ordering::Relaxed) {
                return;
            }
            let found = find(question);
            let answer = answer.lock().unwrap_or_else(PoisonError::into_inner);
            if !ended.load(Ordering::Relaxed) {
                answer(found);
            }
        }
    })?;
    Ok(())
}

#[cfg(test)]
mod tests;
