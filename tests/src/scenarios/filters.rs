//! Each filter shows one of two workloads, and all of that one.

use std::path::PathBuf;
use std::thread;

use anyhow::{Context as _, Result, anyhow, ensure};
use rustix::process::Signal;

use super::{fill_in_sources, outcomes, split};
use crate::event::Event;
use crate::expect::{Expected, compare};
use crate::fact::Connect;
use crate::load::Load;
use crate::netns::NetNs;
use crate::runner::Context;
use crate::tracer::Tracer;

/// Which events a filter lets through.
#[derive(Clone, Copy, Debug)]
enum Shows {
    /// All of the workload that is meant.
    Meant,
    /// The failures of the other one.
    FailuresOfOther,
    /// So many lines, then it ends by itself.
    Lines(usize),
    /// Whatever, but it ends by itself.
    Ends,
}

/// Those that the kernel programs have a part in.
pub(super) fn in_kernel(context: &Context<'_>) -> Result<()> {
    run(context, |workloads| {
        vec![
            (vec!["--pid", &workloads.pid], Shows::Meant),
            (vec!["--netns", &workloads.here], Shows::Meant),
            (
                vec!["--failures", "--netns", &workloads.there],
                Shows::FailuresOfOther,
            ),
        ]
    })
}

/// All the others, and what else ends a trace.
pub(super) fn others(context: &Context<'_>) -> Result<()> {
    run(context, |workloads| {
        let mut filters = vec![
            (vec!["--comm", "meant"], Shows::Meant),
            (vec!["--dst", "127.0.0.2/31:5001"], Shows::Meant),
            (vec!["--src", "127.0.0.8/30"], Shows::Meant),
            (vec!["--netns", &workloads.here_path], Shows::Meant),
            (vec!["-n", "3", "--netns", &workloads.here], Shows::Lines(3)),
            (
                vec!["--duration", "1s", "--netns", &workloads.here],
                Shows::Ends,
            ),
        ];
        if let Some(path) = &workloads.cgroup {
            filters.push((vec!["--cgroup", path], Shows::Meant));
        }
        filters
    })
}

type Filter<'a> = (Vec<&'a str>, Shows);

/// What filters name.
struct Workloads {
    /// Of the one that is meant.
    pid: String,
    /// Its namespace, by inode and by path.
    here: String,
    here_path: String,
    cgroup: Option<String>,
    /// The other's namespace.
    there: String,
}

fn run(context: &Context<'_>, filters: impl Fn(&Workloads) -> Vec<Filter<'_>>) -> Result<()> {
    let cgroup = Cgroup::new()?;
    let (here, there) = (NetNs::new()?, NetNs::with_ports(40_000, 40_009)?);
    let meant =
        "connect --dst 127.0.0.2:5001 --bind 127.0.0.9:42000 --count 6 --comm meant --churn";
    let other = "connect --dst 127.0.0.1:5000 --failures 7 --comm other";
    let mut meant = Load::start(&here, &format!("{}{meant}", cgroup.option()))?;
    let mut other = Load::start(&there, other)?;

    let workloads = Workloads {
        pid: meant.pid().to_string(),
        here: here.inode().to_string(),
        here_path: format!("/proc/{}/ns/net", meant.pid()),
        cgroup: cgroup.0.as_ref().map(|path| path.display().to_string()),
        there: there.inode().to_string(),
    };
    let filters = filters(&workloads);
    let tracers = start_all(context, &filters)?;

    let connects = meant.step()?;
    split(&connects, 6, 0)?;
    let mut others = other.step()?;
    split(&others, 10, 7)?;
    fill_in_sources(&mut others);
    for ((arguments, shows), tracer) in filters.iter().zip(tracers) {
        judge(tracer, *shows, &connects, &others).with_context(|| arguments.join(" "))?;
    }
    // Only then may the directory go.
    meant.finish()?;
    drop(cgroup);
    Ok(())
}

/// Side by side, since each takes its time to load.
fn start_all(context: &Context<'_>, filters: &[Filter<'_>]) -> Result<Vec<Tracer>> {
    thread::scope(|scope| {
        let starting: Vec<_> = filters
            .iter()
            .map(|(arguments, _)| {
                scope.spawn(|| Tracer::start(context.portex, context.way, arguments))
            })
            .collect();
        starting
            .into_iter()
            .map(|tracer| tracer.join().map_err(|_| anyhow!("panicked"))?)
            .collect()
    })
}

fn judge(tracer: Tracer, shows: Shows, meant: &[Connect], other: &[Connect]) -> Result<()> {
    let ended = match shows {
        Shows::Meant | Shows::FailuresOfOther => tracer.stop(Signal::INT)?,
        Shows::Lines(_) | Shows::Ends => tracer.end()?,
    };
    ensure!(
        ended.status.success(),
        "ended with {}:\n{}",
        ended.status,
        ended.stderr
    );
    let whole: Vec<Expected> = meant
        .iter()
        .flat_map(|connect| [Expected::connect(connect), Expected::released(connect)])
        .collect();
    match shows {
        Shows::Meant => compare(&whole, &ended.events),
        Shows::FailuresOfOther => {
            let failed: Vec<Connect> = other.iter().filter(|c| c.failed()).cloned().collect();
            compare(&outcomes(&failed), &ended.events)
        }
        Shows::Lines(count) => {
            let lines = ended
                .events
                .iter()
                .map(Event::line)
                .collect::<Vec<_>>()
                .join("\n");
            ensure!(ended.events.len() == count, "not {count} lines:\n{lines}");
            compare(&whole[..count], &ended.events)
        }
        Shows::Ends => Ok(()),
    }
}

/// A cgroup of version 2, where that is mounted.
struct Cgroup(Option<PathBuf>);

impl Cgroup {
    fn new() -> Result<Self> {
        let mounts = std::fs::read_to_string("/proc/self/mounts")?;
        let root = mounts.lines().find_map(|line| {
            let mut words = line.split(' ');
            let (at, kind) = (words.nth(1)?, words.next()?);
            (kind == "cgroup2").then_some(at)
        });
        let Some(root) = root else {
            return Ok(Self(None));
        };
        let path = PathBuf::from(format!("{root}/portex-tests-{}", std::process::id()));
        std::fs::create_dir(&path).with_context(|| path.display().to_string())?;
        Ok(Self(Some(path)))
    }

    /// What moves a workload there.
    fn option(&self) -> String {
        self.0
            .as_ref()
            .map_or_else(String::new, |path| format!("--cgroup {} ", path.display()))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // Fails while a process is in it, which then is another failure already.
            let _ = std::fs::remove_dir(path);
        }
    }
}
