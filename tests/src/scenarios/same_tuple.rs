//! Connections one after the other from one address to another: each has a `TIME_WAIT` of its own.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::time_wait::{kernel_agrees, sockets_of_connects, whole_lives};
use super::{V4, V6, split};
use crate::event::Event;
use crate::expect::{Expected, compare};
use crate::load::Load;
use crate::netns::NetNs;
use crate::runner::Context;
use crate::tracer::Tracer;

const ROUNDS: usize = 3;

/// The timestamps of the `TIME_WAIT` and of the connect that takes it over differ by then.
const APART: Duration = Duration::from_millis(1200);

pub(super) fn run(_: &Context<'_>, tracer: &Tracer) -> Result<()> {
    for (dst, bind) in [(V4, "127.0.0.1:42000"), (V6, "[::1]:42000")] {
        judge(tracer, dst, bind).context(dst)?;
    }
    Ok(())
}

fn judge(tracer: &Tracer, dst: &str, bind: &str) -> Result<()> {
    let netns = NetNs::new()?;
    netns.sysctl("ipv4/tcp_tw_reuse", "1")?;
    let close = "--peer close --close active";
    let arguments =
        format!("connect --dst {dst} --bind {bind} --count 1 --rounds {ROUNDS} {close}");
    let mut load = Load::start(&netns, &arguments)?;
    let mut connects = Vec::new();
    for round in 0..ROUNDS {
        if round > 0 {
            std::thread::sleep(APART);
        }
        let connect = load.step()?;
        split(&connect, 1, 0)?;
        load.step()?;
        kernel_agrees(&netns, &connect)?;
        connects.extend(connect);
    }
    tracer.fence(&netns)?;
    load.finish()?;
    let inode = netns.inode();
    drop(netns);
    tracer.wait_for(inode, "released", ROUNDS)?;

    let events = tracer.events(inode);
    let any_reason = |expected: Expected| expected.without("reason");
    let expected: Vec<_> = whole_lives(&connects, "TIME_WAIT", "")
        .into_iter()
        .map(any_reason)
        .collect();
    compare(&expected, &events)?;
    for socket in sockets_of_connects(&events) {
        let kinds: Vec<&str> = events
            .iter()
            .filter(|event| event.text("socket") == socket)
            .map(Event::kind)
            .collect();
        ensure!(
            kinds == ["connect", "time_wait", "released"],
            "socket {socket} has {kinds:?}"
        );
    }
    // The namespace took the last one with it, the next connect each of the others.
    let reasons: Vec<&str> = events
        .iter()
        .filter(|event| event.kind() == "released")
        .map(|event| event.text("reason"))
        .collect();
    let (last, taken_over) = reasons.split_last().context("nothing was released")?;
    ensure!(
        *last == "killed"
            && taken_over
                .iter()
                .all(|reason| ["recycled", "killed"].contains(reason)),
        "released in order by {reasons:?}"
    );
    Ok(())
}
