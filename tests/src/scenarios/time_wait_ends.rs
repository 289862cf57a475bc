//! The ways in which a `TIME_WAIT` ends. Each time, the kernel's own list says when and which.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::time_wait::{kernel_agrees, open_and_close, whole_lives};
use super::{PORT, V4, V6, split};
use crate::diag::destroy;
use crate::expect::{Expected, compare};
use crate::load::Load;
use crate::netns::NetNs;
use crate::parallel::each;
use crate::procnet::{counter, wait_for_time_wait};
use crate::runner::Context;
use crate::tracer::Tracer;

/// The peer closes too, so that the kernel's fixed sixty seconds begin.
pub(super) fn sixty_seconds(_: &Context<'_>, tracer: &Tracer) -> Result<()> {
    let netns = NetNs::new()?;
    let close = "--peer close --close active";
    let mut connects = open_and_close(&netns, 10, &format!("--dst {V4} {close}"))?;
    connects.extend(open_and_close(&netns, 10, &format!("--dst {V6} {close}"))?);
    kernel_agrees(&netns, &connects)?;
    wait_for_time_wait(&netns, PORT, 0, Duration::from_secs(100))?;

    let inode = netns.inode();
    tracer.wait_for(inode, "released", connects.len())?;
    tracer.fence(&netns)?;
    compare(
        &whole_lives(&connects, "TIME_WAIT", "expired"),
        &tracer.events(inode),
    )
}

/// The peer never closes: `FIN_WAIT2` without a socket, for `tcp_fin_timeout`. With ports that the
/// kernel chose, and with ports that a bind chose, which it locks to the socket.
pub(super) fn fin_wait2(_: &Context<'_>, tracer: &Tracer) -> Result<()> {
    let cases = vec![(V4, ""), (V6, ""), (V4, "--bind 127.0.0.1:42000")];
    each(cases, |(dst, bind)| {
        let netns = NetNs::new()?;
        // Longer than an emulated machine stalls, or they are gone before anybody looks.
        netns.sysctl("ipv4/tcp_fin_timeout", "20")?;
        let arguments = format!("connect --dst {dst} --count 20 --close orphan {bind}");
        let mut load = Load::start(&netns, &arguments)?;
        let connects = load.step()?;
        split(&connects, 20, 0)?;
        load.step()?;
        kernel_agrees(&netns, &connects)?;
        wait_for_time_wait(&netns, PORT, 0, Duration::from_secs(45))?;

        let inode = netns.inode();
        tracer.wait_for(inode, "released", connects.len())?;
        tracer.fence(&netns)?;
        compare(
            &whole_lives(&connects, "FIN_WAIT2", "expired"),
            &tracer.events(inode),
        )
    })?;
    Ok(())
}

/// With every port of the range in `TIME_WAIT`, new connects take them over.
pub(super) fn recycled(_: &Context<'_>, tracer: &Tracer) -> Result<()> {
    const PORTS: u16 = 10;
    let count = usize::from(PORTS);
    let netns = NetNs::with_ports(40_000, 40_000 + PORTS - 1)?;
    netns.sysctl("ipv4/tcp_tw_reuse", "1")?;
    let arguments =
        format!("connect --dst {V4} --count {PORTS} --rounds 2 --peer close --close active");
    let mut load = Load::start(&netns, &arguments)?;
    let first = load.step()?;
    split(&first, count, 0)?;
    load.step()?;
    kernel_agrees(&netns, &first)?;
    // Only those of an earlier second are recycled (6.14 on: older than one second).
    std::thread::sleep(Duration::from_millis(2200));
    let second = load.step()?;
    split(&second, count, 0)?;
    ensure!(
        counter(&netns, "TWRecycled")? == u64::from(PORTS),
        "the kernel recycled otherwise"
    );

    let mut expected = whole_lives(&first, "TIME_WAIT", "recycled");
    expected.extend(second.iter().map(Expected::connect));
    tracer.fence(&netns)?;
    compare(&expected, &tracer.events(netns.inode()))
}

/// Past `tcp_max_tw_buckets` the port is free at once.
pub(super) fn overflow(_: &Context<'_>, tracer: &Tracer) -> Result<()> {
    let netns = NetNs::new()?;
    netns.sysctl("ipv4/tcp_max_tw_buckets", "5")?;
    let connects = open_and_close(
        &netns,
        15,
        &format!("--dst {V4} --peer close --close active"),
    )?;
    let held = wait_for_time_wait(&netns, PORT, 5, Duration::from_secs(5))?;
    let overflows = counter(&netns, "TCPTimeWaitOverflow")?;
    ensure!(
        overflows == 10,
        "the kernel counted {overflows} overflows, not 10"
    );

    let mut expected = Vec::new();
    for connect in &connects {
        expected.push(Expected::connect(connect));
        expected.push(if held.contains(&connect.local) {
            Expected::time_wait(connect, "TIME_WAIT")
        } else {
            Expected::released(connect).with("reason", "overflow")
        });
    }
    tracer.fence(&netns)?;
    compare(&expected, &tracer.events(netns.inode()))
}

/// Ended on request, as `ss --kill` does.
pub(super) fn killed(_: &Context<'_>, tracer: &Tracer) -> Result<()> {
    for dst in [V4, V6] {
        let netns = NetNs::new()?;
        let arguments = format!("--dst {dst} --peer close --close active");
        let connects = open_and_close(&netns, 5, &arguments)?;
        kernel_agrees(&netns, &connects)?;
        for connect in &connects {
            destroy(&netns, connect.local, connect.dst)?;
        }
        kernel_agrees(&netns, &[])?;
        tracer.fence(&netns)?;
        compare(
            &whole_lives(&connects, "TIME_WAIT", "killed"),
            &tracer.events(netns.inode()),
        )?;
    }
    Ok(())
}

/// Nothing is left of the namespace, and so nothing of its `TIME_WAITs`.
pub(super) fn netns_deleted(_: &Context<'_>, tracer: &Tracer) -> Result<()> {
    for dst in [V4, V6] {
        let netns = NetNs::new()?;
        let arguments = format!("--dst {dst} --peer close --close active");
        let connects = open_and_close(&netns, 10, &arguments)?;
        kernel_agrees(&netns, &connects)?;
        tracer.fence(&netns)?;
        let inode = netns.inode();
        drop(netns);
        tracer
            .wait_for(inode, "released", connects.len())
            .context("after the deletion")?;
        compare(
            &whole_lives(&connects, "TIME_WAIT", "killed"),
            &tracer.events(inode),
        )?;
    }
    Ok(())
}
