//! Connections that are not asked for by connect(2).

use anyhow::Result;

use super::{V4, V6, fill_in_sources, outcomes, split};
use crate::expect::{Expected, compare};
use crate::fact::Connect;
use crate::load::{Load, Skip};
use crate::netns::NetNs;
use crate::runner::{Context, Kernel};
use crate::tracer::Tracer;

const PORTS: u16 = 10;
const FAILURES: usize = 20;

/// Submitted and done in the context of the caller.
pub(super) fn io_uring(_: &Context<'_>, tracer: &Tracer) -> Result<()> {
    for dst in [V4, V6] {
        let (netns, _open, connects) = exhaust(dst, "uring")?;
        tracer.fence(&netns)?;
        compare(&outcomes(&connects), &tracer.events(netns.inode()))?;
    }
    Ok(())
}

/// Done by a worker thread of the caller: the process is right, the thread is the worker's.
pub(super) fn io_uring_worker(context: &Context<'_>, tracer: &Tracer) -> Result<()> {
    if context.kernel < Kernel(5, 12) {
        let why = "before 5.12, io_uring's workers are threads of the kernel";
        return Err(Skip(why.to_owned()).into());
    }
    let (netns, _open, connects) = exhaust(V4, "uring-worker")?;
    let by_worker = |expected: Expected| expected.without("tid").without("comm");
    let expected: Vec<_> = outcomes(&connects).into_iter().map(by_worker).collect();
    tracer.fence(&netns)?;
    compare(&expected, &tracer.events(netns.inode()))
}

/// `sendto` with `MSG_FASTOPEN` on a socket that is not connected.
pub(super) fn fastopen(_: &Context<'_>, tracer: &Tracer) -> Result<()> {
    for dst in [V4, V6] {
        let (netns, _open, connects) = exhaust(dst, "fastopen")?;
        tracer.fence(&netns)?;
        compare(&outcomes(&connects), &tracer.events(netns.inode()))?;
    }
    Ok(())
}

/// The load keeps its connections open as long as it lives.
fn exhaust(dst: &str, via: &str) -> Result<(NetNs, Load, Vec<Connect>)> {
    let netns = NetNs::with_ports(40_000, 40_000 + PORTS - 1)?;
    netns.sysctl("ipv4/tcp_fastopen", "1")?;
    let arguments = format!("connect --dst {dst} --failures {FAILURES} --via {via}");
    let mut load = Load::start(&netns, &arguments)?;
    let mut connects = load.step()?;
    split(&connects, PORTS.into(), FAILURES)?;
    fill_in_sources(&mut connects);
    Ok((netns, load, connects))
}
