//! Running `portex snapshot --json`: to its end, or watching until it is told to end.

use std::ffi::OsStr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use super::Snapshot;
use crate::process::run_to_end;
use crate::runner::Context;
use crate::tracer::Tracer;

/// On the slowest emulated machine, with many namespaces.
const LIMIT: Duration = Duration::from_secs(180);

/// Longer than any scenario watches: the end comes by a signal.
const WATCH: [&str; 2] = ["--watch", "600s"];

/// The command, with the arguments that all have.
pub(crate) fn command(portex: impl AsRef<OsStr>, context: &Context<'_>) -> Command {
    let mut command = Command::new(portex);
    command.args(["snapshot", "--json", "--attach", context.way.name()]);
    command
}

/// Takes one, by a portex that ends by itself.
pub(crate) fn take(context: &Context<'_>, arguments: &[&str]) -> Result<Snapshot> {
    let mut command = command(context.portex, context);
    let finished = run_to_end(command.args(arguments), LIMIT)?;
    ensure!(
        finished.status.success(),
        "ended with {}:\n{}",
        finished.status,
        finished.stderr
    );
    only_notes(&finished.stderr)?;
    Snapshot::parse(&finished.stdout)
}

/// A portex that traces, and takes its snapshot when it is told to.
pub(crate) struct Watch(Tracer);

impl Watch {
    /// Returns when it has attached.
    pub(crate) fn start(context: &Context<'_>, arguments: &[&str]) -> Result<Self> {
        Self::start_command(command(context.portex, context).args(arguments), context)
    }

    /// The same, with the command line given.
    pub(crate) fn start_command(command: &mut Command, context: &Context<'_>) -> Result<Self> {
        Ok(Self(Tracer::start_command(
            command.args(WATCH),
            context.way,
        )?))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.pid()
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        self.0.signal(signal)
    }

    pub(crate) fn finish(self) -> Result<Snapshot> {
        let ended = self.0.stop(Signal::INT)?;
        ensure!(
            ended.status.success(),
            "ended with {}:\n{}",
            ended.status,
            ended.stderr
        );
        only_notes(&ended.stderr)?;
        let [line] = ended.lines.as_slice() else {
            anyhow::bail!("{} lines of output", ended.lines.len());
        };
        Snapshot::parse(line).with_context(|| ended.stderr.clone())
    }
}

/// Standard error has what portex wants to be known, and no accident.
fn only_notes(stderr: &str) -> Result<()> {
    for line in stderr.lines() {
        let is_note = line.starts_with("portex: ") || line.starts_with("  ");
        ensure!(
            is_note && !line.contains("panicked"),
            "not meant for people:\n{stderr}"
        );
    }
    Ok(())
}
