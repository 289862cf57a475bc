//! Which scenarios run when.
//!
//! Most share one portex per way, which sees the whole machine, and run side by side, each in a
//! network namespace of its own. Those that start portex themselves run one after another, but for
//! some that mostly wait.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use crate::cli::{Host, Way};
use crate::load::Skip;
use crate::report::{Outcome, Report};
use crate::scenarios::{self, Body, Scenario};
use crate::tracer::Tracer;

/// Scenarios that run side by side; they wait more than they work.
const WORKERS: usize = 3;

/// How often a scenario that failed is run again in an emulated machine. Such a machine stalls for longer
/// than the kernel's own timers, which workloads rely on; what went wrong is printed all the same.
const CHANCES: usize = 2;

/// What a scenario is run with.
pub(crate) struct Context<'a> {
    pub(crate) portex: &'a Path,
    pub(crate) way: Way,
    pub(crate) kernel: Kernel,
    /// A machine that was booted for this, in an emulator mostly: each start of portex takes long.
    pub(crate) emulated: bool,
}

/// The first two numbers of the kernel's release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kernel(pub(crate) u32, pub(crate) u32);

impl Kernel {
    fn running() -> Self {
        let uname = rustix::system::uname();
        let release = uname.release().to_string_lossy();
        let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
        let mut next = || numbers.next().and_then(Result::ok).unwrap_or(0);
        Self(next(), next())
    }
}

pub(crate) fn run(args: &Host) -> ExitCode {
    let report = Report::default();
    let chosen: Vec<&Scenario> = scenarios::ALL
        .iter()
        .filter(|scenario| {
            args.filters.is_empty() || args.filters.iter().any(|part| scenario.name.contains(part))
        })
        .collect();
    if !rustix::process::geteuid().is_root() {
        for scenario in chosen {
            report.add(scenario.name, &Outcome::Skipped("needs root".to_owned()));
        }
        return report.finish();
    }
    // Some scenarios run portex from elsewhere.
    let portex = std::fs::canonicalize(&args.portex).unwrap_or_else(|_| args.portex.clone());
    let run = Run {
        portex,
        kernel: Kernel::running(),
        ways: &args.ways,
        report: &report,
        emulated: args.disposable,
    };
    run.all(&chosen, args.disposable);
    report.finish()
}

struct Run<'a> {
    portex: PathBuf,
    kernel: Kernel,
    ways: &'a [Way],
    report: &'a Report,
    /// A machine that was booted for this, in an emulator mostly.
    emulated: bool,
}

