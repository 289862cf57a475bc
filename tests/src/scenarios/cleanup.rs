//! However portex ends, nothing of it stays in the kernel.

use std::io::{BufRead as _, BufReader};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use super::{V4, split};
use crate::bpf::Loaded;
use crate::expect::{Expected, compare};
use crate::load::Load;
use crate::netns::NetNs;
use crate::process::{Process, for_each_line};
use crate::runner::Context;
use crate::tracer::Tracer;

/// Also: two at the same time, of which each sees everything.
pub(super) fn leaves_nothing(context: &Context<'_>) -> Result<()> {
    let before = Loaded::now()?;
    let netns = NetNs::new()?;
    let mut load = Load::start(&netns, &format!("connect --dst {V4} --count 5 --churn"))?;
    let inode = netns.inode().to_string();
    let start = || Tracer::start(context.portex, context.way, &["--netns", &inode]);
    let (first, second) = (start()?, start()?);
    let (programs, maps) = before.new_since()?;
    ensure!(
        programs > 0 && maps > 0,
        "{programs} programs and {maps} maps while it runs"
    );

    let connects = load.step()?;
    split(&connects, 5, 0)?;
    let life = |connect| [Expected::connect(connect), Expected::released(connect)];
    let expected: Vec<_> = connects.iter().flat_map(life).collect();
    for (tracer, signal) in [(first, Signal::INT), (second, Signal::TERM)] {
        let ended = tracer.stop(signal)?;
        ensure!(
            ended.status.success(),
            "{signal:?}: {}:\n{}",
            ended.status,
            ended.stderr
        );
        compare(&expected, &ended.events).with_context(|| format!("until {signal:?}"))?;
    }
    before
        .wait_for_nothing_new()
        .context("after SIGINT and SIGTERM")?;

    start()?.stop(Signal::KILL)?;
    before.wait_for_nothing_new().context("after SIGKILL")
}

/// `portex trace | head -1`: ends without a word, and successfully.
pub(super) fn closed_pipe(context: &Context<'_>) -> Result<()> {
    let before = Loaded::now()?;
    let netns = NetNs::new()?;
    let arguments = format!("connect --dst {V4} --count 2 --churn --rounds 2");
    let mut load = Load::start(&netns, &arguments)?;
    let (mut process, stdout, stderr) = start_unread(context, &netns)?;
    load.step()?;
    let mut reader = BufReader::new(stdout);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    ensure!(line.contains("\"connect\""), "the first line is {line:?}");
    drop(reader);
    load.step()?;
    let status = process.wait(Duration::from_secs(20))?;
    let rest: Vec<String> = stderr.iter().flatten().collect();
    ensure!(
        status.success(),
        "ended with {status}:\n{}",
        rest.join("\n")
    );
    let noise = rest.iter().any(|line| line.to_lowercase().contains("pipe"));
    ensure!(!noise, "not quietly:\n{}", rest.join("\n"));
    before.wait_for_nothing_new()
}

/// `portex trace | less`, left alone with a full pipe: a signal ends it all the same.
pub(super) fn stalled_reader(context: &Context<'_>) -> Result<()> {
    let before = Loaded::now()?;
    let netns = NetNs::new()?;
    let mut load = Load::start(&netns, &format!("connect --dst {V4} --count 1000 --churn"))?;
    let (mut process, stdout, stderr) = start_unread(context, &netns)?;
    split(&load.step()?, 1000, 0)?;
    // Of the 64 KiB that a pipe holds, a writer may leave some unused.
    let end = Instant::now() + Duration::from_secs(20);
    while rustix::io::ioctl_fionread(&stdout)? < 32 * 1024 {
        ensure!(Instant::now() < end, "the pipe does not get full");
        std::thread::sleep(Duration::from_millis(20));
    }
    process.signal(Signal::TERM)?;
    let status = process.wait(Duration::from_secs(30))?;
    let said: Vec<String> = stderr.iter().flatten().collect();
    ensure!(
        status.code().is_some(),
        "ended with {status}:\n{}",
        said.join("\n")
    );
    // Only now may anybody read, or be known not to.
    drop(stdout);
    before.wait_for_nothing_new()
}

/// What portex says, line by line; `None` at the end.
type Stderr = Receiver<Option<String>>;

/// Starts portex, and returns when it has attached. Nobody reads what it tells.
fn start_unread(context: &Context<'_>, netns: &NetNs) -> Result<(Process, ChildStdout, Stderr)> {
    let inode = netns.inode().to_string();
    let mut command = Command::new(context.portex);
    command
        .args(["trace", "--json", "--attach", context.way.name()])
        .args(["--netns", &inode])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut process = Process::spawn(&mut command)?;
    let stdout = process.0.stdout.take().context("no stdout")?;
    let (send, stderr) = channel();
    for_each_line(process.0.stderr.take().context("no stderr")?, move |line| {
        // Nobody listens any more when the scenario has failed.
        let _ = send.send(line.map(|line| String::from_utf8_lossy(line).into_owned()));
    });
    let mut said = String::new();
    while !said.contains("tracing by") {
        let line = stderr.recv_timeout(Duration::from_secs(90))?;
        said += &line.with_context(|| format!("portex has ended:\n{said}"))?;
        said.push('\n');
    }
    Ok((process, stdout, stderr))
}
