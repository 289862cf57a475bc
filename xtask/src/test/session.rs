//! The steps themselves, and what they leave for one another.

use std::{thread::ScopedJoinHandle, time::Instant};

use anyhow::{Context, Result};

use super::{Done, Step, name};
use crate::{
    binaries::{self, Binaries},
    counts::Counts,
    ebpf, host, process,
    setup::{self, Need},
    vm,
    workspace::Workspace,
};

/// What steps leave for later ones.
pub(super) struct Session<'a, 'scope> {
    workspace: &'a Workspace,
    /// Kernels are fetched while the other steps run.
    kernels: Option<ScopedJoinHandle<'scope, Result<vm::Kernels>>>,
    binaries: Option<Binaries>,
}

impl<'a, 'scope> Session<'a, 'scope> {
    /// Begins with kernels that are on their way, unless they are not needed.
    pub(super) fn new(
        workspace: &'a Workspace,
        kernels: Option<ScopedJoinHandle<'scope, Result<vm::Kernels>>>,
    ) -> Self {
        Self {
            workspace,
            kernels,
            binaries: None,
        }
    }

    /// One step under its heading. A step that breaks off counts as one failure.
    pub(super) fn step(&mut self, step: Step, skip: bool) -> Done {
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
                None => host::scenarios(self.workspace, &self.binaries()?, None, &[]),
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
