//! The VMs of one run, some at a time, each reported when it is done.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use anyhow::{Result, anyhow};

use super::{
    accelerator::Accelerator,
    console::{self, Report},
    initramfs::Common,
    kernels::{Kernel, Series},
    qemu::{Boot, Booted, End},
};
use crate::{counts::Counts, table};

/// Lines of a console shown when it has no better explanation.
const TAIL: usize = 40;

/// What all VMs of a run share.
#[derive(Debug)]
pub(super) struct Matrix {
    pub(super) accelerator: Accelerator,
    /// What is in every VM's first file system.
    pub(super) initramfs: Common,
    /// Folder of the console logs and of what is booted.
    pub(super) logs: PathBuf,
    /// Words for init on the kernel's command line.
    pub(super) options: String,
    pub(super) timeout: Duration,
}

/// One kernel attached to in one way.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Full version.
    kernel: String,
    way: String,
    pub(super) counts: Counts,
    /// Of the whole VM, in its first row.
    elapsed: Option<Duration>,
}

/// One kernel's part of the run.
type Done = (Series, Option<String>, Result<Booted>);

impl Matrix {
    /// Boots the kernels, `jobs` at a time; the rows of the table, in the kernels' order.
    pub(super) fn run(&self, kernels: Vec<(Series, Result<Kernel>)>, jobs: usize) -> Vec<Row> {
        let order: Vec<_> = kernels.iter().map(|(series, _)| *series).collect();
        let queue = Mutex::new(kernels.into_iter());
        let (send, receive) = mpsc::channel();
        let mut rows = thread::scope(|scope| {
            for _ in 0..jobs {
                let (send, queue) = (send.clone(), &queue);
                scope.spawn(move || {
                    loop {
                        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                        let Some((series, kernel)) = next else {
                            break;
                        };
                        // The receiver outlives this scope's threads.
                        let _ = send.send(self.boot(series, kernel));
                    }
                });
            }
            drop(send);
            receive
                .iter()
                .flat_map(|(series, version, result)| {
                    self.report(series, version, result)
                        .into_iter()
                        .map(move |row| (series, row))
                })
                .collect::<Vec<_>>()
        });
        rows.sort_by_key(|(series, _)| order.iter().position(|other| other == series));
        rows.into_iter().map(|(_, row)| row).collect()
    }

    fn boot(&self, series: Series, kernel: Result<Kernel>) -> Done {
        let kernel = match kernel {
            Ok(kernel) => kernel,
            Err(error) => return (series, None, Err(error)),
        };
        let initramfs = self.logs.join(format!("{}.cpio", series.name));
        if let Err(error) = self.initramfs.write(&kernel, &initramfs) {
            return (series, Some(kernel.version), Err(error));
        }
        let boot = Boot {
            accelerator: self.accelerator,
            kernel: &kernel.image,
            initramfs: Some(&initramfs),
            options: &self.options,
            log: &self.log(series),
            timeout: self.timeout,
        };
        let mut result = boot.run();
        if result.as_ref().is_ok_and(did_not_start) {
            // Seen once in some 250 boots: the emulator hangs before the kernel says anything, or runs a
            // half-patched instruction, at which the kernel panics.
            eprintln!(
                "kernel {} did not start: booting it once more",
                kernel.version
            );
            result = boot.run();
        }
        (series, Some(kernel.version), result)
    }

    fn log(&self, series: Series) -> PathBuf {
        self.logs.join(format!("{}.log", series.name))
    }

    /// Prints what a VM did and turns it into rows: one for each way, and one more for a failure
    /// that is no scenario's.
    fn report(&self, series: Series, version: Option<String>, result: Result<Booted>) -> Vec<Row> {
        let kernel = version.unwrap_or_else(|| series.name.to_owned());
        let row = |way: &str, counts| Row {
            kernel: kernel.clone(),
            way: way.to_owned(),
            counts,
            elapsed: None,
        };
        println!("\n== kernel {kernel}");
        let (mut rows, error, elapsed) = match result {
            Err(error) => (Vec::new(), Some(error), None),
            Ok(booted) => {
                let console = console::clean(&booted.console);
                let report = Report::read(&console);
                console::results(&console).for_each(|line| println!("{line}"));
                let error = verdict(&report, &booted);
                if report.total.is_none() {
                    println!(
                        "the console's last lines (all of it: {}):",
                        self.log(series).display()
                    );
                    console::tail(&console, TAIL).for_each(|line| println!("  | {line}"));
                }
                let rows = report
                    .ways
                    .iter()
                    .map(|(way, counts)| row(way, *counts))
                    .collect();
                (rows, error, Some(booted.elapsed))
            }
        };
        if let Some(error) = error {
            println!("kernel {kernel} FAILED: {error:#}");
            rows.push(row("(the VM)", Counts::FAILED));
        }
        if let Some(first) = rows.first_mut() {
            first.elapsed = elapsed;
        }
        rows
    }
}

/// Whether a VM ended before its init said anything.
fn did_not_start(booted: &Booted) -> bool {
    let text = console::clean(&booted.console);
    match booted.end {
        End::Silent => true,
        End::PoweredOff => console::results(&text).next().is_none(),
        End::TimedOut => false,
    }
}

/// Why the run as a whole cannot be trusted, if so.
fn verdict(report: &Report, booted: &Booted) -> Option<anyhow::Error> {
    let lines: Counts = report.ways.iter().map(|(_, counts)| *counts).sum();
    match report.total {
        Some(total) if total == lines => None,
        Some(total) => Some(anyhow!(
            "its last line says {total}, its result lines say {lines}: lines were lost or garbled"
        )),
        None => Some(match booted.end {
            End::PoweredOff => anyhow!("it ended without its line of counts"),
            End::TimedOut => anyhow!("it did not finish within {} s", booted.elapsed.as_secs()),
            End::Silent => anyhow!("it did not start: its console stayed empty, twice"),
        }),
    }
}

/// The rows as text.
pub(super) fn table(rows: &[Row]) -> String {
    let cells: Vec<_> = rows
        .iter()
        .map(|row| {
            let seconds = row.elapsed.map(|time| format!("{:.1}", time.as_secs_f64()));
            [
                row.kernel.clone(),
                row.way.clone(),
                row.counts.passed.to_string(),
                row.counts.failed.to_string(),
                row.counts.skipped.to_string(),
                seconds.unwrap_or_default(),
            ]
        })
        .collect();
    let headings = ["kernel", "way", "passed", "failed", "skipped", "seconds"];
    table::render(headings, 2, &cells)
}
