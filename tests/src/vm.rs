//! The duties of the first process of a virtual machine.

use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::mount::MountFlags;
use rustix::process::{Pid, WaitOptions};
use rustix::system::RebootCommand;

use crate::sys;

/// Where the initramfs has the portex to test.
const PORTEX: &str = "/portex";

/// `NETLINK_SOCK_DIAG` for TCP, where the kernel has it as modules; each needs the ones before it.
const MODULES: [&str; 2] = ["/modules/inet_diag.ko", "/modules/tcp_diag.ko"];

/// tracefs is not among them: portex must do without.
const MOUNTS: [(&str, &str); 7] = [
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("tmpfs", "/tmp"),
    ("tmpfs", "/run"),
    ("securityfs", "/sys/kernel/security"),
    ("cgroup2", "/sys/fs/cgroup"),
];

/// Prepares the machine, runs the scenarios in a child, and turns the machine off.
pub(crate) fn init() -> ExitCode {
    if let Err(error) = run() {
        println!("portex-tests: {error:#}");
    }
    // The serial line has to carry the last words.
    std::thread::sleep(Duration::from_millis(300));
    rustix::fs::sync();
    let result = rustix::system::reboot(RebootCommand::PowerOff);
    println!("portex-tests: cannot power off: {result:?}");
    // The end of process 1 is a panic, which ends the machine as well.
    ExitCode::FAILURE
}

fn run() -> Result<()> {
    for (kind, at) in MOUNTS {
        mount(kind, at);
    }
    sys::loopback_up().context("cannot set the loopback interface up")?;
    let line = std::fs::read_to_string("/proc/cmdline").context("/proc/cmdline")?;
    if parameter(&line, "portex.modules") != Some("no") {
        MODULES.into_iter().for_each(load);
    }
    let mut command = Command::new("/proc/self/exe");
    command.args(["host", "--disposable", "--portex", PORTEX]);
    for way in parameter(&line, "portex.way")
        .unwrap_or("trampoline,kprobe")
        .split(',')
    {
        command.args(["--attach", way]);
    }
    if let Some(filters) = parameter(&line, "portex.filter") {
        command.args(filters.split(','));
    }
    let runner = command.spawn().context("cannot start the scenarios")?;
    reap_until(Pid::from_child(&runner))
}

fn parameter<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split_whitespace()
        .filter_map(|word| word.split_once('='))
        .find(|(n, _)| *n == name)
        .map(|(_, v)| v)
}

/// A failure is told, not fatal: the scenarios that need the mount say what they miss.
fn mount(kind: &str, at: &str) {
    let _ = std::fs::create_dir_all(Path::new(at));
    if let Err(error) = rustix::mount::mount(kind, at, kind, MountFlags::empty(), None) {
        println!("portex-tests: no {kind} at {at}: {error}");
    }
}

/// As for a mount, a failure is not fatal.
fn load(module: &str) {
    let result =
        File::open(module).and_then(|file| Ok(rustix::system::finit_module(file, c"", 0)?));
    if let Err(error) = result {
        println!("portex-tests: cannot load {module}: {error}");
    }
}

/// Process 1 inherits the orphans of all others.
fn reap_until(last: Pid) -> Result<()> {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == last => {
                if status.exit_status().is_none() {
                    bail!("the scenarios were killed: {status:?}");
                }
                return Ok(());
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => bail!("cannot wait: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::parameter;

    #[test]
    fn parameters_are_found_by_their_whole_name() {
        let line = "quiet xportex.way=a portex.way=kprobe\n";
        assert_eq!(parameter(line, "portex.way"), Some("kprobe"));
        assert_eq!(parameter(line, "portex.filter"), None);
    }
}
