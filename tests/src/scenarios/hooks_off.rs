//! Kernels on which one hook cannot be had: that is said by name, and the rest works.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;

use super::{V4, split};
use crate::cli::Way;
use crate::event::Event;
use crate::expect::{Expected, compare};
use crate::load::{Load, Skip};
use crate::netns::NetNs;
use crate::process::myself;
use crate::runner::Context;
use crate::tracer::Tracer;

const BTF: &str = "/sys/kernel/btf/vmlinux";
const FUNCTION: &[u8] = b"\0inet_twsk_kill\0";
const RENAMED: &[u8] = b"\0inet_twsk_kilx\0";

/// A kernel whose BTF does not know `inet_twsk_kill`.
pub(super) fn function_missing(context: &Context<'_>) -> Result<()> {
    if context.way != Way::Trampoline {
        return Err(Skip("only trampolines are found by BTF".to_owned()).into());
    }
    let patched = patched_btf()?;
    let world = format!("--replace {}:{BTF}", patched.display());
    let result = connects_come(context, &world, &[]);
    std::fs::remove_file(&patched)?;
    let stderr = result?;
    ensure!(
        stderr.contains("inet_twsk_kill"),
        "does not say what is off:\n{stderr}"
    );
    Ok(())
}

/// tracefs is mounted nowhere, and portex may not mount it.
pub(super) fn tracefs_missing(context: &Context<'_>) -> Result<()> {
    if context.way == Way::Kprobe {
        return perf_events_restricted(context);
    }
    // Covered, in case that somebody has mounted it on this machine.
    let mut world = "--drop-cap sys_admin".to_owned();
    for directory in ["/sys/kernel/tracing", "/sys/kernel/debug"] {
        if std::fs::exists(directory)? {
            world.push_str(" --hide ");
            world.push_str(directory);
        }
    }
    let stderr = connects_come(context, &world, &[])?;
    if context.way == Way::Tracepoint {
        for word in ["tracefs", "mount"] {
            ensure!(stderr.contains(word), "does not say {word:?}:\n{stderr}");
        }
    }
    Ok(())
}

/// kprobes need no tracefs, but perf events, which some distributions keep for `CAP_SYS_ADMIN`.
fn perf_events_restricted(context: &Context<'_>) -> Result<()> {
    const PARANOID: &str = "/proc/sys/kernel/perf_event_paranoid";
    let level: i32 = std::fs::read_to_string(PARANOID)?.trim().parse()?;
    if level <= 2 {
        connects_come(context, "--drop-cap sys_admin", &[])?;
        return Ok(());
    }
    let Err(error) = connects_come(context, "--drop-cap sys_admin", &[]) else {
        bail!("perf events are restricted, but portex attaches kprobes");
    };
    let told = format!("{error:#}");
    for word in ["perf_event_paranoid", "CAP_SYS_ADMIN"] {
        ensure!(told.contains(word), "does not say {word:?}:\n{told}");
    }
    connects_come(context, "", &[])?;
    Ok(())
}

/// The programs load with their diagnostics compiled in, too.
pub(super) fn diagnostics(context: &Context<'_>) -> Result<()> {
    let stderr = connects_come(context, "", &["--verbose"])?;
    ensure!(!stderr.contains(" is off: "), "a hook is off:\n{stderr}");
    Ok(())
}

/// Runs portex in such a world, and returns what it said.
fn connects_come(context: &Context<'_>, world: &str, more: &[&str]) -> Result<String> {
    let netns = NetNs::new()?;
    let mut load = Load::start(&netns, &format!("connect --dst {V4} --count 10"))?;
    let inode = netns.inode().to_string();
    let mut command = myself(&["confine"]);
    command
        .args(world.split_whitespace())
        .arg("--")
        .arg(context.portex);
    command.args([
        "trace",
        "--json",
        "--attach",
        context.way.name(),
        "--netns",
        &inode,
    ]);
    command.args(more);
    let tracer = Tracer::start_command(&mut command, context.way)?;
    let connects = load.step()?;
    split(&connects, 10, 0)?;
    let ended = tracer.stop(Signal::INT)?;
    ensure!(
        ended.status.success(),
        "ended with {}:\n{}",
        ended.status,
        ended.stderr
    );
    let expected: Vec<_> = connects.iter().map(Expected::connect).collect();
    let events: Vec<Event> = ended
        .events
        .into_iter()
        .filter(|event| event.kind() == "connect")
        .collect();
    compare(&expected, &events).with_context(|| ended.stderr.clone())?;
    Ok(ended.stderr)
}

fn patched_btf() -> Result<PathBuf> {
    let mut btf = std::fs::read(BTF).context(BTF)?;
    let at = btf
        .windows(FUNCTION.len())
        .position(|window| window == FUNCTION)
        .context("the function is not in this kernel's BTF")?;
    btf[at..at + RENAMED.len()].copy_from_slice(RENAMED);
    let path = std::env::temp_dir().join(format!("portex-tests-btf-{}", std::process::id()));
    std::fs::write(&path, btf).with_context(|| path.display().to_string())?;
    Ok(path)
}
