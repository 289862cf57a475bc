//! The demo: a workload that runs out of ports, in a network namespace of its own.
//!
//! The workload is this program again, as a child that moves to a new namespace before it does
//! anything. It ends when its standard input closes or its parent dies, and the namespace with it.

mod namespace;
pub mod workload;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::process::CommandExt as _,
    process::{Child, ChildStdin, Command, Stdio},
};

use anyhow::{Context as _, bail};

/// The range of ephemeral ports in the demo's namespace.
const RANGE: (u16, u16) = (40_000, 40_019);

/// Said before the first event.
pub const WHAT_IT_SHOWS: &str = "\
portex demo: a namespace with 20 ephemeral ports (40000-40019) and one server, 127.0.0.1:8080.
  'proxy' opens and closes 8 connections a second: each leaves its port in TIME_WAIT for 60 s.
  'worker' opens one a second and never closes it.
  Within 3 seconds every port is taken. Watch connect turn into connect_failed range_exhausted.";

/// The running workload; ended when dropped.
pub struct Workload {
    child: Child,
    stdin: Option<ChildStdin>,
    netns: u32,
}

impl Workload {
    /// Starts it; it waits for [`Workload::go`].
    pub fn start() -> anyhow::Result<Self> {
        let mut child = Command::new("/proc/self/exe")
            .arg0("portex")
            .arg("demo-workload")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the demo's workload")?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take();
        let mut workload = Self {
            child,
            stdin,
            netns: 0,
        };
        let mut line = String::new();
        if let Some(stdout) = stdout {
            BufReader::new(stdout)
                .read_line(&mut line)
                .context("waiting for the demo's workload")?;
        }
        match line.trim().parse() {
            Ok(netns) => workload.netns = netns,
            // It has said why on standard error.
            Err(_) => bail!("the demo's workload could not make its namespace"),
        }
        Ok(workload)
    }

    /// Inode number of its network namespace.
    pub fn netns(&self) -> u32 {
        self.netns
    }

    /// Lets it begin.
    pub fn go(&mut self) -> anyhow::Result<()> {
        if let Some(stdin) = &mut self.stdin {
            writeln!(stdin, "go").context("starting the demo's workload")?;
        }
        Ok(())
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // It may have ended by itself.
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}
