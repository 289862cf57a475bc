//! However portex ends, nothing of it stays in the kernel.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

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
    let inode = netns.inode().to_string();
    let mut command = Command::new(context.portex);
    command.args([
        "trace",
        "--json",
        "--attach",
        context.way.name(),
        "--netns",
        &inode,
    ]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut process = Process::spawn(&mut command)?;
    let stdout = process.0.stdout.take().context("no stdout")?;
    let (send, stderr) = std::sync::mpsc::channel();
    for_each_line(process.0.stderr.take().context("no stderr")?, move |line| {
        // Nobody listens any more when the scenario has failed.
        let _ = send.send(line.map(|line| String::from_utf8_lossy(line).into_owned()));
    });
    while let Some(line) = stderr.recv_timeout(Duration::from_secs(90))? {
        if line.contains("tracing by") {
            break;
        }
    }
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
