//! A table of tracked connections that is too small on purpose.

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use super::{V4, V6, fill_in_sources, outcomes, split};
use crate::cli::Way;
use crate::event::Event;
use crate::expect::{compare, unexpected};
use crate::fact::Connect;
use crate::load::Load;
use crate::netns::NetNs;
use crate::runner::Context;
use crate::tracer::{Ended, Tracer};

/// Connections of each family that are open at the same time.
const PORTS: u16 = 20;
/// Connects of each family after these.
const FAILURES: usize = 5;

/// What is told, and what is counted as lost, make all that happened; nothing is told wrongly.
pub(super) fn table(context: &Context<'_>) -> Result<()> {
    let (connects, ended) = fill(context, &[])?;
    let expected = outcomes(&connects);
    let is_outcome = |event: &&Event| ["connect", "connect_failed"].contains(&event.kind());
    let told: Vec<Event> = ended.events.iter().filter(is_outcome).cloned().collect();
    let lost = table_full(&ended.events);
    ensure!(lost > 0, "the table was never full:\n{}", ended.stderr);
    if context.way != Way::Tracepoint {
        // The end of the search has all that is to be told.
        return compare(&expected, &told).with_context(|| ended.stderr.clone());
    }
    let wrong = unexpected(&expected, &told);
    ensure!(
        wrong.is_empty(),
        "{} events never happened so:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    ensure!(
        u64::try_from(told.len())? + lost == u64::try_from(expected.len())?,
        "{} told and {lost} lost do not make {}:\n{}",
        told.len(),
        expected.len(),
        ended.stderr
    );
    Ok(())
}

/// The kernel programs say themselves what they could not do.
pub(super) fn diagnostics(context: &Context<'_>) -> Result<()> {
    let (_, ended) = fill(context, &["--verbose"])?;
    ensure!(
        !ended.stderr.contains(" is off: "),
        "a hook is off:\n{}",
        ended.stderr
    );
    ensure!(
        ended.stderr.lines().any(|line| line.contains(": loss ")),
        "the kernel programs say nothing of their loss:\n{}",
        ended.stderr
    );
    Ok(())
}

/// Takes all ports with both families while portex runs, until connects fail.
fn fill(context: &Context<'_>, more: &[&str]) -> Result<(Vec<Connect>, Ended)> {
    let netns = NetNs::with_ports(40_000, 40_000 + PORTS - 1)?;
    let inode = netns.inode().to_string();
    let mut loads = Vec::new();
    for dst in [V4, V6] {
        let arguments = format!("connect --dst {dst} --failures {FAILURES}");
        loads.push(Load::start(&netns, &arguments)?);
    }
    let arguments = [&["--netns", &inode, "--max-sockets", "1"], more].concat();
    let tracer = Tracer::start(context.portex, context.way, &arguments)?;
    let mut connects = Vec::new();
    for load in &mut loads {
        let mut of_family = load.step()?;
        split(&of_family, PORTS.into(), FAILURES)?;
        fill_in_sources(&mut of_family);
        connects.extend(of_family);
    }
    let ended = tracer.stop(Signal::INT)?;
    ensure!(
        ended.status.success(),
        "ended with {}:\n{}",
        ended.status,
        ended.stderr
    );
    Ok((connects, ended))
}

fn table_full(events: &[Event]) -> u64 {
    events
        .iter()
        .filter(|event| event.kind() == "lost" && event.text("kind") == "table_full")
        .filter_map(|event| event.number("count"))
        .sum()
}
