//! Many threads at once: no event is lost, none comes twice, and time never goes back.

use anyhow::Result;

use super::{V4, split};
use crate::expect::{Expected, compare};
use crate::load::Load;
use crate::netns::NetNs;
use crate::runner::Context;
use crate::tracer::Tracer;

pub(super) fn run(_: &Context<'_>, tracer: &Tracer) -> Result<()> {
    let netns = NetNs::new()?;
    let mut load = Load::start(
        &netns,
        &format!("connect --dst {V4} --threads 8 --count 30 --churn"),
    )?;
    let connects = load.step()?;
    split(&connects, 8 * 30, 0)?;

    let life = |connect| [Expected::connect(connect), Expected::released(connect)];
    let expected: Vec<_> = connects.iter().flat_map(life).collect();
    tracer.fence(&netns)?;
    compare(&expected, &tracer.events(netns.inode()))?;
    tracer.check()
}
