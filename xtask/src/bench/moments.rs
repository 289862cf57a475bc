//! How soon portex tells of a first event, and what it is at rest.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::process::Signal;

use super::{
    child::{Output, Tracked},
    peers::Tool,
    space::Space,
};
use crate::binaries::Binaries;

/// So steady that there is one to tell of at any time.
const LOOP: &str = "--seconds 20 --warm-up 0 --rate 500 --threads 1";
/// When what was needed to attach has been given back.
const REST: Duration = Duration::from_secs(3);

/// Milliseconds from the start of `portex trace --json` to its first line, of a connect made in a loop.
pub(super) fn first_events(binaries: &Binaries, times: usize) -> Result<Vec<f64>> {
    (0..times).map(|_| first_event(binaries)).collect()
}

fn first_event(binaries: &Binaries) -> Result<f64> {
    let space = Space::new(&binaries.tests)?;
    let churn = space.start(LOOP)?;
    thread::sleep(Duration::from_millis(200));
    let mut command = Command::new(&binaries.portex);
    command
        .args(["trace", "--json", "--netns", space.inode()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let begin = Instant::now();
    let mut portex = Tracked::spawn(&mut command)?;
    let mut stdout = BufReader::new(portex.child().stdout.take().context("no output")?);
    let mut line = String::new();
    stdout.read_line(&mut line)?;
    let took = begin.elapsed();
    portex.check()?;
    drop((churn, portex));
    anyhow::ensure!(line.contains("\"event\""), "no event but {line:?}");
    Ok(took.as_secs_f64() * 1e3)
}

/// Bytes that a portex has in memory when it has watched for a while, and nothing happened that we do.
pub(super) fn at_rest(binaries: &Binaries, tool: Tool) -> Result<u64> {
    let (stdout, stderr) = (Output::new()?, Output::new()?);
    let mut command = tool.command(&binaries.portex).context("no command")?;
    command
        .stdin(Stdio::null())
        .stdout(stdout.stdio()?)
        .stderr(stderr.stdio()?);
    let mut child = Tracked::spawn(&mut command)?;
    tool.wait_attached(&mut child, &stdout, &stderr)?;
    thread::sleep(REST);
    let bytes = child.memory("VmRSS")?;
    child.stop(Signal::INT)?;
    Ok(bytes)
}
