//! Sockets that are used again after a connect of theirs failed.

use anyhow::{Result, ensure};

use super::{V4, fill_in_sources, outcomes, split};
use crate::expect::{Expected, compare};
use crate::load::Load;
use crate::netns::NetNs;
use crate::runner::Context;
use crate::tracer::Tracer;

const PORTS: u16 = 10;

pub(super) fn run(_: &Context<'_>, tracer: &Tracer) -> Result<()> {
    let netns = NetNs::with_ports(40_000, 40_000 + PORTS - 1)?;
    let mut load = Load::start(&netns, &format!("retry --dst {V4} --refused 127.0.0.1:6"))?;
    // The refused one, then all ports, then one without and three times the refused one again:
    // its stale port (`inet_sport`) must not hide that it found none.
    let mut connects = load.step()?;
    let (taken, _) = split(&connects, usize::from(PORTS) + 1, 4)?;
    let refused = taken[0].errno.as_deref();
    ensure!(
        refused == Some("ECONNREFUSED"),
        "not refused but {refused:?}"
    );
    connects.extend(load.step()?);
    split(&connects, usize::from(PORTS) + 3, 4)?;
    fill_in_sources(&mut connects);

    let mut expected = outcomes(&connects);
    let freed = [
        &taken[0],
        &taken[usize::from(PORTS)],
        &taken[usize::from(PORTS) - 1],
    ];
    expected.extend(freed.map(|connect| Expected::released(connect).without("src")));
    tracer.fence(&netns)?;
    compare(&expected, &tracer.events(netns.inode()))
}
