//! One tool beside one workload, in a namespace made for the two.

use std::{
    path::Path,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{
    child::{Output, Tracked},
    peers::Tool,
    space::{Done, Space},
};
use crate::binaries::Binaries;

/// After attaching: what a tool still does then is not the workload's.
const SETTLE: Duration = Duration::from_millis(300);
/// In which a tool that uses less than [`QUIET`] has worked all off.
const PAUSE: Duration = Duration::from_millis(150);
const QUIET: Duration = Duration::from_millis(3);
/// A tool that goes on after this does so for another reason.
const MOST_WORK: Duration = Duration::from_secs(10);
/// Top's next frame, a second later at most, has all.
const FRAME: Duration = Duration::from_millis(1300);
/// What the kernel still does for a namespace that has gone: it is nobody's cost.
const CLEANUP: Duration = Duration::from_millis(300);

/// What one run gave.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) done: Done,
    /// Of the tool, while the workload ran and until it had worked off what that left.
    pub(super) cpu: Option<Duration>,
    /// Of the tool, in bytes.
    pub(super) peak_rss: Option<u64>,
    pub(super) lost: Option<u64>,
    /// Events told.
    pub(super) told: Option<u64>,
    /// Events to be told.
    pub(super) expected: Option<u64>,
    /// How portex attached.
    pub(super) way: Option<String>,
}

impl Sample {
    /// CPU seconds of the tool for a million of the workload's calls.
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    pub(super) fn cpu_per_million(&self) -> Option<f64> {
        let calls = self.done.count("total_connects") + self.done.count("total_failures");
        Some(self.cpu?.as_secs_f64() * 1e6 / calls.max(1) as f64)
    }

    /// CPU microseconds of the workload for one of its calls: what the kernel programs cost is in it.
    pub(super) fn own_cpu(&self) -> f64 {
        let calls = self.done.number("connects") + self.done.number("failures");
        self.done.number("cpu_s") * 1e6 / calls.max(1.0)
    }

    pub(super) fn json(&self, round: usize) -> Value {
        json!({
            "round": round,
            "workload": self.done.report,
            "cpu_s": self.cpu.map(|cpu| cpu.as_secs_f64()),
            "cpu_s_per_million": self.cpu_per_million(),
            "peak_rss_bytes": self.peak_rss,
            "lost": self.lost,
            "told": self.told,
            "expected": self.expected,
            "attach": self.way,
        })
    }
}

/// Runs a tool and, when it has attached, the churn.
pub(super) fn churn(binaries: &Binaries, tool: Tool, words: &str) -> Result<Sample> {
    beside(binaries, tool, tool.command(&binaries.portex), words)
        .with_context(|| format!("{} beside the churn", tool.title()))
}

/// The same with another command of that kind.
pub(super) fn beside(
    binaries: &Binaries,
    tool: Tool,
    command: Option<std::process::Command>,
    words: &str,
) -> Result<Sample> {
    let space = Space::new(&binaries.tests)?;
    let sample = match command {
        None => {
            let done = space.churn(words)?;
            Sample {
                done,
                cpu: None,
                peak_rss: None,
                lost: None,
                told: None,
                expected: None,
                way: None,
            }
        }
        Some(command) => traced(&space, tool, command, words)?,
    };
    drop(space);
    thread::sleep(CLEANUP);
    Ok(sample)
}

fn traced(
    space: &Space<'_>,
    tool: Tool,
    mut command: std::process::Command,
    words: &str,
) -> Result<Sample> {
    let (mut stdout, stderr) = (Output::new()?, Output::new()?);
    command
        .stdin(Stdio::null())
        .stdout(stdout.stdio()?)
        .stderr(stderr.stdio()?);
    let mut child = Tracked::spawn(&mut command)?;
    drop(command);
    tool.wait_attached(&mut child, &stdout, &stderr)?;
    thread::sleep(SETTLE);

    let before = child.cpu()?;
    let done = space.churn(words)?;
    child.check().with_context(|| stderr.text())?;
    work_off(&child)?;
    let cpu = child.cpu()?.saturating_sub(before);
    let peak_rss = child.memory("VmHWM")?;
    if tool == Tool::Top {
        thread::sleep(FRAME);
    }
    // What it says when it ends is in its output; tcplife ends as one who was killed.
    child.stop(Signal::INT)?;

    let errors = stderr.text();
    let way = tool.way(&stdout, &stderr);
    let told = tool.told(&mut stdout, &errors, space.inode(), &done)?;
    Ok(Sample {
        expected: tool.expected(&done, words.contains("--failing")),
        cpu: Some(cpu),
        peak_rss: Some(peak_rss),
        lost: told.lost,
        told: told.events,
        way,
        done,
    })
}

/// Waits until a tool has nothing to do.
fn work_off(child: &Tracked) -> Result<()> {
    let end = Instant::now() + MOST_WORK;
    let mut before = child.cpu()?;
    loop {
        thread::sleep(PAUSE);
        let now = child.cpu()?;
        if now.saturating_sub(before) < QUIET || Instant::now() > end {
            return Ok(());
        }
        before = now;
    }
}

/// A small figure of this machine's load, now.
pub(super) fn load_average() -> String {
    std::fs::read_to_string(Path::new("/proc/loadavg"))
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}
