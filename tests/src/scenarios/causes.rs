//! EADDRNOTAVAIL that is not exhaustion, and must not be called so.

use anyhow::Result;

use super::{V4, V6, split};
use crate::expect::{Expected, compare};
use crate::load::Load;
use crate::netns::NetNs;
use crate::runner::Context;
use crate::tracer::Tracer;

/// The bind chose the port, and that very address pair is in use.
pub(super) fn prebound(_: &Context<'_>, tracer: &Tracer) -> Result<()> {
    for (dst, bind) in [(V4, "127.0.0.1:41000"), (V6, "[::1]:41000")] {
        let netns = NetNs::new()?;
        let mut load = Load::start(&netns, &format!("prebound --dst {dst} --bind {bind}"))?;
        let connects = load.step()?;
        let (taken, failed) = split(&connects, 1, 1)?;
        load.step()?;

        let (taken, failed) = (&taken[0], &failed[0]);
        let expected = [
            Expected::connect(taken),
            Expected::failed(failed, "tuple_in_use")
                .with("src_port", taken.local.port())
                .with("src", taken.local.ip().to_string()),
            // And none for the second: it had no connection to release.
            Expected::released(taken),
        ];
        tracer.fence(&netns)?;
        compare(&expected, &tracer.events(netns.inode()))?;
    }
    Ok(())
}

/// `::1` where IPv6 is off, as in many a container.
pub(super) fn no_source_address(_: &Context<'_>, tracer: &Tracer) -> Result<()> {
    const COUNT: usize = 20;
    let netns = NetNs::new()?;
    let mut load = Load::start(&netns, &format!("connect --dst {V6} --count {COUNT}"))?;
    netns.sysctl("ipv6/conf/all/disable_ipv6", "1")?;
    netns.sysctl("ipv6/conf/lo/disable_ipv6", "1")?;
    let connects = load.step()?;
    let (_, failed) = split(&connects, 0, COUNT)?;

    let expected: Vec<_> = failed
        .iter()
        .map(|connect| Expected::failed(connect, "no_source_address"))
        .collect();
    tracer.fence(&netns)?;
    compare(&expected, &tracer.events(netns.inode()))
}
