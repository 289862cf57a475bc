//! `host`: the scenarios on the kernel of this machine.

use std::process::Command;

use anyhow::Result;

use crate::{
    binaries::{self, Binaries},
    counts::Counts,
    process,
    setup::{self, Need},
    workspace::Workspace,
};

/// Arguments of `cargo xtask host`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How to attach; what this kernel allows best when not given.
    #[arg(long)]
    attach: Option<String>,
    /// Only scenarios whose name contains one of these.
    filter: Vec<String>,
}

/// Runs the command.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<Counts> {
    if let Some(counts) = skipped() {
        return Ok(counts);
    }
    scenarios(
        workspace,
        &binaries::build(workspace)?,
        args.attach.as_deref(),
        &args.filter,
    )
}

/// Says so where the scenarios cannot run.
pub(crate) fn skipped() -> Option<Counts> {
    (!process::is_root()).then(|| {
        println!("host scenarios skipped: loading eBPF programs needs root; run it as root");
        Counts::SKIPPED
    })
}

/// Runs the scenarios. They end with a line of counts, or something went wrong.
pub(crate) fn scenarios(
    workspace: &Workspace,
    binaries: &Binaries,
    attach: Option<&str>,
    filter: &[String],
) -> Result<Counts> {
    if let Err(error) = setup::ensure(workspace, Need::Terminal) {
        println!("scenarios of the screen will be skipped: {error:#}");
    }
    let mut command = Command::new(&binaries.tests);
    command.arg("host").arg("--portex").arg(&binaries.portex);
    if let Some(way) = attach {
        command.args(["--attach", way]);
    }
    let mut counts = None;
    let status = process::stream(command.args(filter), |line| {
        counts = Counts::of_scenarios(line).or(counts);
    })?;
    match counts {
        Some(counts) if counts.failed > 0 => Ok(counts),
        Some(counts) if status.success() => Ok(counts),
        _ => {
            process::succeed(&command, status)?;
            anyhow::bail!(
                "`{}` ended without its line of counts",
                process::display(&command)
            )
        }
    }
}