impl Run<'_> {
    fn all(&self, chosen: &[&Scenario], disposable: bool) {
        let shared: Vec<&Scenario> = chosen
            .iter()
            .copied()
            .filter(|scenario| scenario.body.is_shared())
            .collect();
        let mut tracers = Vec::new();
        for way in self.ways.iter().filter(|_| !shared.is_empty()) {
            match Tracer::start(&self.portex, *way, &["--duration", "600s"]) {
                Ok(tracer) => tracers.push((*way, tracer)),
                Err(error) => self.add("shared_portex", *way, Err(error)),
            }
        }
        let queue: Vec<_> = tracers
            .iter()
            .flat_map(|tracer| shared.iter().map(move |scenario| (*scenario, tracer)))
            .filter(|(scenario, _)| !scenario.body.is_slow())
            .collect();
        let queue = Mutex::new(queue.into_iter());
        thread::scope(|scope| {
            for scenario in shared.iter().filter(|scenario| scenario.body.is_slow()) {
                for (way, tracer) in &tracers {
                    scope.spawn(|| self.one(scenario, *way, Some(tracer)));
                }
            }
            for _ in 0..WORKERS {
                scope.spawn(|| {
                    while let Some((scenario, (way, tracer))) = next(&queue) {
                        self.one(scenario, *way, Some(tracer));
                    }
                });
            }
            self.waiting(chosen);
            self.alone(chosen);
        });
        for (way, tracer) in tracers {
            self.add("shared_portex", way, end_of_shared(tracer));
        }
        for scenario in chosen {
            if let Body::Last(_) = scenario.body {
                self.last(scenario, disposable);
            }
        }
    }

    /// The scenarios that start portex themselves and take their time.
    fn waiting(&self, chosen: &[&Scenario]) {
        thread::scope(|scope| {
            for scenario in chosen {
                if let Body::Waiting(_) = scenario.body {
                    for way in self.ways {
                        scope.spawn(|| self.one(scenario, *way, None));
                    }
                }
            }
        });
    }

    /// The scenarios that start portex themselves, and may look for what it leaves behind.
    fn alone(&self, chosen: &[&Scenario]) {
        for scenario in chosen {
            match scenario.body {
                Body::Alone(_) => self
                    .ways
                    .iter()
                    .for_each(|way| self.one(scenario, *way, None)),
                Body::Once(_) | Body::Plain(_) => self.one(scenario, self.ways[0], None),
                Body::Shared(_) | Body::Slow(_) | Body::Waiting(_) | Body::Last(_) => {}
            }
        }
    }

    /// A scenario after which the machine is not the same.
    fn last(&self, scenario: &Scenario, disposable: bool) {
        if disposable {
            self.one(scenario, self.ways[0], None);
        } else {
            let why = Skip("would change this machine until its next boot".to_owned());
            self.add(scenario.name, self.ways[0], Err(why.into()));
        }
    }

    fn one(&self, scenario: &Scenario, way: Way, shared: Option<&Tracer>) {
        let context = Context {
            portex: &self.portex,
            way,
            kernel: self.kernel,
            emulated: self.emulated,
        };
        let attempt = || {
            catch_unwind(AssertUnwindSafe(|| match (&scenario.body, shared) {
                (Body::Shared(body) | Body::Slow(body), Some(tracer)) => body(&context, tracer),
                (Body::Plain(_), _) if self.emulated => {
                    Err(Skip("the same on every kernel, and slow in an emulator".to_owned()).into())
                }
                (
                    Body::Alone(body)
                    | Body::Waiting(body)
                    | Body::Once(body)
                    | Body::Plain(body)
                    | Body::Last(body),
                    _,
                ) => body(&context),
                (Body::Shared(_) | Body::Slow(_), None) => Ok(()),
            }))
            .unwrap_or_else(|_| Err(anyhow::anyhow!("panicked")))
        };
        let mut result = attempt();
        for _ in 0..CHANCES {
            match &result {
                Err(error)
                    if self.emulated
                        && error.downcast_ref::<Skip>().is_none()
                        && !scenario.body.is_slow() =>
                {
                    println!(
                        "once more: {} by {}, since: {error:#}",
                        scenario.name,
                        way.name()
                    );
                }
                _ => break,
            }
            result = attempt();
        }
        self.add(scenario.name, way, result);
    }

    fn add(&self, name: &str, way: Way, result: Result<()>) {
        let outcome = match result {
            Ok(()) => Outcome::Ok,
            Err(error) => match error.downcast_ref::<Skip>() {
                Some(Skip(why)) => Outcome::Skipped(why.clone()),
                None => Outcome::Failed(format!("{error:#}")),
            },
        };
        let Kernel(major, minor) = self.kernel;
        self.report.add(
            &format!("{name} [{major}.{minor} {}]", way.name()),
            &outcome,
        );
    }
}

fn next<T>(queue: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).next()
}

/// What holds for the whole stream of a portex that saw all the scenarios.
fn end_of_shared(tracer: Tracer) -> Result<()> {
    let ended = tracer
        .stop(Signal::INT)
        .context("at the end of all scenarios")?;
    ensure!(
        ended.status.success(),
        "ended with {}:\n{}",
        ended.status,
        ended.stderr
    );
    ensure!(
        ended.lost() == 0,
        "lost {} events:\n{}",
        ended.lost(),
        ended.stderr
    );
    // The kernels that this runs on have every hook of their way.
    ensure!(
        !ended.stderr.contains(" is off: "),
        "a hook is off:\n{}",
        ended.stderr
    );
    Ok(())
}
