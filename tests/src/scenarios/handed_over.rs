//! The owner is who connected, also when somebody else closes and the owner is dead by then.

use anyhow::{Context as _, Result, ensure};

use super::time_wait::{kernel_agrees, sockets_of_connects, whole_lives};
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

/// A socket keeps the port that it was bound to, and is connected again by who got it: that is
/// another connection, with an owner of its own. The first ends by a reset or by the disconnect.
pub(super) fn reconnected(_: &Context<'_>, tracer: &Tracer) -> Result<()> {
    let bound = [(V4, "127.0.0.1:42000"), (V6, "[::1]:42000")];
    for ((dst, bind), (peer, wait)) in bound.iter().flat_map(|bound| {
        [
            (bound, ("reset", "--until-reset")),
            (bound, ("close-late", "")),
        ]
    }) {
        let netns = NetNs::new()?;
        let _server = Load::start(&netns, &format!("serve --listen {dst} --peer {peer}"))?;
        let mut keeper = Load::start(&netns, &format!("keep --reconnect {dst}"))?;
        let connector =
            format!("hand-over --dst {dst} --count {COUNT} --how scm --bind {bind} {wait}");
        let mut connects = Load::start(&netns, &connector)?.finish()?;
        split(&connects, COUNT, 0)?;
        keeper.step()?;
        let again = keeper.step()?;
        split(&again, COUNT, 0)?;
        keeper.step()?;

        connects.extend(again);
        let life = |connect| {
            [
                Expected::connect(connect),
                Expected::released(connect).with("reason", "closed"),
            ]
        };
        let expected: Vec<_> = connects.iter().flat_map(life).collect();
        tracer.fence(&netns)?;
        let events = tracer.events(netns.inode());
        compare(&expected, &events).with_context(|| format!("{dst}, peer {peer}"))?;
        ensure!(
            sockets_of_connects(&events).len() == connects.len(),
            "one socket id for two connections"
        );
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
