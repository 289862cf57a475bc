//! A process whose name is made to be obeyed by terminals.

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use super::{V4, split};
use crate::load::Load;
use crate::netns::NetNs;
use crate::runner::Context;
use crate::tracer::Tracer;

/// Clear the screen, by the seven-bit and by the eight-bit introducer; no UTF-8 at all; and UTF-8
/// that decodes to the eight-bit introducer, then a carriage return and a line feed.
const NAMES: [&[u8]; 4] = [
    b"\x1b[2J\x9b1m",
    b"\xff\xfe\xc3(",
    b"\xc2\x9b2J\r\nfake",
    b"\x7f\x08\t\x01",
];

pub(super) fn run(context: &Context<'_>) -> Result<()> {
    for name in NAMES {
        judge(context, name).with_context(|| format!("comm {}", name.escape_ascii()))?;
    }
    Ok(())
}

fn judge(context: &Context<'_>, name: &[u8]) -> Result<()> {
    // With `--states`, all kinds of lines come.
    let netns = NetNs::with_ports(40_000, 40_001)?;
    let hex = name
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let workload = format!("connect --dst {V4} --failures 1 --comm-hex {hex}");
    let mut load = Load::start(&netns, &workload)?;
    let inode = netns.inode().to_string();
    let arguments = ["--states", "--netns", &inode];
    let json = Tracer::start(context.portex, context.way, &arguments)?;
    let text = Tracer::start_text(context.portex, context.way, &arguments)?;
    split(&load.step()?, 2, 1)?;
    load.step()?;

    // The bytes themselves are checked as they come.
    let json = json.stop(Signal::INT).context("--json")?;
    let pid = u64::from(load.pid());
    let connects = json
        .events
        .iter()
        .filter(|event| event.kind() == "connect" && event.number("pid") == Some(pid))
        .filter(|event| !event.text("comm").is_empty());
    ensure!(connects.count() == 2, "not two connects with a name");
    let text = text.stop(Signal::INT).context("text")?;
    let pid = pid.to_string();
    let lines = text
        .lines
        .iter()
        .filter(|line| line.split_whitespace().any(|word| word == pid));
    // Two connects, two releases, a failure, and the states.
    ensure!(
        lines.count() >= 5,
        "too few lines name the process:\n{}",
        text.lines.join("\n")
    );
    Ok(())
}
