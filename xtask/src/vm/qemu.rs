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

/// A kernel that panics ends QEMU at once, and does not take a slow emulator's timer for a broken one.
const COMMAND_LINE: &str = "console=ttyS0 quiet panic=-1 no_timer_check";

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
    pub(super) end: End,
}

/// How a VM ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By itself.
    PoweredOff,
    /// It was stopped: its time was up.
    TimedOut,
    /// It was stopped: it had not written one byte, so not even its init ran.
    Silent,
}

/// How long a console may stay empty. A boot takes 5 to 9 s under emulation.
const SILENCE: Duration = Duration::from_secs(120);

impl Boot<'_> {
    /// Boots and waits.
    pub(super) fn run(&self) -> Result<Booted> {
        let create = || File::create(self.log);
        let console = create().with_context(|| format!("creating {}", self.log.display()))?;
        let started = Instant::now();
        let mut command = Command::new(QEMU);
        command
            .args(self.accelerator.arguments())
            .args(["-m", "1024", "-no-reboot", "-nic", "none"])
            // Not -nographic: with that the firmware writes to the serial line as well.
            .args(["-display", "none", "-monitor", "none", "-serial", "stdio"])
            .arg("-kernel")
            .arg(self.kernel)
            .arg("-append")
            .arg(format!("{COMMAND_LINE} {}", self.options));
        if let Some(initramfs) = self.initramfs {
            command.arg("-initrd").arg(initramfs);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stderr(console.try_clone().context("sharing the console's log")?)
            .stdout(console)
            .spawn()
            .with_context(|| format!("cannot start {QEMU}"))?;
        let end = loop {
            if child.try_wait().context("waiting for QEMU")?.is_some() {
                break End::PoweredOff;
            }
            let elapsed = started.elapsed();
            let end = if elapsed > self.timeout {
                End::TimedOut
            } else if elapsed > SILENCE && fs::metadata(self.log).is_ok_and(|log| log.len() == 0) {
                End::Silent
            } else {
                thread::sleep(Duration::from_millis(50));
                continue;
            };
            // It may have ended just now: then there is nothing to kill.
            let _ = child.kill();
            child.wait().context("waiting for QEMU")?;
            break end;
        };
        Ok(Booted {
            console: fs::read(self.log)
                .with_context(|| format!("reading {}", self.log.display()))?,
            elapsed: started.elapsed(),
            end,
        })
    }
}
