//! Ports that are free again at once: connections that end without a `TIME_WAIT` of theirs.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::time_wait::open_and_close;
use super::{PORT, V4, V6};
use crate::expect::{Expected, compare};
use crate::netns::NetNs;
use crate::procnet::wait_for_time_wait;
use crate::runner::Context;
use crate::tracer::Tracer;

/// Closed with a reset; also with ports that a bind chose, which the kernel releases elsewhere.
pub(super) fn by_reset(_: &Context<'_>, tracer: &Tracer) -> Result<()> {
    let bound = format!("{V4} --bind 127.0.0.1:42000");
    for dst in [V4, V6, &bound] {
        judge(tracer, &format!("--dst {dst} --close reset"))?;
    }
    Ok(())
}

/// The peer closes first, so that the `TIME_WAIT` is the peer's: not an outbound port.
pub(super) fn by_peer(_: &Context<'_>, tracer: &Tracer) -> Result<()> {
    for dst in [V4, V6] {
        judge(tracer, &format!("--dst {dst} --peer first --close passive"))?;
    }
    Ok(())
}

/// A reset ends `FIN_WAIT2`, which otherwise leads to a `TIME_WAIT`; the last is not taken for one too many.
pub(super) fn in_fin_wait2(_: &Context<'_>, tracer: &Tracer) -> Result<()> {
    let ends = [
        "--close half-reset",
        "--close half-disconnect",
        "--peer speak --close half-unread",
        "--close half-impatient",
    ];
    for end in ends {
        for dst in [V4, V6] {
            judge(tracer, &format!("--dst {dst} {end}")).context(end)?;
        }
    }
    Ok(())
}

fn judge(tracer: &Tracer, arguments: &str) -> Result<()> {
    let netns = NetNs::new()?;
    let connects = open_and_close(&netns, 20, arguments)?;
    wait_for_time_wait(&netns, PORT, 0, Duration::ZERO)?;
    let life = |connect| {
        [
            Expected::connect(connect),
            Expected::released(connect).with("reason", "closed"),
        ]
    };
    let expected: Vec<_> = connects.iter().flat_map(life).collect();
    tracer.fence(&netns)?;
    compare(&expected, &tracer.events(netns.inode()))
}
