//! One boot: a kernel and an initramfs in QEMU, until it powers off or its time is up.

use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use super::accelerator::Accelerator;

/// QEMU's program.
pub(crate) const QEMU: &str = "qemu-system-x86_64";

/// What to boot, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Boot<'a> {
    pub(super) accelerator: Accelerator,
    pub(super) kernel: &'a Path,
    pub(super) initramfs: Option<&'a Path>,
    /// Words for init on the kernel's command line.
    pub(super) options: &'a str,
    /// The console is written here as it comes.
    pub(super) log: &'a Path,
    pub(super) timeout: Duration,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Booted {
    pub(super) console: Vec<u8>,
    pub(super) elapsed: Duration,
    /// It was stopped from outside.
    pub(super) timed_out: bool,
}

impl Boot<'_> {
    /// Boots and waits.
    pub(super) fn run(&self) -> Result<Booted> {
        let create = || File::create(self.log);
        let log = create().with_context(|| format!("creating {}", self.log.display()))?;
        let started = Instant::now();
        let mut command = Command::new(QEMU);
        command
            .args(self.accelerator.arguments())
            .args([
                "-smp",
                "2",
                "-m",
                "1024",
                "-nographic",
                "-no-reboot",
                "-nic",
                "none",
            ])
            .arg("-kernel")
            .arg(self.kernel)
            .arg("-append")
            // A kernel that panics ends QEMU at once instead of waiting for the timeout.
            .arg(format!("console=ttyS0 panic=-1 quiet {}", self.options));
        if let Some(initramfs) = self.initramfs {
            command.arg("-initrd").arg(initramfs);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stderr(log.try_clone().context("sharing the console's log")?)
            .stdout(log)
            .spawn()
            .with_context(|| format!("cannot start {QEMU}"))?;
        let timed_out = loop {
            if child.try_wait().context("waiting for QEMU")?.is_some() {
                break false;
            }
            if started.elapsed() > self.timeout {
                // It may have ended just now: then there is nothing to kill.
                let _ = child.kill();
                child.wait().context("waiting for QEMU")?;
                break true;
            }
            thread::sleep(Duration::from_millis(50));
        };
        Ok(Booted {
            console: fs::read(self.log)
                .with_context(|| format!("reading {}", self.log.display()))?,
            elapsed: started.elapsed(),
            timed_out,
        })
    }
}
