//! A child that is this program again, and ends with its parent.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::process::CommandExt as _,
    process::{self, ChildStdin, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;

/// How long it may take to end by itself, with what it started.
const GRACE: Duration = Duration::from_secs(2);

/// The running child; ended when dropped.
pub(super) struct Child {
    process: process::Child,
    /// It ends when this is closed.
    stdin: Option<ChildStdin>,
}

impl Child {
    /// Starts one, as `name` in lists of processes, and waits for the line that it says when it is
    /// ready: empty when it has ended instead, and said why on standard error.
    pub(super) fn start(name: &str, role: Option<&str>) -> anyhow::Result<(Self, String)> {
        let mut process = Command::new("/proc/self/exe")
            .arg0(name)
            .arg("demo-workload")
            .args(role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {name} of the demo"))?;
        let stdin = process.stdin.take();
        let stdout = process.stdout.take();
        let child = Self { process, stdin };
        let mut line = String::new();
        if let Some(stdout) = stdout {
            BufReader::new(stdout)
                .read_line(&mut line)
                .with_context(|| format!("waiting for {name} of the demo"))?;
        }
        Ok((child, line))
    }

    /// Lets it begin.
    pub(super) fn go(&mut self) -> anyhow::Result<()> {
        if let Some(stdin) = &mut self.stdin {
            writeln!(stdin, "go").context("starting the demo's workload")?;
        }
        Ok(())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let started = Instant::now();
        while started.elapsed() < GRACE {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(2));
        }
        // What it started dies with it.
        let _gone = self.process.kill();
        let _status = self.process.wait();
    }
}
