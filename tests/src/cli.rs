//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::{confine, netns, runner, workload};

#[derive(Parser)]
#[command(about = "Scenarios that run the real portex against a real kernel")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the scenarios on this machine, as root, in network namespaces of their own.
    Host(Host),
    /// The process that makes the connects of a scenario.
    #[command(hide = true)]
    Workload(workload::Args),
    /// Run a command with something taken away from it.
    #[command(hide = true)]
    Confine(confine::Args),
    /// Hold a new network namespace.
    #[command(hide = true)]
    Netns,
}

#[derive(clap::Args)]
pub(crate) struct Host {
    /// The portex to test.
    #[arg(long)]
    pub(crate) portex: PathBuf,
    /// The way to attach; may be given more than once.
    #[arg(long = "attach", value_enum, default_value = "tracepoint")]
    pub(crate) ways: Vec<Way>,
    /// This machine is thrown away afterwards: run also what cannot be undone.
    #[arg(long, hide = true)]
    pub(crate) disposable: bool,
    /// Only the scenarios whose name contains one of these.
    pub(crate) filters: Vec<String>,
}

/// How portex attaches to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    Trampoline,
    Kprobe,
    Tracepoint,
}

impl Way {
    /// The name on portex's command line and in its messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Trampoline => "trampoline",
            Self::Kprobe => "kprobe",
            Self::Tracepoint => "tracepoint",
        }
    }
}

pub(crate) fn run() -> ExitCode {
    match Cli::parse().command {
        Command::Host(args) => runner::run(&args),
        Command::Workload(args) => finish(workload::run(args)),
        Command::Confine(args) => finish(confine::run(&args)),
        Command::Netns => finish(netns::hold()),
    }
}

fn finish(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("portex-tests: {error:#}");
            ExitCode::FAILURE
        }
    }
}
