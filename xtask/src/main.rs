//! Developer commands of portex: everything that a desk or a CI machine runs.

mod bench;
mod binaries;
mod counts;
mod ebpf;
mod host;
mod picture;
mod process;
mod setup;
mod table;
mod test;
mod vm;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::{counts::Counts, workspace::Workspace};

/// Developer commands of portex.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what the other commands need, or name what is missing.
    Setup(setup::Args),
    /// Compile portex-ebpf into the object that is committed.
    BuildEbpf(ebpf::Args),
    /// Run the scenarios in QEMU, on every kernel of the matrix.
    Vm(vm::Args),
    /// Run the scenarios on this machine's kernel, as root.
    Host(host::Args),
    /// Measure portex beside Debian's tracers and listers, on one workload, as root.
    Bench(bench::Args),
    /// Check everything: format, lints, unit tests, objects, scenarios.
    Test(test::Args),
    /// Draw the pictures of docs/ anew, from a real run of `portex demo`, as root.
    Picture(picture::Args),
}

fn run(cli: &Cli) -> Result<Counts> {
    let workspace = Workspace::find()?;
    match &cli.command {
        Command::Setup(args) => Ok(setup::run(&workspace, args)),
        Command::BuildEbpf(args) => ebpf::run(&workspace, args),
        Command::Vm(args) => vm::run(&workspace, args),
        Command::Host(args) => host::run(&workspace, args),
        Command::Bench(args) => bench::run(&workspace, args),
        Command::Test(args) => Ok(test::run(&workspace, args)),
        Command::Picture(args) => picture::run(&workspace, args),
    }
}

fn main() -> ExitCode {
    let result = match ebpf::become_rustc() {
        Some(error) => Err(error),
        None => run(&Cli::parse()),
    };
    match result {
        Ok(counts) if counts.failed == 0 => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
