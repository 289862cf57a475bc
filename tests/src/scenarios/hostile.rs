//! A process whose name is made to be obeyed by terminals.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use super::split;
use crate::load::Load;
use crate::netns::NetNs;
use crate::process::run_to_end;
use crate::runner::Context;
use crate::snapshot;
use crate::told::check_text;
use crate::tracer::{Ended, Tracer};

const LIMIT: Duration = Duration::from_secs(90);

/// Clear the screen, by the seven-bit and by the eight-bit introducer; no UTF-8 at all; and UTF-8
/// that decodes to the eight-bit introducer, then a carriage return and a line feed.
const NAMES: [&[u8]; 4] = [
    b"\x1b[2J\x9b1m",
    b"\xff\xfe\xc3(",
    b"\xc2\x9b2J\r\nfake",
    b"\x7f\x08\t\x01",
];

pub(super) fn traced(context: &Context<'_>) -> Result<()> {
    let netns = NetNs::with_ports(40_000, 40_001)?;
    let mut loads = named_so(&netns)?;
    let inode = netns.inode().to_string();
    // With `--states`, all kinds of lines come.
    let arguments = ["--states", "--netns", &inode];
    let json = Tracer::start(context.portex, context.way, &arguments)?;
    let text = Tracer::start_text(context.portex, context.way, &arguments)?;
    for load in &mut loads {
        split(&load.step()?, 2, 1)?;
        load.step()?;
    }

    // The bytes themselves are checked as they come.
    let json = json.stop(Signal::INT).context("--json")?;
    let text = text.stop(Signal::INT).context("text")?;
    for (load, name) in loads.iter().zip(NAMES) {
        told(&json, &text, load.pid()).with_context(|| format!("comm {}", name.escape_ascii()))?;
    }
    Ok(())
}

/// Processes of these names, which hold both ports of the namespace when they have run a step.
fn named_so(netns: &NetNs) -> Result<Vec<Load>> {
    let mut loads = Vec::new();
    for (name, port) in NAMES.iter().zip(5000..) {
        let hex = name
            .iter()
            .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        let arguments = format!("connect --dst 127.0.0.1:{port} --failures 1 --comm-hex {hex}");
        loads.push(Load::start(netns, &arguments)?);
    }
    Ok(loads)
}

/// The same in a snapshot, for people and for programs.
pub(super) fn in_snapshot(context: &Context<'_>) -> Result<()> {
    let netns = NetNs::with_ports(40_000, 40_001)?;
    let mut loads = named_so(&netns)?;
    for load in &mut loads {
        split(&load.step()?, 2, 1)?;
    }
    let inode = netns.inode().to_string();
    let json = snapshot::take(context, &["--netns", &inode])?;
    for (load, name) in loads.iter().zip(NAMES) {
        let mut rows = json.processes.iter();
        let row = rows.find(|row| row.pid == Some(load.pid()));
        ensure!(
            row.is_some_and(|row| !row.comm.is_empty()),
            "{} is not named: {row:?}",
            name.escape_ascii()
        );
    }
    let mut command = Command::new(context.portex);
    let finished = run_to_end(command.args(["snapshot", "--netns", &inode]), LIMIT)?;
    ensure!(finished.status.success(), "{}", finished.stderr);
    let mut text = String::new();
    for line in finished.stdout.split(|byte| *byte == b'\n') {
        text += check_text(line)?;
        text.push('\n');
    }
    for load in loads {
        let pid = load.pid().to_string();
        ensure!(text.contains(&pid), "{pid} is not in\n{text}");
    }
    Ok(())
}

/// The process is told of, and by a name.
fn told(json: &Ended, text: &Ended, pid: u32) -> Result<()> {
    let named = json.events.iter().filter(|event| {
        event.kind() == "connect"
            && event.number("pid") == Some(pid.into())
            && !event.text("comm").is_empty()
    });
    ensure!(named.count() == 2, "not two connects with a name");
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
