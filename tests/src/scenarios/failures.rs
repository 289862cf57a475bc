//! Connects that find no ephemeral port: each is told, once, with who, where to and why.

use anyhow::Result;

use super::{MAPPED, V4, V6, fill_in_sources, outcomes, split};
use crate::expect::{Expected, compare};
use crate::load::Load;
use crate::netns::NetNs;
use crate::runner::Context;
use crate::tracer::Tracer;

/// An even number: of an odd one, a search may leave one out.
const PORTS: u16 = 10;

pub(super) fn v4(_: &Context<'_>, tracer: &Tracer) -> Result<()> {
    all(tracer, V4)
}

pub(super) fn v6(_: &Context<'_>, tracer: &Tracer) -> Result<()> {
    all(tracer, V6)
}

pub(super) fn mapped(_: &Context<'_>, tracer: &Tracer) -> Result<()> {
    all(tracer, MAPPED)
}

fn all(tracer: &Tracer, dst: &str) -> Result<()> {
    for more in ["--uid 4242", "--nonblocking"] {
        exhaust(tracer, dst, 1, 20, more)?;
        exhaust(tracer, dst, 16, 10, more)?;
    }
    Ok(())
}

fn exhaust(tracer: &Tracer, dst: &str, threads: usize, failures: usize, more: &str) -> Result<()> {
    let netns = NetNs::with_ports(40_000, 40_000 + PORTS - 1)?;
    let arguments = format!("connect --dst {dst} --threads {threads} --failures {failures} {more}");
    let mut load = Load::start(&netns, &arguments)?;
    let mut connects = load.step()?;
    let (taken, _) = split(&connects, PORTS.into(), threads * failures)?;
    fill_in_sources(&mut connects);
    load.step()?;

    let mut expected = outcomes(&connects);
    let closed = |connect| Expected::released(connect).with("reason", "closed");
    expected.extend(taken.iter().map(closed));
    tracer.fence(&netns)?;
    compare(&expected, &tracer.events(netns.inode()))
}
