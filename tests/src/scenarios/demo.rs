//! `portex demo`: shows a range running out, in a world of its own, and leaves nothing of it behind.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::bpf::Loaded;
use crate::event::Event;
use crate::process::{Process, for_each_line};
use crate::procnet::{held_around, ports};
use crate::runner::Context;
use crate::told::check_text;

/// Generous, since an emulated machine loads slowly.
const LIMIT: Duration = Duration::from_secs(90);
/// The demo takes half a minute to run out of ports, and longer in such a machine.
const EXHAUSTION: Duration = Duration::from_secs(240);
/// The processes of the demo, by name.
const ROLES: [&str; 5] = ["checkout", "legacy", "metrics", "reports", "servers"];
/// Ports that the demo's namespace has.
const CAPACITY: u32 = 992;
/// What `checkout` connects to, and what `legacy` binds for.
const SERVERS: [&str; 2] = ["10.0.0.10:443", "10.0.0.30:6379"];

/// It runs out of ports, as the kernel says too; then Ctrl-C, of which only portex hears.
pub(super) fn run(context: &Context<'_>) -> Result<()> {
    let before = Machine::now(context.portex)?;
    let mut demo = Demo::start(context)?;
    let checkout = demo.role("checkout")?;
    let end = Instant::now() + EXHAUSTION;
    let failed = loop {
        let event = demo.event(end.saturating_duration_since(Instant::now()))?;
        let netns = event.number("netns");
        ensure!(
            netns.is_none_or(|netns| netns == demo.netns),
            "an event from outside: {event:?}"
        );
        if event.text("cause") == "range_exhausted" {
            break event;
        }
    };
    ensure!(
        failed.number("pid") == Some(u64::from(checkout)),
        "it is not checkout ({checkout}) that failed: {failed:?}"
    );
    let rows = held_around(checkout)?;
    let (held, _) = ports(&rows, |held| {
        SERVERS.contains(&held.remote.to_string().as_str())
    })?;
    // A machine that is slow enough has seen the first TIME_WAITs end.
    ensure!(
        held > CAPACITY * 3 / 4 && held <= CAPACITY,
        "the kernel lists {held} ports of {CAPACITY} when a connect() fails"
    );
    demo.process.signal(Signal::INT)?;
    demo.ends()?;
    before.is_left(context.portex, demo.netns)
}

/// Not even a kill in the middle leaves anything.
pub(super) fn killed(context: &Context<'_>) -> Result<()> {
    let before = Machine::now(context.portex)?;
    let mut demo = Demo::start(context)?;
    demo.process.signal(Signal::KILL)?;
    demo.process.wait(Duration::from_secs(10))?;
    before.is_left(context.portex, demo.netns)
}

/// Its processes do not outlive the one that started them, though portex is still there.
pub(super) fn workload_killed(context: &Context<'_>) -> Result<()> {
    let before = Machine::now(context.portex)?;
    let mut demo = Demo::start(context)?;
    kill_process(pid(demo.workload)?, Signal::KILL)?;
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let there = processes_of(context.portex);
        let left: Vec<_> = (demo.roles.iter())
            .filter(|(_, pid)| there.contains(pid))
            .collect();
        if left.is_empty() {
            break;
        }
        ensure!(Instant::now() < end, "{left:?} have outlived their parent");
        std::thread::sleep(Duration::from_millis(20));
    }
    ensure!(demo.process.0.try_wait()?.is_none(), "portex has ended too");
    demo.process.signal(Signal::TERM)?;
    demo.ends()?;
    before.is_left(context.portex, demo.netns)
}

/// Ctrl-C on a terminal goes to every process of the group.
pub(super) fn interrupted(context: &Context<'_>) -> Result<()> {
    let before = Machine::now(context.portex)?;
    let mut demo = Demo::start(context)?;
    kill_process_group(Pid::from_child(&demo.process.0), Signal::INT)?;
    demo.ends()?;
    before.is_left(context.portex, demo.netns)
}

/// A demo that has begun.
struct Demo {
    process: Process,
    /// What it prints; `None` at the end.
    lines: Receiver<Option<Vec<u8>>>,
    /// Inode number of its namespace.
    netns: u64,
    /// The process that made it.
    workload: u32,
    /// The processes in it, by name.
    roles: BTreeMap<String, u32>,
}

