//! The owner is who connected, also when somebody else closes and the owner is dead by then.

use anyhow::Result;

use super::time_wait::{kernel_agrees, whole_lives};
use super::{V4, V6, split};
use crate::expect::{Expected, compare};
use crate::fact::Connect;
use crate::load::Load;
use crate::netns::NetNs;
use crate::runner::Context;
use crate::tracer::Tracer;

const COUNT: usize = 10;

/// By `SCM_RIGHTS` to a process that had nothing to do with it.
pub(super) fn passed(_: &Context<'_>, tracer: &Tracer) -> Result<()> {
    for dst in [V4, V6] {
        let netns = NetNs::new()?;
        let server = Load::start(&netns, &format!("serve --listen {dst}"))?;
        let mut keeper = Load::start(&netns, "keep")?;
        let connector = format!("hand-over --dst {dst} --count {COUNT} --how scm");
        let connects = Load::start(&netns, &connector)?.finish()?;
        keeper.step()?;
        keeper.step()?;
        drop(keeper);
        judge(tracer, netns, &connects, server)?;
    }
    Ok(())
}

/// To a child, over fork and exec.
pub(super) fn inherited(_: &Context<'_>, tracer: &Tracer) -> Result<()> {
    for dst in [V4, V6] {
        let netns = NetNs::new()?;
        let server = Load::start(&netns, &format!("serve --listen {dst}"))?;
        let connector = format!("hand-over --dst {dst} --count {COUNT} --how inherit");
        let mut load = Load::start(&netns, &connector)?;
        let connects = load.step()?;
        load.wait_for_exit()?;
        // From here on it is the heir that listens.
        load.step()?;
        judge(tracer, netns, &connects, server)?;
    }
    Ok(())
}

fn judge(tracer: &Tracer, netns: NetNs, connects: &[Connect], server: Load) -> Result<()> {
    split(connects, COUNT, 0)?;
    kernel_agrees(&netns, connects)?;
    tracer.fence(&netns)?;
    // The namespace goes with the last process in it, and the TIME_WAITs with the namespace.
    drop(server);
    let inode = netns.inode();
    drop(netns);
    tracer.wait_for(inode, "released", COUNT)?;
    // Whether the peer's FIN comes with its ACK or after it is up to the scheduler.
    let any_substate = |expected: Expected| expected.without("substate");
    let expected: Vec<_> = whole_lives(connects, "", "killed")
        .into_iter()
        .map(any_substate)
        .collect();
    compare(&expected, &tracer.events(inode))
}
