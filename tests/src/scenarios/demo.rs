//! `portex demo`: shows a range running out, in a world of its own.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;

use crate::bpf::Loaded;
use crate::event::Event;
use crate::process::{Process, for_each_line, run_to_end};
use crate::runner::Context;
use crate::told::check_text;

/// Generous, since an emulated machine loads slowly.
const LIMIT: Duration = Duration::from_secs(90);

pub(super) fn run(context: &Context<'_>) -> Result<()> {
    let before = Machine::now(context.portex)?;
    let finished = run_to_end(&mut demo(context, "5s"), LIMIT)?;
    ensure!(
        finished.status.success(),
        "ended with {}:\n{}",
        finished.status,
        finished.stderr
    );
    let mut events = Vec::new();
    for line in finished
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        events.push(check_text(line).and_then(Event::parse)?);
    }
    let own = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata("/proc/self/ns/net")?);
    ensure!(
        events
            .iter()
            .all(|event| event.number("netns") != Some(own)),
        "events from outside"
    );
    let failures = events
        .iter()
        .filter(|event| event.text("cause") == "range_exhausted")
        .count();
    ensure!(
        failures > 0,
        "no exhaustion among {} events:\n{}",
        events.len(),
        finished.stderr
    );
    before.is_left(context.portex)
}

/// Not even a kill in the middle leaves anything.
pub(super) fn killed(context: &Context<'_>) -> Result<()> {
    let before = Machine::now(context.portex)?;
    let mut command = demo(context, "60s");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut process = Process::spawn(&mut command)?;
    let (send, lines) = std::sync::mpsc::channel();
    for_each_line(process.0.stdout.take().context("no stdout")?, move |line| {
        // Nobody listens any more after the first.
        let _ = send.send(line.is_some());
    });
    ensure!(
        lines.recv_timeout(LIMIT)?,
        "the demo ended before its first event"
    );
    process.signal(Signal::KILL)?;
    process.wait(Duration::from_secs(10))?;
    before.is_left(context.portex)
}

fn demo(context: &Context<'_>, duration: &str) -> Command {
    let mut command = Command::new(context.portex);
    command.args([
        "demo",
        "--json",
        "--duration",
        duration,
        "--attach",
        context.way.name(),
    ]);
    command
}

/// What the demo must not change.
struct Machine {
    range: String,
    named_namespaces: BTreeSet<String>,
    namespace_mounts: usize,
    processes: BTreeSet<u32>,
    loaded: Loaded,
}

impl Machine {
    fn now(portex: &Path) -> Result<Self> {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
        Ok(Self {
            range: std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")?,
            named_namespaces: names_in("/run/netns"),
            namespace_mounts: mounts
                .lines()
                .filter(|line| line.contains(" - nsfs "))
                .count(),
            processes: processes_of(portex),
            loaded: Loaded::now()?,
        })
    }

    /// Waits a little: those who end with their parent take a moment.
    fn is_left(&self, portex: &Path) -> Result<()> {
        self.loaded.wait_for_nothing_new()?;
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let now = Self::now(portex)?;
            let left: Vec<_> = now.processes.difference(&self.processes).collect();
            if left.is_empty() {
                ensure!(
                    now.range == self.range,
                    "ip_local_port_range is now {}",
                    now.range
                );
                let names = &now.named_namespaces;
                ensure!(
                    *names == self.named_namespaces,
                    "named namespaces are now {names:?}"
                );
                let mounts = now.namespace_mounts;
                ensure!(
                    mounts == self.namespace_mounts,
                    "{mounts} mounts of namespaces"
                );
                return Ok(());
            }
            if Instant::now() > end {
                bail!("processes {left:?} are left behind");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn names_in(directory: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(Result::ok);
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// A namespace without a name lives by the processes in it.
fn processes_of(program: &Path) -> BTreeSet<u32> {
    let of_program =
        |pid: &u32| std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program);
    names_in("/proc")
        .iter()
        .filter_map(|name| name.parse().ok())
        .filter(of_program)
        .collect()
}