impl Demo {
    /// In a process group of its own. Waits for the first event.
    fn start(context: &Context<'_>) -> Result<Self> {
        let mut command = Command::new(context.portex);
        command
            .args(["demo", "--trace", "--json", "--duration", "600s"])
            .args(["--attach", context.way.name()])
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut process = Process::spawn(&mut command)?;
        let (send, lines) = channel();
        for_each_line(process.0.stdout.take().context("no stdout")?, move |line| {
            // Nobody listens any more when the scenario has seen enough.
            let _ = send.send(line.map(<[u8]>::to_vec));
        });
        let portex = process.pid();
        let mut demo = Self {
            process,
            lines,
            netns: 0,
            workload: 0,
            roles: BTreeMap::new(),
        };
        let first = demo.event(LIMIT)?;
        demo.netns = first.number("netns").context("no namespace")?;
        let of_portex = processes_of(context.portex);
        let children = |parent: u32| {
            (of_portex.iter().copied()).filter(move |pid| parent_of(*pid) == Some(parent))
        };
        demo.workload = children(portex).next().context("no workload")?;
        for pid in children(demo.workload) {
            let comm = std::fs::read_to_string(format!("/proc/{pid}/comm"))?;
            demo.roles.insert(comm.trim_end().to_owned(), pid);
        }
        demo.is_apart()?;
        Ok(demo)
    }

    /// All of its processes are there, in its namespace, and that is not this one.
    fn is_apart(&self) -> Result<()> {
        let names: Vec<_> = self.roles.keys().map(String::as_str).collect();
        ensure!(names == ROLES, "its processes are {names:?}");
        let netns = |pid: &str| -> Result<u64> {
            Ok(std::fs::metadata(format!("/proc/{pid}/ns/net"))?.ino())
        };
        ensure!(netns("self")? != self.netns, "it is in this namespace");
        for (name, pid) in &self.roles {
            let inode = netns(&pid.to_string())?;
            ensure!(
                inode == self.netns,
                "{name} is in {inode}, not {}",
                self.netns
            );
        }
        Ok(())
    }

    fn role(&self, name: &str) -> Result<u32> {
        self.roles.get(name).copied().context("no such process")
    }

    fn event(&self, limit: Duration) -> Result<Event> {
        let line = self.lines.recv_timeout(limit).context("no event")?;
        let line = line.context("the demo ended too early")?;
        check_text(&line).and_then(Event::parse)
    }

    fn ends(&mut self) -> Result<()> {
        let status = self.process.wait(LIMIT)?;
        ensure!(status.success(), "ended with {status}");
        Ok(())
    }
}

fn pid(number: u32) -> Result<Pid> {
    Pid::from_raw(number.try_into()?).context("no process id")
}

/// By `/proc/PID/stat`: the second field after the name, which may hold anything.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after) = stat.rsplit_once(')')?;
    after.split_whitespace().nth(1)?.parse().ok()
}

/// What the demo must not change.
pub(super) struct Machine {
    range: String,
    named_namespaces: BTreeSet<String>,
    namespace_mounts: usize,
    processes: BTreeSet<u32>,
    loaded: Loaded,
}

impl Machine {
    pub(super) fn now(portex: &Path) -> Result<Self> {
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
    pub(super) fn is_left(&self, portex: &Path, netns: u64) -> Result<()> {
        self.loaded.wait_for_nothing_new()?;
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let now = Self::now(portex)?;
            let mut left = inside(netns)?;
            left.extend(now.processes.difference(&self.processes));
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

fn processes_of(program: &Path) -> BTreeSet<u32> {
    all_processes().filter(|pid| is_of(*pid, program)).collect()
}

/// A namespace without a name lives by the processes in it. Other scenarios make namespaces at the same
/// time, which get the numbers of those that are gone: theirs do not count.
fn inside(netns: u64) -> Result<BTreeSet<u32>> {
    let myself = std::fs::read_link("/proc/self/exe")?;
    let is_inside = |pid: &u32| {
        std::fs::metadata(format!("/proc/{pid}/ns/net")).is_ok_and(|file| file.ino() == netns)
    };
    Ok(all_processes()
        .filter(is_inside)
        .filter(|pid| !is_of(*pid, &myself))
        .collect())
}

fn all_processes() -> impl Iterator<Item = u32> {
    names_in("/proc")
        .into_iter()
        .filter_map(|name| name.parse().ok())
}

fn is_of(pid: u32, program: &Path) -> bool {
    std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program)
}
