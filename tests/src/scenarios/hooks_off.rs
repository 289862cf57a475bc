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
use crate::tracer::{Ended, Tracer};

const BTF: &str = "/sys/kernel/btf/vmlinux";
/// The end of a `TIME_WAIT`; and its beginning, by both names that it has had.
const KILL: &[&str] = &["inet_twsk_kill"];
const DANCE: &[&str] = &["inet_twsk_hashdance", "inet_twsk_hashdance_schedule"];

/// A kernel whose BTF does not know how a `TIME_WAIT` ends, or how it begins.
pub(super) fn function_missing(context: &Context<'_>) -> Result<()> {
    if context.way != Way::Trampoline {
        return Err(Skip("only trampolines are found by BTF".to_owned()).into());
    }
    without_function(context, KILL, "")?;
    // An ordinary close into TIME_WAIT is no overflow, even if what follows is not seen.
    let ended = without_function(context, DANCE, "--peer close --close active")?;
    let overflows = ended
        .events
        .iter()
        .filter(|event| event.text("reason") == "overflow");
    ensure!(
        overflows.count() == 0,
        "overflows that never were:\n{}",
        ended.stderr
    );
    Ok(())
}

/// The function is known by the first of its names.
fn without_function(context: &Context<'_>, names: &[&str], close: &str) -> Result<Ended> {
    let patched = patched_btf(names)?;
    let world = format!("--replace {}:{BTF}", patched.display());
    let result = connects_come(context, &world, close);
    std::fs::remove_file(&patched)?;
    let ended = result.with_context(|| names.join(" "))?;
    let off = format!("{} is off: ", names[0]);
    ensure!(
        ended.stderr.contains(&off),
        "does not say {off:?}:\n{}",
        ended.stderr
    );
    Ok(ended)
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
    let stderr = connects_come(context, &world, "")?.stderr;
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
        connects_come(context, "--drop-cap sys_admin", "")?;
        return Ok(());
    }
    let Err(error) = connects_come(context, "--drop-cap sys_admin", "") else {
        bail!("perf events are restricted, but portex attaches kprobes");
    };
    let told = format!("{error:#}");
    for word in ["perf_event_paranoid", "CAP_SYS_ADMIN"] {
        ensure!(told.contains(word), "does not say {word:?}:\n{told}");
    }
    connects_come(context, "", "")?;
    Ok(())
}

/// Runs portex in such a world, and returns what it left.
fn connects_come(context: &Context<'_>, world: &str, close: &str) -> Result<Ended> {
    let netns = NetNs::new()?;
    let mut load = Load::start(&netns, &format!("connect --dst {V4} --count 10 {close}"))?;
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
    let tracer = Tracer::start_command(&mut command, context.way)?;
    let connects = load.step()?;
    split(&connects, 10, 0)?;
    load.step()?;
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
        .iter()
        .filter(|event| event.kind() == "connect")
        .cloned()
        .collect();
    compare(&expected, &events).with_context(|| ended.stderr.clone())?;
    Ok(ended)
}

/// A copy of this kernel's BTF in which functions have another name. Not every kernel has each.
fn patched_btf(names: &[&str]) -> Result<PathBuf> {
    let mut btf = std::fs::read(BTF).context(BTF)?;
    let mut renamed = 0;
    for name in names {
        // All its strings are delimited so.
        let delimited = format!("\0{name}\0").into_bytes();
        let mut windows = btf.windows(delimited.len());
        if let Some(at) = windows.position(|window| window == delimited) {
            btf[at + name.len()] = b'X';
            renamed += 1;
        }
    }
    ensure!(renamed > 0, "none of {names:?} is in this kernel's BTF");
    let path = std::env::temp_dir().join(format!("portex-tests-btf-{}", std::process::id()));
    std::fs::write(&path, btf).with_context(|| path.display().to_string())?;
    Ok(path)
}
