//! Where failing calls come from: the functions that the programs have, as often as they fail.

mod compiled;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

pub(super) use compiled::{jit, kept, node, programs};

use crate::cli::Way;
use crate::event::Event;
use crate::fact::Fact;
use crate::load::Load;
use crate::netns::NetNs;
use crate::runner::Context;
use crate::tracer::{Ended, Tracer};
use crate::workload::fail_at::{BILLING, CHECKOUT, REPORT};

const PORTS: (u16, u16) = (40_000, 40_009);

/// What the three places are called in the workload, and how often each fails.
const PLACES: [(&str, usize); 3] = [
    ("checkout", CHECKOUT),
    ("report", REPORT),
    ("billing", BILLING),
];

/// In this program itself, which is compiled without frame pointers: in each way to attach, with
/// the kernel's stack.
pub(super) fn own(context: &Context<'_>) -> Result<()> {
    let netns = NetNs::with_ports(PORTS.0, PORTS.1)?;
    let ended = traced(context, &netns, &["--stacks=kernel"], |netns| {
        let mut load = Load::start(netns, "fail-at --dst 127.0.0.1:9")?;
        let facts = load.facts()?;
        // It stays until portex has ended: what there is to tell of it is read while it lives.
        Ok((load, facts))
    })?;
    let (ended, (_load, facts)) = ended;
    let failures = connects(&ended);
    let fds: Vec<String> = facts
        .into_iter()
        .filter_map(|fact| match fact {
            Fact::Note { what } => Some(what),
            _ => None,
        })
        .collect();
    let expected = PLACES
        .iter()
        .flat_map(|&(place, count)| std::iter::repeat_n(place, count));
    ensure!(
        failures.len() == expected.clone().count() && fds.len() == failures.len(),
        "{} failures came",
        failures.len()
    );
    for ((event, place), fd) in failures.iter().zip(expected).zip(fds) {
        let functions = event.functions("stack");
        let others = PLACES.iter().filter(|(other, _)| *other != place);
        let here = |name: &str| {
            functions
                .iter()
                .any(|f| f.contains(&format!("fail_at::{name}")))
        };
        ensure!(
            here(place) && !others.clone().any(|(other, _)| here(other)) && here("connect"),
            "{place} is not in {functions:#?}\n{}",
            event.line()
        );
        ensure!(
            event.number("fd").map(|fd| format!("fd {fd}")) == Some(fd.clone()),
            "not {fd}: {}",
            event.line()
        );
        // As far as the kernel's unwinder gets: from a trampoline or a kretprobe not far, on some. By
        // tracepoint, it is at the end of the system call that the outcome is known.
        let known = match context.way {
            Way::Tracepoint => &["do_syscall_64"][..],
            Way::Trampoline => &["inet_hash_connect", "tcp_v4_connect"],
            Way::Kprobe => &["tcp_v4_connect", "kretprobe_trampoline"],
        };
        let kernel = event.functions("kernel_stack");
        ensure!(
            kernel.iter().any(|name| known.contains(&name.as_str())),
            "the kernel's stack: {kernel:?}\n{}",
            event.line()
        );
        let own = std::env::current_exe()?;
        ensure!(
            event.text("exe") == own.to_string_lossy(),
            "the program is {}: {}",
            own.display(),
            event.line()
        );
    }
    Ok(())
}

