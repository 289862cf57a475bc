//! `test`: everything that has to be right before a change lands, cheap checks first.

use std::{
    thread::{self, ScopedJoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::{
    binaries::{self, Binaries},
    counts::Counts,
    ebpf, host, process,
    setup::{self, Need},
    table, vm,
    workspace::Workspace,
};

/// Arguments of `cargo xtask test`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Steps to leave out.
    #[arg(long, value_delimiter = ',')]
    skip: Vec<Step>,
}

/// The steps, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Step {
    /// Sources are formatted.
    Format,
    /// Committed eBPF objects are those of the sources, by their stamp.
    Object,
    /// Clippy.
    Lints,
    /// Licences, bans and sources of dependencies.
    Deny,
    /// Unit tests.
    Unit,
    /// Documentation builds without a warning.
    Docs,
    /// A fresh build of the eBPF objects gives the same bytes.
    Rebuild,
    /// Scenarios on this machine's kernel.
    Host,
    /// Scenarios on the kernels of the matrix.
    Vm,
}

/// A step that is over.
#[derive(Debug)]
struct Done {
    step: Step,
    counts: Counts,
    elapsed: Duration,
}

/// What steps leave for later ones.
struct Session<'a, 'scope> {
    workspace: &'a Workspace,
    /// Kernels are fetched while the other steps run.
    kernels: Option<ScopedJoinHandle<'scope, Result<vm::Kernels>>>,
    binaries: Option<Binaries>,
}

/// Runs every step, whatever became of those before it, and sums up.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Counts {
    let skip = |step| args.skip.contains(&step);
    let done: Vec<_> = thread::scope(|scope| {
        let mut session = Session {
            workspace,
            kernels: (!skip(Step::Vm))
                .then(|| scope.spawn(|| vm::fetch(workspace, &vm::Args::default()))),
            binaries: None,
        };
        Step::value_variants()
            .iter()
            .map(|step| session.step(*step, skip(*step)))
            .collect()
    });
    let total = done.iter().map(|done| done.counts).sum();
    println!("\n{}\nportex: {total}", table(&done));
    total
}

impl Session<'_, '_> {
    /// One step under its heading. A step that breaks off counts as one failure.
    fn step(&mut self, step: Step, skip: bool) -> Done {
        println!("\n=== {}", name(step));
        let started = Instant::now();
        let counts = if skip {
            println!("skipped: asked for by --skip");
            Counts::SKIPPED
        } else {
            self.run(step).unwrap_or_else(|error| {
                println!("FAILED: {error:#}");
                Counts::FAILED
            })
        };
        let elapsed = started.elapsed();
        println!(
            "=== {}: {counts} ({:.1} s)",
            name(step),
            elapsed.as_secs_f64()
        );
        Done {
            step,
            counts,
            elapsed,
        }
    }

    fn run(&mut self, step: Step) -> Result<Counts> {
        match step {
            Step::Format => self.format(),
            Step::Object => ebpf::check_stamp(self.workspace).map(|()| Counts::PASSED),
            Step::Lints => {
                setup::ensure(self.workspace, Need::Lints)?;
                self.cargo(
                    &[
                        "clippy",
                        "--workspace",
                        "--all-targets",
                        "--",
                        "-D",
                        "warnings",
                    ],
                    &[],
                )
            }
            Step::Deny => self.deny(),
            Step::Unit => self.unit(),
            Step::Docs => self.cargo(
                // Most modules are private: without this their documentation is never looked at.
                &[
                    "doc",
                    "--workspace",
                    "--no-deps",
                    "--document-private-items",
                ],
                &[(
                    "RUSTDOCFLAGS",
                    "-D warnings -A rustdoc::private_intra_doc_links",
                )],
            ),
            Step::Rebuild => ebpf::check_rebuild(self.workspace),
            Step::Host => match host::skipped() {
                Some(counts) => Ok(counts),
                None => host::scenarios(&self.binaries()?, None, &[]),
            },
            Step::Vm => {
                let kernels = self.kernels.take().context("kernels are fetched once")?;
                let kernels = kernels
                    .join()
                    .ok()
                    .context("fetching kernels broke off")??;
                vm::boot(
                    self.workspace,
                    &vm::Args::default(),
                    kernels,
                    &self.binaries()?,
                )
            }
        }
    }

    /// A cargo command in the workspace that passes or fails.
    fn cargo(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Result<Counts> {
        process::run(
            process::cargo()
                .current_dir(self.workspace.root())
                .args(arguments)
                .envs(variables.iter().copied()),
        )?;
        Ok(Counts::PASSED)
    }

    fn format(&self) -> Result<Counts> {
        setup::ensure(self.workspace, Need::Lints)?;
        self.cargo(&["fmt", "--all", "--check"], &[])?;
        // Not a member of the workspace, so not among its `--all`.
        self.cargo(
            &[
                "fmt",
                "--manifest-path",
                "portex-ebpf/Cargo.toml",
                "--check",
            ],
            &[],
        )
    }

    fn deny(&self) -> Result<Counts> {
        setup::ensure(self.workspace, Need::Deny)?;
        for manifest in ["Cargo.toml", "portex-ebpf/Cargo.toml"] {
            process::run(
                setup::deny_command(self.workspace)
                    .current_dir(self.workspace.root())
                    .args([
                        "--manifest-path",
                        manifest,
                        "--config",
                        "deny.toml",
                        "check",
                    ])
                    // Not advisories: their database is not within every machine's reach.
                    .args(["licenses", "bans", "sources"]),
            )?;
        }
        Ok(Counts::PASSED)
    }

    fn unit(&self) -> Result<Counts> {
        let mut counts = Counts::NONE;
        let mut command = process::cargo();
        command
            .current_dir(self.workspace.root())
            .args(["test", "--workspace", "--no-fail-fast"]);
        let status = process::stream(&mut command, |line| {
            counts += Counts::of_unit_tests(line).unwrap_or(Counts::NONE);
        })?;
        if counts.failed == 0 {
            // Something else than a test: it did not compile, or a test program crashed.
            process::succeed(&command, status)?;
        }
        Ok(counts)
    }

    fn binaries(&mut self) -> Result<Binaries> {
        if self.binaries.is_none() {
            self.binaries = Some(binaries::build(self.workspace)?);
        }
        self.binaries.clone().context("binaries were just built")
    }
}

/// The name that `--skip` takes.
fn name(step: Step) -> String {
    step.to_possible_value()
        .map_or_else(String::new, |value| value.get_name().to_owned())
}

fn table(done: &[Done]) -> String {
    let rows: Vec<_> = done
        .iter()
        .map(|done| {
            let Counts {
                passed,
                failed,
                skipped,
            } = done.counts;
            [
                name(done.step),
                passed.to_string(),
                failed.to_string(),
                skipped.to_string(),
                format!("{:.1}", done.elapsed.as_secs_f64()),
            ]
        })
        .collect();
    table::render(["step", "passed", "failed", "skipped", "seconds"], 1, &rows)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn steps_are_left_out_by_name() {
        let skip = |text| Cli::try_parse_from(["x", "--skip", text]).map(|cli| cli.args.skip);
        assert_eq!(skip("vm,rebuild").ok(), Some(vec![Step::Vm, Step::Rebuild]));
        assert!(skip("nothing").is_err());
    }
}
