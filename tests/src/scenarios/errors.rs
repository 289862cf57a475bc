//! Situations in which portex cannot work: it says why and what to do, and exits as agreed.

use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::load::Skip;
use crate::process::{Finished, myself, run_to_end};
use crate::runner::{Context, Kernel};

const LIMIT: Duration = Duration::from_secs(60);
const FAILED: i32 = 1;
const BAD_USAGE: i32 = 2;

/// Not root, and root without what root is made of.
pub(super) fn privileges(context: &Context<'_>) -> Result<()> {
    confined(context, "--uid 65534")?.says(FAILED, &["CAP_BPF", "CAP_PERFMON"])?;
    confined(context, "--drop-cap bpf,perfmon,sys_admin")?.says(FAILED, &["CAP_BPF"])
}

/// A kernel that has not what portex needs.
pub(super) fn kernel(context: &Context<'_>) -> Result<()> {
    confined(context, "--hide /sys/kernel/btf")?.says(FAILED, &["BTF", "CONFIG_DEBUG_INFO_BTF"])?;
    confined(context, "--old-kernel")?.says(FAILED, &["2.6.", "5.8"])
}

/// Arguments that name nothing, or are none.
pub(super) fn arguments(context: &Context<'_>) -> Result<()> {
    let cases: [(&[&str], i32, &[&str]); 7] = [
        // Above the highest that any kernel gives out.
        (&["--pid", "4194399"], FAILED, &["4194399"]),
        (
            &["--netns", "no-such-namespace"],
            FAILED,
            &["no-such-namespace"],
        ),
        (
            &["--netns", "/proc/no-such/ns/net"],
            FAILED,
            &["/proc/no-such/ns/net"],
        ),
        (
            &["--dst", "10.0.0.0/33"],
            BAD_USAGE,
            &["10.0.0.0/33", "--dst"],
        ),
        (&["--src", "nowhere"], BAD_USAGE, &["nowhere", "--src"]),
        (
            &["--dst", "10.0.0.0/8:70000"],
            BAD_USAGE,
            &["70000", "--dst"],
        ),
        (&["--no-such-option"], BAD_USAGE, &["--no-such-option"]),
    ];
    for (arguments, status, words) in cases {
        let mut command = trace(Command::new(context.portex), context);
        let finished = run_to_end(command.args(arguments), LIMIT)?;
        finished
            .says(status, words)
            .with_context(|| arguments.join(" "))?;
    }
    a_thread(context)
}

/// A process is asked for, and its threads come with it.
fn a_thread(context: &Context<'_>) -> Result<()> {
    let (send, tid) = channel();
    let (done, wait) = channel::<()>();
    let thread = thread::spawn(move || {
        // Fails when the scenario has failed.
        let _ = send.send(rustix::thread::gettid());
        // Ends with the error that the other side is gone.
        let _ = wait.recv();
    });
    let tid = tid.recv()?.as_raw_nonzero().to_string();
    let mut command = trace(Command::new(context.portex), context);
    let finished = run_to_end(command.args(["--pid", &tid]), LIMIT);
    drop(done);
    let _ = thread.join();
    finished?.says(FAILED, &[&tid, "thread"])
}

/// Before 5.11, maps are charged to the limit of locked memory.
pub(super) fn memlock(context: &Context<'_>) -> Result<()> {
    if context.kernel >= Kernel(5, 11) {
        let why = "since 5.11, BPF memory does not count against RLIMIT_MEMLOCK";
        return Err(Skip(why.to_owned()).into());
    }
    let world = "--memlock 65536 --drop-cap sys_resource";
    confined(context, world)?.says(FAILED, &["RLIMIT_MEMLOCK", "ulimit -l"])
}

/// The kernel refuses to be read. There is no way back before the next boot.
pub(super) fn lockdown(context: &Context<'_>) -> Result<()> {
    const FILE: &str = "/sys/kernel/security/lockdown";
    if !std::fs::exists(FILE)? {
        return Err(Skip(format!("no {FILE}")).into());
    }
    std::fs::write(FILE, "confidentiality").context("cannot lock down")?;
    let finished = run_to_end(&mut trace(Command::new(context.portex), context), LIMIT)?;
    finished.says(FAILED, &["lockdown", "confidentiality"])
}

/// Runs `portex trace` with something taken away from it.
fn confined(context: &Context<'_>, world: &str) -> Result<Finished> {
    let mut command = myself(&["confine"]);
    command
        .args(world.split_whitespace())
        .arg("--")
        .arg(context.portex);
    let finished = run_to_end(&mut trace(command, context), LIMIT);
    finished.with_context(|| world.to_owned())
}

/// Should it work against all odds, it ends by itself.
fn trace(mut command: Command, context: &Context<'_>) -> Command {
    command.args([
        "trace",
        "--json",
        "--duration",
        "1s",
        "--attach",
        context.way.name(),
    ]);
    command
}

impl Finished {
    /// The exit code, and these words on standard error.
    fn says(&self, code: i32, words: &[&str]) -> Result<()> {
        ensure!(
            self.status.code() == Some(code),
            "ended with {}, not {code}:\n{}",
            self.status,
            self.stderr
        );
        for word in words {
            ensure!(
                self.stderr.contains(word),
                "does not say {word:?}:\n{}",
                self.stderr
            );
        }
        ensure!(self.stdout.is_empty(), "wrote to standard output");
        Ok(())
    }
}
