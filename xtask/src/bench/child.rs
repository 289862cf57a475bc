//! Child processes that end with this one, and what they use.

use std::{
    fs,
    io::{Read, Seek, SeekFrom},
    os::unix::process::CommandExt as _,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::process;

/// Whatever is waited for comes sooner, or never.
const LIMIT: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_millis(5);

/// A process of ours: killed and reaped when dropped, and killed by the kernel when we are.
pub(super) struct Tracked {
    child: Child,
    name: String,
}

impl Tracked {
    /// Starts it. Call it on the first thread only: the kernel kills it when the caller's thread ends.
    pub(super) fn spawn(command: &mut Command) -> Result<Self> {
        // SAFETY: between fork and exec only prctl() is called, which allocates and locks nothing.
        unsafe {
            command.pre_exec(|| {
                rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
                Ok(())
            });
        }
        let child = command
            .spawn()
            .with_context(|| format!("cannot start `{}`", process::display(command)))?;
        Ok(Self {
            child,
            name: process::display(command),
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// An error when it has ended by itself.
    pub(super) fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("`{}` ended early ({status})", self.name),
            None => Ok(()),
        }
    }

    /// Waits until something is so, as long as it runs.
    pub(super) fn wait_until(&mut self, what: &str, so: impl Fn(&Self) -> bool) -> Result<()> {
        let end = Instant::now() + LIMIT;
        while !so(self) {
            self.check()?;
            if Instant::now() > end {
                bail!("`{}`: not {what} after {LIMIT:?}", self.name);
            }
            thread::sleep(TICK);
        }
        Ok(())
    }

    /// CPU time that it has used, user and system, of all of its threads.
    pub(super) fn cpu(&self) -> Result<Duration> {
        cpu_of(self.pid()).with_context(|| format!("CPU time of `{}`", self.name))
    }

    /// A figure of its `/proc/PID/status` in bytes: `VmHWM` or `VmRSS`.
    pub(super) fn memory(&self, field: &str) -> Result<u64> {
        let path = format!("/proc/{}/status", self.pid());
        let status = fs::read_to_string(&path).context(path)?;
        kilobytes(&status, field).with_context(|| format!("`{}` has no {field}", self.name))
    }

    /// How many BPF programs it has loaded and holds.
    pub(super) fn programs(&self) -> usize {
        let Ok(files) = fs::read_dir(format!("/proc/{}/fdinfo", self.pid())) else {
            return 0;
        };
        files
            .filter_map(|file| fs::read_to_string(file.ok()?.path()).ok())
            .filter(|text| text.lines().any(|line| line.starts_with("prog_type:")))
            .count()
    }

    /// Sends a signal, and waits for the end.
    pub(super) fn stop(mut self, signal: Signal) -> Result<ExitStatus> {
        kill_process(Pid::from_child(&self.child), signal)?;
        let end = Instant::now() + LIMIT;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > end {
                bail!("`{}` does not end", self.name);
            }
            thread::sleep(TICK);
        }
    }

    /// Waits for its end, and says how much CPU time it took from the beginning.
    pub(super) fn finish(mut self) -> Result<Duration> {
        let pid = Pid::from_child(&self.child);
        // It is looked at before it is reaped.
        waitid(
            WaitId::Pid(pid),
            WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
        )?;
        let cpu = self.cpu();
        let status = self.child.wait()?;
        if !status.success() {
            bail!("`{}` failed ({status})", self.name);
        }
        cpu
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        // Errors mean that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Output that is in no folder: it goes with the last who has it open.
pub(super) struct Output(fs::File);

impl Output {
    /// In memory where there is a place for that.
    pub(super) fn new() -> Result<Self> {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let memory = std::path::Path::new("/dev/shm");
        let folder = if memory.is_dir() {
            memory.to_path_buf()
        } else {
            std::env::temp_dir()
        };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("portex-bench-{}-{number}", std::process::id()));
        let mut options = fs::OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).open(&path);
        let file = file.with_context(|| format!("creating {}", path.display()))?;
        fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
        Ok(Self(file))
    }

    /// For a child to write to.
    pub(super) fn stdio(&self) -> Result<Stdio> {
        Ok(self.0.try_clone()?.into())
    }

    /// All of it so far, which must be little, while a child may be writing.
    pub(super) fn text(&self) -> String {
        use std::os::unix::fs::FileExt as _;
        let length = self.0.metadata().map_or(0, |m| m.len()).min(16 << 20);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        let read = self.0.read_at(&mut bytes, 0).unwrap_or(0);
        bytes.truncate(read);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// To read from the beginning, when nobody writes any more.
    pub(super) fn reader(&mut self) -> Result<impl Read + '_> {
        self.0.seek(SeekFrom::Start(0))?;
        Ok(&self.0)
    }
}

/// The clock of a process, exact where `/proc/PID/stat` has ticks; also of one that is not yet reaped.
fn cpu_of(pid: u32) -> Result<Duration> {
    let mut clock: libc::clockid_t = 0;
    // SAFETY: the pointer is to a local variable.
    let error = unsafe { libc::clock_getcpuclockid(pid.cast_signed(), &raw mut clock) };
    if error != 0 {
        return Err(std::io::Error::from_raw_os_error(error).into());
    }
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: likewise.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    Ok(Duration::new(
        u64::try_from(time.tv_sec)?,
        u32::try_from(time.tv_nsec)?,
    ))
}

/// `VmHWM:     1234 kB` as bytes.
fn kilobytes(status: &str, field: &str) -> Option<u64> {
    let mut lines = status.lines();
    let rest = lines.find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    let number = rest.trim().strip_suffix("kB")?.trim();
    number.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_status() {
        let status = "Name:\tx\nVmHWMx:\t 3 kB\nVmHWM:\t    2048 kB\nVmRSS:\t 12 pages\n";
        assert_eq!(kilobytes(status, "VmHWM"), Some(2048 * 1024));
        assert_eq!(kilobytes(status, "VmRSS"), None);
        assert_eq!(kilobytes(status, "VmPeak"), None);
    }

    #[test]
    fn a_process_that_works_is_told_from_one_that_sleeps() {
        let spend = |script: &str| {
            let mut command = Command::new("sh");
            let tracked = Tracked::spawn(command.args(["-c", script])).expect("sh starts");
            tracked.finish().expect("sh ends well")
        };
        let busy = spend("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done");
        let idle = spend("sleep 0.1");
        assert!(busy > idle, "{busy:?} {idle:?}");
    }

    #[test]
    fn a_failure_is_an_error_with_the_command() {
        let mut command = Command::new("sh");
        let tracked = Tracked::spawn(command.args(["-c", "exit 3"])).expect("sh starts");
        let error = tracked.finish().expect_err("it failed");
        assert!(format!("{error:#}").contains("exit 3"), "{error:#}");
    }

    #[test]
    fn output_is_read_while_it_is_written() {
        let mut output = Output::new().expect("a file");
        let mut command = Command::new("echo");
        command.arg("told").stdout(output.stdio().expect("a copy"));
        process::run(&mut command).expect("echo works");
        assert_eq!(output.text(), "told\n");
        let mut text = String::new();
        let mut reader = output.reader().expect("it can be read");
        reader.read_to_string(&mut text).expect("text");
        assert_eq!(text, "told\n");
    }
}
