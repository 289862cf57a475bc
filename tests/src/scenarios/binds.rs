//! Calls that want a local port and get none are told each, once: which call, of whom, and whether
//! ports had run out or it was a conflict.

use anyhow::{Result, ensure};
use rustix::process::Signal;

use crate::expect::{Expected, compare};
use crate::fact::Fact;
use crate::load::Load;
use crate::netns::NetNs;
use crate::runner::Context;
use crate::tracer::Tracer;

const FAILURES: usize = 10;
const THREADS: usize = 4;
/// Kinds of calls of UDP and of TCP; see the workload.
const CALLS: usize = 7 + 4;

pub(super) fn v4(context: &Context<'_>, tracer: &Tracer) -> Result<()> {
    all(context, tracer, "")
}

pub(super) fn v6(context: &Context<'_>, tracer: &Tracer) -> Result<()> {
    all(context, tracer, "--v6")
}

/// Threads in each other's way: each failed autobind is told, counted as lost, or the kernel counted that
/// it skipped the programs: where threads are preempted, both that at the return of the function and that at
/// the end of the system call can be under way in another thread.
pub(super) fn storm(context: &Context<'_>) -> Result<()> {
    let count = if context.emulated { 500 } else { 5_000 };
    let netns = NetNs::with_ports(40_000, 40_009)?;
    let inode = netns.inode().to_string();
    let arguments = ["--failures", "--netns", &inode];
    let tracer = Tracer::start(context.portex, context.way, &arguments)?;
    let arguments = format!("storm --udp --dst 127.0.0.1:9 --threads {THREADS} --count {count}");
    let mut load = Load::start(&netns, &arguments)?;
    load.step()?;
    let ended = tracer.stop(Signal::INT)?;
    let told = ended
        .events
        .iter()
        .filter(|event| event.text("call") == "autobind");
    let told = told.count() as u64;
    let lost = ended.lost();
    let skipped: u64 = ended
        .stderr
        .split_once("the kernel skipped ")
        .and_then(|(_, rest)| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0);
    println!("binds_storm: {told} told, {lost} lost, {skipped} program runs skipped");
    let all = count * THREADS as u64;
    ensure!(
        told + lost <= all && told + lost + skipped >= all,
        "not each of {count} by {THREADS} threads is told: {told}, and {lost} lost\n{}",
        ended.stderr
    );
    Ok(())
}

fn all(context: &Context<'_>, tracer: &Tracer, more: &str) -> Result<()> {
    let netns = NetNs::with_ports(40_000, 40_009)?;
    // In an emulator a thread is preempted within a program so often that the kernel skips some runs in
    // others: that is for the storm, which counts these.
    let threads = if context.emulated { 1 } else { THREADS };
    let arguments = format!("binds --failures {FAILURES} --threads {threads} {more}");
    let mut load = Load::start(&netns, &arguments)?;
    let mut expected = Vec::new();
    for fact in load.facts()? {
        if let Fact::Refused(refused) = fact {
            expected.push(Expected::bind_failed(&refused));
        }
    }
    ensure!(
        expected.len() == FAILURES * threads * CALLS,
        "the workload is not as meant: {} calls were refused",
        expected.len()
    );
    // The call that found the pool full, when it was filled, of either protocol.
    tracer.fence(&netns)?;
    let events = tracer.events(netns.inode());
    let (filling, failing): (Vec<_>, Vec<_>) = events
        .into_iter()
        .partition(|event| event.number("tid") == Some(load.pid().into()));
    compare(&expected, &failing)?;
    compare(&["udp", "tcp"].map(Expected::full_pool), &filling)
}
