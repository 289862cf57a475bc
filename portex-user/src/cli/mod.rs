//! The command line: what may be said, and which part of portex answers. The only module that knows
//! clap.

mod check;
mod demo;
mod doctor;
mod log;
mod observe;
mod options;
mod record;
mod replayed;
mod snapshot;
mod stop;
mod top;
mod trace;

use std::{io, process::ExitCode};

use clap::{ArgAction, Parser, Subcommand};

use self::log::say;

/// Sees ephemeral ports run out: which process burns which destination's ports, and which connect()
/// failed and why.
#[derive(Debug, Parser)]
#[command(name = "portex", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// More about what portex does, on standard error; twice: even more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    Top(top::Args),
    Trace(trace::Args),
    Snapshot(snapshot::Args),
    Check(check::Args),
    Doctor(doctor::Args),
    Record(record::Args),
    Demo(demo::Args),
    #[command(hide = true)]
    DemoWorkload {
        role: Option<String>,
    },
}

/// Runs the command line. 0 done, 1 failed, 2 bad usage; `check` has codes of its own.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() && is_check() => {
            // 2 would be CRITICAL.
            let _closed = error.print();
            return check::unknown("bad usage");
        }
        Err(error) => error.exit(),
    };
    log::start(cli.verbose);
    let outcome = match &cli.command {
        Command::Top(args) => top::run(args, cli.verbose),
        Command::Trace(args) => trace::run(args, cli.verbose),
        Command::Snapshot(args) => snapshot::run(args, cli.verbose),
        Command::Check(args) => return check::run(args, cli.verbose),
        Command::Doctor(args) => doctor::run(args, cli.verbose),
        Command::Record(args) => record::run(args, cli.verbose),
        Command::Demo(args) => demo::run(args, cli.verbose),
        Command::DemoWorkload { role } => crate::demo::workload::main(role.as_deref()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("portex: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether `check` was asked for, on a command line that cannot be parsed.
fn is_check() -> bool {
    let mut arguments = std::env::args_os().skip(1);
    arguments
        .find(|argument| !argument.as_encoded_bytes().starts_with(b"-"))
        .is_some_and(|command| command == "check")
}

/// A runtime on this thread: capabilities given up hold for all that runs then.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_option_has_a_help_text() {
        for command in Cli::command()
            .get_subcommands()
            .filter(|c| !c.is_hide_set())
        {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{} {}",
                    command.get_name(),
                    argument.get_id()
                );
            }
        }
    }
}
