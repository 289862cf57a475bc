//! Hosts with many network namespaces, and with some that come and go while portex looks.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::{V4, split};
use crate::load::Load;
use crate::named::{BUSY, leave_time_wait};
use crate::netns::NetNs;
use crate::process::myself;
use crate::runner::Context;
use crate::snapshot::{Watch, command, take};
use crate::sys;

/// Open descriptors of a portex, whatever the number of namespaces. Programs, maps and links are not
/// counted: how many there are depends on the kernel and the way to attach, never on namespaces.
const DESCRIPTORS: usize = 40;
/// Fewer than there are namespaces, and more than what may come and go.
const MANY: usize = 30;

/// All of them are looked into, and none is held on to.
pub(super) fn many(context: &Context<'_>) -> Result<()> {
    let count = if context.emulated { 50 } else { 1000 };
    let mut crowded = myself(&["confine", "--namespaces", &count.to_string(), "--"]);
    let plain = command(context.portex, context);
    crowded.arg(plain.get_program()).args(plain.get_args());
    let watch = Watch::start_command(&mut crowded, context)?;
    // The namespaces are in its view of the file system only.
    let process = format!("/proc/{}", watch.pid());
    let mut busy = BTreeSet::new();
    for entry in fs::read_dir(format!("{process}/root/run/netns"))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(BUSY) {
            busy.insert(fs::metadata(entry.path())?.ino());
        }
    }
    ensure!(!busy.is_empty(), "no namespace is in use");
    let mut bpf = Vec::new();
    for _ in 0..10 {
        bpf.push(holds_little(Path::new(&process))?);
        thread::sleep(Duration::from_millis(200));
    }
    // While scans go through namespaces, no program, map or link is added for each. In the first looks
    // portex may be starting still.
    let looks = bpf.iter().skip(5);
    let (least, most) = (looks.clone().min(), looks.max());
    ensure!(
        least
            .zip(most)
            .is_some_and(|(least, most)| most - least < MANY),
        "descriptors of BPF: {bpf:?}"
    );
    let snapshot = watch.finish()?;
    let seen: BTreeSet<u64> = snapshot.spaces.iter().map(|space| space.netns).collect();
    let missed: Vec<_> = busy.difference(&seen).collect();
    ensure!(
        missed.is_empty(),
        "of {busy:?}, nothing is known of {missed:?}"
    );
    Ok(())
}

/// Few descriptors, none of a namespace, and no thread in another namespace. How many of BPF there are.
fn holds_little(process: &Path) -> Result<usize> {
    let links = |directory: &str| -> Result<Vec<String>> {
        let entries = fs::read_dir(process.join(directory))?.flatten();
        // What is closed meanwhile is not held.
        let link = |entry: fs::DirEntry| fs::read_link(entry.path()).ok();
        Ok(entries
            .filter_map(link)
            .map(|target| target.to_string_lossy().into_owned())
            .collect())
    };
    let descriptors = links("fd")?;
    let others = descriptors
        .iter()
        .filter(|target| !target.starts_with("anon_inode:bpf"))
        .count();
    ensure!(
        others < DESCRIPTORS,
        "{others} descriptors other than of BPF: {descriptors:?}"
    );
    let namespaces = descriptors
        .iter()
        .filter(|target| target.starts_with("net:["));
    ensure!(
        namespaces.count() <= 1,
        "holds on to namespaces: {descriptors:?}"
    );
    Ok(descriptors.len() - others)
}

/// Whatever ends while portex looks at it is no error.
pub(super) fn vanishing(context: &Context<'_>) -> Result<()> {
    let netns = NetNs::new()?;
    let stop = AtomicBool::new(false);
    let until_stop = |act: &dyn Fn() -> Result<()>| -> Result<u32> {
        let mut rounds = 0;
        while !stop.load(Ordering::Relaxed) {
            act()?;
            rounds += 1;
        }
        Ok(rounds)
    };
    thread::scope(|scope| {
        let namespaces = scope.spawn(|| until_stop(&a_namespace));
        let processes = scope.spawn(|| until_stop(&|| a_process(&netns)));
        let looks = look(context);
        stop.store(true, Ordering::Relaxed);
        let join = |thread: thread::ScopedJoinHandle<'_, Result<u32>>| {
            thread
                .join()
                .map_err(|_| anyhow::anyhow!("a thread panicked"))?
        };
        let (namespaces, processes) = (join(namespaces)?, join(processes)?);
        ensure!(
            namespaces > 0 && processes > 0,
            "{namespaces} namespaces, {processes} processes"
        );
        looks
    })
}

fn look(context: &Context<'_>) -> Result<()> {
    let times = if context.emulated { 2 } else { 10 };
    for _ in 0..times {
        take(context, &[])?;
    }
    take(context, &["--watch", "2s"])?;
    Ok(())
}

/// Comes and goes, with a connection.
fn a_namespace() -> Result<()> {
    let lived = thread::spawn(|| -> Result<()> {
        sys::enter_new_netns()?;
        sys::loopback_up()?;
        leave_time_wait()
    });
    lived
        .join()
        .map_err(|_| anyhow::anyhow!("a thread panicked"))?
}

/// Comes and is killed, with connections open.
fn a_process(netns: &NetNs) -> Result<()> {
    let mut load = Load::start(netns, &format!("connect --dst {V4} --count 20"))?;
    split(&load.step()?, 20, 0).context("a process that comes and goes")?;
    Ok(())
}
