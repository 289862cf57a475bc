//! A workload process, seen from the scenario.

use std::io::Write as _;
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::fact::{Connect, Fact};
use crate::netns::NetNs;
use crate::process::{Process, for_each_line, myself};

/// How long a step of a workload may take, on the slowest emulated machine.
const STEP_LIMIT: Duration = Duration::from_secs(60);

/// A process in a network namespace that does what it is told, step by step.
pub(crate) struct Load {
    process: Process,
    input: ChildStdin,
    told: Receiver<String>,
    pid: u32,
    done: bool,
}

impl Load {
    /// Starts a workload by its command line; it has done nothing yet when this returns.
    pub(crate) fn start(netns: &NetNs, arguments: &str) -> Result<Self> {
        let mut command = myself(&["workload", "--netns"]);
        command.arg(netns.path()).args(arguments.split_whitespace());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::spawn(&mut command)?;
        let input = process.0.stdin.take().context("no stdin")?;
        let (send, told) = channel();
        for_each_line(process.0.stdout.take().context("no stdout")?, move |line| {
            if let Some(line) = line {
                // Fails when the scenario has ended and nobody listens.
                let _ = send.send(String::from_utf8_lossy(line).into_owned());
            }
        });
        let mut load = Self {
            process,
            input,
            told,
            pid: 0,
            done: false,
        };
        match load.next()? {
            Fact::Hello { pid } => load.pid = pid,
            other => bail!("the workload began with {other:?}"),
        }
        load.until_ready()?;
        Ok(load)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Lets it go on to the next step, and returns the connects that it made on the way.
    pub(crate) fn step(&mut self) -> Result<Vec<Connect>> {
        let connect = |fact| match fact {
            Fact::Connect(connect) => Some(connect),
            _ => None,
        };
        Ok(self.facts()?.into_iter().filter_map(connect).collect())
    }

    /// The same, with all that it told on the way.
    pub(crate) fn facts(&mut self) -> Result<Vec<Fact>> {
        self.input
            .write_all(b"go\n")
            .context("the workload has ended")?;
        self.until_ready()
    }

    /// Lets it do the rest and end.
    pub(crate) fn finish(mut self) -> Result<Vec<Connect>> {
        let mut connects = Vec::new();
        while !self.done {
            connects.extend(self.step()?);
        }
        let status = self.process.wait(STEP_LIMIT)?;
        ensure!(status.success(), "the workload ended with {status}");
        Ok(connects)
    }

    /// Waits for the end of the process that was started; heirs of it may go on.
    pub(crate) fn wait_for_exit(&mut self) -> Result<()> {
        let status = self.process.wait(STEP_LIMIT)?;
        ensure!(status.success(), "the workload ended with {status}");
        Ok(())
    }

    fn until_ready(&mut self) -> Result<Vec<Fact>> {
        let mut facts = Vec::new();
        loop {
            match self.next()? {
                Fact::Ready { .. } => return Ok(facts),
                Fact::Unsupported { why } => return Err(Skip(why).into()),
                Fact::Done => {
                    self.done = true;
                    return Ok(facts);
                }
                fact => facts.push(fact),
            }
        }
    }

    fn next(&mut self) -> Result<Fact> {
        let line = self
            .told
            .recv_timeout(STEP_LIMIT)
            .context("the workload ended early, or took too long")?;
        serde_json::from_str(&line).with_context(|| format!("not a fact: {line}"))
    }
}

/// The reason why a scenario cannot be run here.
#[derive(Debug)]
pub(crate) struct Skip(pub(crate) String);

impl std::fmt::Display for Skip {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}