/// Groups have exact counts, the most frequent first.
pub(super) fn grouped(context: &Context<'_>) -> Result<()> {
    let netns = NetNs::with_ports(PORTS.0, PORTS.1)?;
    let (ended, _loads) = traced(context, &netns, &["--group"], |netns| {
        // Two processes, which are loaded to different addresses.
        let mut loads = [
            Load::start(netns, "fail-at --dst 127.0.0.1:9")?,
            Load::start(netns, "fail-at --dst 127.0.0.1:9")?,
        ];
        for load in &mut loads {
            load.facts()?;
        }
        Ok(loads)
    })?;
    let groups: Vec<&Event> = ended
        .events
        .iter()
        .filter(|event| event.kind() == "failure_group" && event.text("call") == "connect")
        .collect();
    ensure!(groups.len() == PLACES.len(), "{} groups came", groups.len());
    for (group, (place, count)) in groups.iter().zip(PLACES) {
        let functions = group.functions("stack");
        ensure!(
            group.number("count") == Some(2 * count as u64)
                && group.items("pids") == 2
                && functions.iter().any(|name| name.contains(place)),
            "not {place} {count} times of two processes: {}",
            group.line()
        );
        ensure!(group.text("first") < group.text("last"), "{}", group.line());
    }
    Ok(())
}

/// However many fail, each is told or counted as lost, with its stack or counted as told without.
pub(super) fn storm(context: &Context<'_>) -> Result<()> {
    let count = if context.emulated { 3_000 } else { 30_000 };
    let netns = NetNs::with_ports(PORTS.0, PORTS.1)?;
    let inode = netns.inode().to_string();
    let mut arguments = vec!["--failures", "--stacks", "--netns", &inode];
    // The smallest that keeps a few samples, so that some do not find room.
    arguments.extend(["--ring-size", "131072"]);
    let tracer = Tracer::start(context.portex, context.way, &arguments)?;
    let mut load = Load::start(&netns, &format!("storm --dst 127.0.0.1:9 --count {count}"))?;
    load.step()?;
    let ended = tracer.stop(Signal::INT)?;
    let told = connects(&ended);
    let with = told.iter().filter(|event| event.items("stack") > 0).count() as u64;
    let lost = |kind: &str| -> u64 {
        let lines = ended.events.iter().filter(|event| event.kind() == "lost");
        let of_kind = lines.filter(|event| event.text("kind") == kind);
        of_kind.filter_map(|event| event.number("count")).sum()
    };
    println!(
        "stacks_storm: of {count} failures {} told, {with} with a stack; lost {} and {} stacks",
        told.len(),
        lost("connect_failed"),
        lost("stacks")
    );
    ensure!(
        told.len() as u64 + lost("connect_failed") == count,
        "not each is told or counted: {}",
        ended.stderr
    );
    // Of one that was lost, the stack was lost before.
    ensure!(
        with + lost("stacks") == count && with > 0,
        "stacks are missing that nobody counted: {}",
        ended.stderr
    );
    Ok(())
}

/// Runs something while portex tells the failures in a namespace.
fn traced<T>(
    context: &Context<'_>,
    netns: &NetNs,
    more: &[&str],
    act: impl FnOnce(&NetNs) -> Result<T>,
) -> Result<(Ended, T)> {
    let inode = netns.inode().to_string();
    let mut arguments = vec!["--failures", "--netns", &inode];
    arguments.extend(more);
    let tracer = Tracer::start(context.portex, context.way, &arguments)?;
    let outcome = act(netns)?;
    let ended = tracer.stop(Signal::INT)?;
    ensure!(ended.status.success(), "{}: {}", ended.status, ended.stderr);
    ensure!(ended.lost() == 0, "losses: {}", ended.stderr);
    Ok((ended, outcome))
}

/// The failed connects, in order.
fn connects(ended: &Ended) -> Vec<&Event> {
    let failed = |event: &&Event| event.kind() == "connect_failed";
    ended.events.iter().filter(failed).collect()
}

/// Sorts the failed connects by which of some functions they came from.
fn by_place<'a>(events: &[&'a Event], places: &[&str]) -> Result<Vec<Vec<&'a Event>>> {
    let mut sorted = vec![Vec::new(); places.len()];
    for event in events {
        let functions = event.functions("stack");
        let place = places
            .iter()
            .position(|place| functions.iter().any(|function| function == place))
            .with_context(|| format!("from none of {places:?}: {}", event.line()))?;
        sorted[place].push(*event);
    }
    Ok(sorted)
}
