//! `portex trace --json`, run beside a workload, and what it told.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::Signal;

use crate::cli::Way;
use crate::event::Event;
use crate::netns::NetNs;
use crate::process::{Process, for_each_line};
use crate::told::{FENCE_PORT, Told, is_fence, is_of};

/// How long loading and attaching may take on the slowest emulated machine.
const ATTACH_LIMIT: Duration = Duration::from_secs(90);
/// How long an event may take from the kernel to the output.
const EVENT_LIMIT: Duration = Duration::from_secs(20);

/// How long portex may go on after it was told to end: `snapshot` looks around then.
const END_LIMIT: Duration = Duration::from_secs(90);

pub(crate) struct Tracer {
    process: Process,
    told: Arc<Told>,
    readers: Vec<JoinHandle<()>>,
}

/// All that a portex left that has ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) events: Vec<Event>,
    pub(crate) lines: Vec<String>,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn lost(&self) -> u64 {
        self.events
            .iter()
            .filter(|event| event.kind() == "lost")
            .filter_map(|e| e.number("count"))
            .sum()
    }
}

impl Tracer {
    /// Starts portex, and returns when it has attached.
    pub(crate) fn start(portex: &Path, way: Way, arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(portex);
        command
            .args(["trace", "--json", "--attach", way.name()])
            .args(arguments);
        Self::start_command(&mut command, way)
    }

    /// The same, with its output for people, of which only the lines are kept.
    pub(crate) fn start_text(portex: &Path, way: Way, arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(portex);
        command
            .args(["trace", "--attach", way.name()])
            .args(arguments);
        Self::start_command(&mut command, way)
    }

    /// The same, with the command line given. Lines of other commands than `trace` are kept as text.
    pub(crate) fn start_command(command: &mut Command, way: Way) -> Result<Self> {
        let has = |word: &str| command.get_args().any(|argument| argument == word);
        let json = has("trace") && has("--json");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = Process::spawn(command)?;
        let told = Arc::new(Told::default());
        let stdout = process.0.stdout.take().context("no stdout")?;
        let stderr = process.0.stderr.take().context("no stderr")?;
        let (to_events, to_stderr) = (Arc::clone(&told), Arc::clone(&told));
        let readers = vec![
            for_each_line(stdout, move |line| {
                to_events.change(|so_far| so_far.read(line, json));
            }),
            for_each_line(stderr, move |line| {
                to_stderr.change(|so_far| so_far.read_stderr(line));
            }),
        ];
        let tracer = Self {
            process,
            told,
            readers,
        };
        let attached = format!("tracing by {}", way.name());
        tracer
            .told
            .wait(ATTACH_LIMIT, |so_far| {
                so_far.stderr.iter().any(|l| l.contains(&attached))
            })
            .with_context(|| format!("portex did not say {attached:?}"))?;
        Ok(tracer)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        self.process.signal(signal)
    }

    pub(crate) fn stderr(&self) -> String {
        self.told.lock().stderr.join("\n")
    }

    /// What it told of a namespace, fences aside.
    pub(crate) fn events(&self, netns: u64) -> Vec<Event> {
        let so_far = self.told.lock();
        so_far
            .events
            .iter()
            .filter(|event| is_of(event, netns))
            .cloned()
            .collect()
    }

    /// Waits until it has told so many events of that kind in a namespace.
    pub(crate) fn wait_for(&self, netns: u64, kind: &str, count: usize) -> Result<()> {
        let (mut looked_at, mut found) = (0, 0);
        let waited = self.told.wait(EVENT_LIMIT, |so_far| {
            let new = so_far.events_from(&mut looked_at);
            found += new
                .filter(|event| event.kind() == kind && is_of(event, netns))
                .count();
            found >= count
        });
        waited.with_context(|| {
            let kinds: Vec<_> = self
                .events(netns)
                .iter()
                .map(|e| e.kind().to_owned())
                .collect();
            format!(
                "{count} events {kind} must come, these came: {}",
                kinds.join(" ")
            )
        })
    }

    /// Waits until all that has happened in a namespace so far has been told: makes one more
    /// connect there, and waits for that.
    pub(crate) fn fence(&self, netns: &NetNs) -> Result<()> {
        static NEXT: AtomicU16 = AtomicU16::new(20_000);
        let from = NEXT.fetch_add(1, Ordering::Relaxed);
        let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut looked_at = self.told.lock().events.len();
        netns
            .refused_connect(address(from), address(FENCE_PORT))
            .context("fence")?;
        let inode = Some(netns.inode());
        let is_it = |event: &Event| {
            event.number("netns") == inode && event.number("src_port") == Some(from.into())
        };
        self.told
            .wait(EVENT_LIMIT, |so_far| {
                so_far.events_from(&mut looked_at).any(is_it)
            })
            .context("a connect that was made to be seen was not")
    }

    /// Whether all lines so far keep the contract: JSON, all fields, time never going back, no
    /// control characters.
    pub(crate) fn check(&self) -> Result<()> {
        self.told.lock().check()
    }

    /// Sends a signal and waits for the end.
    pub(crate) fn stop(self, signal: Signal) -> Result<Ended> {
        self.signal(signal)?;
        self.end()
    }

    /// Waits for the end, which must come by itself.
    pub(crate) fn end(mut self) -> Result<Ended> {
        let status = self
            .process
            .wait(END_LIMIT)
            .with_context(|| self.stderr())?;
        for reader in self.readers.drain(..) {
            // A reader that panicked has told less, which the comparison will find.
            let _ = reader.join();
        }
        let so_far = std::mem::take(&mut *self.told.lock());
        so_far.check()?;
        let events = so_far
            .events
            .into_iter()
            .filter(|event| !is_fence(event))
            .collect();
        let stderr = so_far.stderr.join("\n");
        Ok(Ended {
            status,
            events,
            lines: so_far.lines,
            stderr,
        })
    }
}
