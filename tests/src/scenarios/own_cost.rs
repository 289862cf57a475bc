//! What portex itself costs: told while it traces, with BPF statistics that end when it ends.

use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use aya::sys::{Stats, enable_stats};
use rustix::process::Signal;
use serde_json::Value;

use super::V4;
use crate::bpf::Runs;
use crate::load::{Load, Skip};
use crate::netns::NetNs;
use crate::process::{Process, for_each_line};
use crate::runner::Context;
use crate::snapshot::Watch;
use crate::tracer::Tracer;

/// For a frame with figures, on the slowest emulated machine.
const LIMIT: Duration = Duration::from_secs(120);
/// Steps of the workload of which one must go uncounted: somebody else may take samples as well.
const STEPS: usize = 20;

/// The kernel counts runs of programs while statistics are on, whoever wants them: so a second portex,
/// which does not measure, shows whether they are.
pub(super) fn run(context: &Context<'_>) -> Result<()> {
    let netns = NetNs::new()?;
    let inode = netns.inode().to_string();
    let arguments = format!("connect --dst {V4} --count 50 --peer close --churn --rounds 1000000");
    let mut load = Load::start(&netns, &arguments)?;
    let judge = Tracer::start(context.portex, context.way, &["--netns", &inode])?;
    if !goes_uncounted(&mut load)? {
        return Err(Skip("somebody else has BPF statistics on".to_owned()).into());
    }
    let statistics = enable_stats(Stats::RunTime)?;
    ensure!(
        !goes_uncounted(&mut load)?,
        "statistics that are on do not show"
    );
    drop(statistics);

    for signal in [Signal::INT, Signal::KILL] {
        let before = Runs::now()?;
        let mut top = Top::start(context, &inode)?;
        let cost = top.cost_of_load(&mut load)?;
        is_plausible(&cost)?;
        ensure!(before.have_grown()?, "it tells {cost} without statistics");
        top.process.signal(signal)?;
        let status = top.process.wait(LIMIT)?;
        let killed = signal == Signal::KILL;
        ensure!(status.success() || killed, "ended with {status}");
        ensure!(
            goes_uncounted(&mut load)?,
            "statistics are left on after {signal:?}"
        );
    }
    drop(judge);

    let watch = Watch::start(context, &["--netns", &inode])?;
    for _ in 0..STEPS {
        load.step()?;
        std::thread::sleep(Duration::from_millis(100));
    }
    let snapshot = watch.finish()?;
    is_plausible(&snapshot.own_cost.context("snapshot --watch tells none")?)?;
    let unwatched = crate::snapshot::take(context, &["--netns", &inode])?;
    ensure!(
        unwatched.own_cost.is_none(),
        "nothing was traced, but {:?}",
        unwatched.own_cost
    );
    Ok(())
}

/// Whether no program's runs were counted during a step of the workload.
fn goes_uncounted(load: &mut Load) -> Result<bool> {
    for _ in 0..STEPS {
        let before = Runs::now()?;
        load.step()?;
        if !before.have_grown()? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A number of the object.
fn number(cost: &Value, name: &str) -> Result<f64> {
    let value = cost
        .get(name)
        .with_context(|| format!("no {name}: {cost}"))?;
    value.as_f64().with_context(|| format!("{name}: {cost}"))
}

fn is_plausible(cost: &Value) -> Result<()> {
    let [share, runs, mean] =
        ["kernel_cpu", "kernel_runs_per_s", "kernel_ns_per_run"].map(|name| number(cost, name));
    let (share, runs, mean) = (share?, runs?, mean?);
    ensure!(share > 0.0 && runs > 0.0 && mean > 0.0, "{cost}");
    let cpus = std::thread::available_parallelism()?.get();
    ensure!(share <= f64::from(u32::try_from(cpus)?), "{cost}");
    // The one follows from the others.
    ensure!((share - runs * mean / 1e9).abs() <= share * 1e-6, "{cost}");
    ensure!(number(cost, "cpu")? > 0.0, "{cost}");
    // What is less could hold neither the program nor the table of connections.
    for name in ["rss_bytes", "kernel_map_bytes"] {
        ensure!(number(cost, name)? > 1e6, "{cost}");
    }
    Ok(())
}

/// `portex top`, printing frames.
struct Top {
    process: Process,
    frames: Receiver<String>,
}

impl Top {
    fn start(context: &Context<'_>, inode: &str) -> Result<Self> {
        let mut command = Command::new(context.portex);
        command
            .args(["top", "--batch", "--json", "-d", "0.2"])
            .args(["--attach", context.way.name(), "--netns", inode])
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut process = Process::spawn(&mut command)?;
        let (send, frames) = channel();
        let stdout = process.0.stdout.take().context("no stdout")?;
        for_each_line(stdout, move |line| {
            if let Some(line) = line {
                // Nobody listens any more when the scenario goes on.
                let _ = send.send(String::from_utf8_lossy(line).into_owned());
            }
        });
        Ok(Self { process, frames })
    }

    /// What it tells while the workload goes on, as soon as kernel programs have run.
    fn cost_of_load(&mut self, load: &mut Load) -> Result<Value> {
        let end = Instant::now() + LIMIT;
        let mut latest = None;
        while Instant::now() < end {
            load.step()?;
            for line in self.frames.try_iter() {
                let mut frame: Value = serde_json::from_str(&line)?;
                let cost = frame["own_cost"].take();
                let runs = cost["kernel_runs_per_s"].as_f64();
                // Its own look at the host needs no program that is counted.
                if runs.is_some_and(|runs| runs > 0.0) {
                    return Ok(cost);
                }
                latest = Some(cost);
            }
        }
        bail!("no run of a kernel program in {LIMIT:?}: {latest:?}")
    }
}
