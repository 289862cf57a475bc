//! A ring buffer that is too small on purpose: delivered and lost make all that happened.

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use super::{V4, split};
use crate::event::Event;
use crate::expect::{Expected, unexpected};
use crate::fact::Connect;
use crate::load::Load;
use crate::netns::NetNs;
use crate::runner::Context;
use crate::tracer::{Ended, Tracer};

const CONNECTS: usize = 400;

/// Two sizes: what is lost differs, the sum does not.
const SIZES: [&str; 2] = ["4096", "16384"];

pub(super) fn run(context: &Context<'_>) -> Result<()> {
    let netns = NetNs::new()?;
    let mut load = Load::start(
        &netns,
        &format!("connect --dst {V4} --count {CONNECTS} --churn"),
    )?;
    let inode = netns.inode().to_string();
    let mut tracers = Vec::new();
    for size in SIZES {
        let arguments = ["--netns", &inode, "--ring-size", size];
        tracers.push(Tracer::start(context.portex, context.way, &arguments)?);
    }
    tracers
        .iter()
        .try_for_each(|tracer| tracer.signal(Signal::STOP))?;
    let connects = load.step()?;
    split(&connects, CONNECTS, 0)?;
    tracers
        .iter()
        .try_for_each(|tracer| tracer.signal(Signal::CONT))?;
    for (tracer, size) in tracers.into_iter().zip(SIZES) {
        let ended = tracer.stop(Signal::INT)?;
        judge(&ended, &connects).with_context(|| format!("--ring-size {size}"))?;
    }
    Ok(())
}

fn judge(ended: &Ended, connects: &[Connect]) -> Result<()> {
    ensure!(
        ended.status.success(),
        "ended with {}:\n{}",
        ended.status,
        ended.stderr
    );
    let lost = ended.lost();
    let delivered: Vec<Event> = ended
        .events
        .iter()
        .filter(|event| event.kind() != "lost")
        .cloned()
        .collect();
    ensure!(lost > 0, "nothing was lost");
    ensure!(!delivered.is_empty(), "nothing was delivered");
    let happened = 2 * CONNECTS;
    ensure!(
        u64::try_from(delivered.len())? + lost == u64::try_from(happened)?,
        "{} delivered and {lost} lost do not make {happened}:\n{}",
        delivered.len(),
        ended.stderr
    );
    ensure!(
        ended.stderr.contains(&lost.to_string()),
        "{lost} is not told:\n{}",
        ended.stderr
    );
    let life = |connect| [Expected::connect(connect), Expected::released(connect)];
    let expected: Vec<_> = connects.iter().flat_map(life).collect();
    let never = unexpected(&expected, &delivered);
    ensure!(
        never.is_empty(),
        "{} events never happened: {:?}",
        never.len(),
        never.first()
    );
    Ok(())
}
