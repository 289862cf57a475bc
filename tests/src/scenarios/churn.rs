//! As many connections as there can be, in every form: with the default settings each is told, once, with
//! its process, and nothing is lost.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;

use crate::netns::NetNs;
use crate::process::{myself, run_to_end};
use crate::runner::Context;
use crate::tracer::Tracer;

/// Bounds of each form: connections, of all threads, and seconds.
const MOST: u64 = 20_000;
const SECONDS: &str = "2";
const LIMIT: Duration = Duration::from_secs(120);
/// In an emulator, which makes some hundred a second.
const MOST_EMULATED: u64 = 1_000;
const SECONDS_EMULATED: &str = "60";
/// Fewer say nothing.
const LEAST: u64 = 900;

const FORMS: [&str; 4] = [
    "--close fin",
    "--close rst --epoll --family 6",
    "--close fin --family 6 --hold 100",
    "--close rst --threads 4 --destinations 100",
];

pub(super) fn run(context: &Context<'_>) -> Result<()> {
    // With TIME_WAIT and without, of both families.
    let forms = if context.emulated { 2 } else { FORMS.len() };
    for form in FORMS.iter().take(forms) {
        told(context, form).with_context(|| (*form).to_owned())?;
    }
    Ok(())
}

/// What the workload says of itself.
struct Churned {
    pid: u64,
    connects: u64,
    /// CPU time of a connect and its accept, in microseconds, with the kernel programs that run in them.
    cpu_us: f64,
}

fn churn(context: &Context<'_>, netns: &NetNs, form: &str) -> Result<Churned> {
    let (most, seconds) = if context.emulated {
        (MOST_EMULATED, SECONDS_EMULATED)
    } else {
        (MOST, SECONDS)
    };
    let mut load = myself(&["workload", "--netns"]);
    load.arg(netns.path())
        .args(["churn", "--warm-up", "0", "--seconds", seconds])
        .arg("--connects")
        .arg(most.to_string())
        .args(form.split_whitespace());
    let load = run_to_end(&mut load, LIMIT)?;
    ensure!(load.status.success(), "the workload: {}", load.stderr);
    let last = load
        .stdout
        .split(|&byte| byte == b'\n')
        .rfind(|l| !l.is_empty());
    let report: Value = serde_json::from_slice(last.context("the workload told nothing")?)?;
    let connects = report["total_connects"].as_u64().context("no count")?;
    ensure!(connects >= LEAST, "too few to judge by: {connects}");
    let (cpu, counted) = (report["cpu_s"].as_f64(), report["connects"].as_f64());
    let cpu_us = cpu.context("no CPU time")? / counted.context("no count")? * 1e6;
    let pid = report["pid"].as_u64().context("no pid")?;
    Ok(Churned {
        pid,
        connects,
        cpu_us,
    })
}

fn told(context: &Context<'_>, form: &str) -> Result<()> {
    let netns = NetNs::new()?;
    let inode = netns.inode().to_string();
    let before = churn(context, &NetNs::new()?, form)?;
    let tracer = Tracer::start(context.portex, context.way, &["--netns", &inode])?;
    let watched = churn(context, &netns, form)?;
    let connects = watched.connects;
    let ended = tracer.stop(Signal::INT)?;
    let after = churn(context, &NetNs::new()?, form)?;
    // A figure for people: a time is no test. Where the clock counts instructions (`cargo xtask vm --clock`),
    // it hardly changes from run to run.
    let untraced = f64::midpoint(before.cpu_us, after.cpu_us);
    println!(
        "churn {form}: {:.1} us of CPU per connect by {}, {untraced:.1} us untraced: {:.0} %",
        watched.cpu_us,
        context.way.name(),
        watched.cpu_us / untraced * 100.0
    );
    ensure!(
        ended.lost() == 0,
        "{} lost:\n{}",
        ended.lost(),
        ended.stderr
    );
    // What became of each connection, by its id.
    let mut lives: HashMap<&str, [u64; 3]> = HashMap::new();
    let mut processes: Vec<Option<u64>> = Vec::new();
    for event in &ended.events {
        let kind = match event.kind() {
            "connect" => 0,
            "time_wait" => 1,
            "released" => 2,
            _ => continue,
        };
        lives.entry(event.text("socket")).or_default()[kind] += 1;
        processes.push(event.number("pid"));
    }
    processes.sort_unstable();
    processes.dedup();
    ensure!(
        processes == [Some(watched.pid)],
        "of {processes:?}, not of {}",
        watched.pid
    );
    ensure!(
        lives.len() as u64 == connects,
        "{connects} connects, {} told",
        lives.len()
    );
    let ends_in_time_wait = form.contains("fin");
    for (socket, [connects, time_waits, releases]) in &lives {
        ensure!(*connects == 1, "{socket}: {connects} connects");
        let in_order = if ends_in_time_wait {
            // It may be taken over, or be there still.
            *time_waits == 1 && *releases <= 1
        } else {
            *time_waits == 0 && *releases == 1
        };
        ensure!(
            in_order,
            "{socket}: {time_waits} time_wait, {releases} released"
        );
    }
    Ok(())
}
