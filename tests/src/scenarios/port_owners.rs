//! Whom a snapshot charges for the ports: who connected, for TIME_WAITs too; nobody where nobody can
//! know.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use super::{PORT, V4, V6, split};
use crate::fact::{Connect, Fact};
use crate::load::Load;
use crate::netns::NetNs;
use crate::parallel::each;
use crate::procnet::{held, ports, wait_for_time_wait};
use crate::runner::Context;
use crate::snapshot::{Snapshot, Watch, take};

const LIMIT: Duration = Duration::from_secs(30);

/// Where somebody listens beside `V4`.
const OTHER: &str = "127.0.0.1:5001";

/// Ports and TIME_WAITs, by process id and name.
type Owners = BTreeMap<(Option<u32>, String), (u32, u32)>;

fn owners_of(snapshot: &Snapshot, netns: &NetNs, dst: &str) -> Result<Owners> {
    let dst: SocketAddr = dst.parse()?;
    let space = snapshot.space(netns.inode(), dst.ip(), dst.port())?;
    let owners = space.owners.iter();
    Ok(owners
        .map(|owner| {
            (
                (owner.pid, owner.comm.clone()),
                (owner.ports, owner.time_wait),
            )
        })
        .collect())
}

/// Those of portex's own lifetime, whether their processes live or not.
pub(super) fn time_wait(context: &Context<'_>) -> Result<()> {
    let netns = NetNs::new()?;
    let _servers = [V4, V6]
        .map(|at| Load::start(&netns, &format!("serve --listen {at}")))
        .into_iter()
        .collect::<Result<Vec<_>>>()?;
    let watch = Watch::start(context, &["--netns", &netns.inode().to_string()])?;
    let workers: Vec<_> = (1..=6)
        .map(|number| (number, if number % 3 == 0 { V6 } else { V4 }))
        .collect();
    let done = each(workers, |(number, dst)| {
        let count = 5 + number;
        let arguments = format!("--dst {dst} --count {count} --comm worker-{number}");
        let mut load = Load::start(
            &netns,
            &format!("connect --served --close active {arguments}"),
        )?;
        let connects = load.step()?;
        split(&connects, count, 0)?;
        load.step()?;
        // Every other one is dead before portex looks.
        let living = if number % 2 == 0 {
            Some(load)
        } else {
            load.finish()?;
            None
        };
        Ok((connects, living))
    })?;
    let (connects, _living): (Vec<_>, Vec<_>) = done.into_iter().unzip();
    let connects = connects.concat();
    as_the_kernel_lists(&netns, &connects)?;
    let snapshot = watch.finish()?;
    ensure!(snapshot.lost == 0, "{} events lost", snapshot.lost);
    for dst in [V4, V6] {
        let mut expected = Owners::new();
        let to: SocketAddr = dst.parse()?;
        for connect in connects.iter().filter(|connect| connect.dst == to) {
            let owner = (Some(connect.pid), connect.comm.clone());
            let (ports, time_waits) = expected.entry(owner).or_default();
            *ports += 1;
            *time_waits += 1;
        }
        let owners = owners_of(&snapshot, &netns, dst)?;
        ensure!(owners == expected, "{dst}: {owners:?}, not {expected:?}");
        in_processes(&snapshot, &expected, to)?;
    }
    Ok(())
}

/// The table of processes says the same; each has one destination.
fn in_processes(snapshot: &Snapshot, owners: &Owners, to: SocketAddr) -> Result<()> {
    for ((pid, comm), (ports, time_wait)) in owners {
        let mut rows = snapshot.processes.iter().filter(|row| row.pid == *pid);
        let row = rows.next().with_context(|| format!("no row of {pid:?}"))?;
        let top = row
            .top
            .as_ref()
            .map(|top| (top.dst, top.dst_port, top.ports));
        ensure!(
            (&row.comm, row.ports, row.time_wait, top)
                == (comm, *ports, *time_wait, Some((to.ip(), to.port(), *ports))),
            "{row:?}, not {comm} with {ports} ports, {time_wait} in TIME_WAIT, to {to}"
        );
    }
    Ok(())
}

/// Exactly these connections are in TIME_WAIT: by `/proc/net`, and by `ss` where there is one.
fn as_the_kernel_lists(netns: &NetNs, connects: &[Connect]) -> Result<()> {
    let listed = wait_for_time_wait(netns, PORT, connects.len(), LIMIT)?;
    let made: BTreeSet<_> = connects.iter().map(|connect| connect.local).collect();
    ensure!(listed == made, "in TIME_WAIT are {listed:?}, not {made:?}");
    let ss = netns.enter(|| {
        let mut command = Command::new("ss");
        command.args(["-tanH", "state", "time-wait"]).output()
    });
    let Ok(ss) = ss else { return Ok(()) };
    let listed: BTreeSet<SocketAddr> = String::from_utf8_lossy(&ss.stdout)
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2)?.parse().ok())
        .collect();
    ensure!(listed == made, "ss lists {listed:?}, not {made:?}");
    Ok(())
}

/// Those of before portex's time: the living have their sockets, the rest is nobody's.
pub(super) fn older(context: &Context<'_>) -> Result<()> {
    const CLOSED: usize = 12;
    const OPEN: usize = 5;
    let netns = NetNs::new()?;
    let _server = Load::start(&netns, &format!("serve --listen {V4}"))?;
    let run = |count, comm| {
        let arguments = format!("--dst {V4} --count {count} --comm {comm} --close active");
        let mut load = Load::start(&netns, &format!("connect --served {arguments}"))?;
        split(&load.step()?, count, 0)?;
        Ok::<_, anyhow::Error>(load)
    };
    run(CLOSED, "closing")?.finish()?;
    let open = run(OPEN, "keeping")?;
    wait_for_time_wait(&netns, PORT, CLOSED, LIMIT)?;

    let nobody = (None, "unknown".to_owned());
    let keeping = (Some(open.pid()), "keeping".to_owned());
    let expected = Owners::from([
        (nobody, (CLOSED.try_into()?, CLOSED.try_into()?)),
        (keeping, (OPEN.try_into()?, 0)),
    ]);
    let inode = netns.inode().to_string();
    for more in [&[] as &[_], &["--watch", "1s"]] {
        let snapshot = take(context, &[&["--netns", &inode], more].concat())?;
        let owners = owners_of(&snapshot, &netns, V4)?;
        ensure!(owners == expected, "{more:?}: {owners:?}, not {expected:?}");
    }
    Ok(())
}

/// A connection is who opened it, where portex saw that; else who has it open.
pub(super) fn handed_over(context: &Context<'_>) -> Result<()> {
    const COUNT: usize = 10;
    let netns = NetNs::new()?;
    let inode = netns.inode().to_string();
    let _server = Load::start(&netns, &format!("serve --listen {V4}"))?;
    let arguments = format!("hand-over --dst {V4} --count {COUNT} --how inherit");
    let mut load = Load::start(&netns, &arguments)?;
    let watch = Watch::start(context, &["--netns", &inode])?;
    let facts = load.facts()?;
    load.wait_for_exit()?;
    let mut greetings = facts.iter().filter_map(|fact| match fact {
        Fact::Hello { pid } => Some(*pid),
        _ => None,
    });
    let heir = greetings.next().context("no heir")?;
    let watched = watch.finish()?;
    let found = take(context, &["--netns", &inode])?;
    for (snapshot, pid) in [(&watched, load.pid()), (&found, heir)] {
        let owners = owners_of(snapshot, &netns, V4)?;
        let pids: Vec<_> = owners.keys().map(|(pid, _)| *pid).collect();
        ensure!(pids == [Some(pid)], "{owners:?}, not {pid}");
    }
    // The heir ends.
    load.step()?;
    Ok(())
}

/// A ring buffer that is too small on purpose: what events did not tell, a look at the host does.
pub(super) fn after_losses(context: &Context<'_>) -> Result<()> {
    const CHURN: usize = 300;
    const OPEN: usize = 100;
    let netns = NetNs::new()?;
    let churn = format!("connect --dst {V4} --count {CHURN} --churn --peer close --close active");
    let mut churn = Load::start(&netns, &churn)?;
    let keep = format!("connect --dst {OTHER} --count {OPEN} --comm keeping");
    let mut keep = Load::start(&netns, &keep)?;
    let inode = netns.inode().to_string();
    let watch = Watch::start(context, &["--netns", &inode, "--ring-size", "4096"])?;
    watch.signal(Signal::STOP)?;
    split(&churn.step()?, CHURN, 0)?;
    split(&keep.step()?, OPEN, 0)?;
    watch.signal(Signal::CONT)?;
    let snapshot = watch.finish()?;
    ensure!(snapshot.lost > 0, "nothing was lost");
    let rows = held(&netns)?;
    for dst in [V4, OTHER] {
        let to: SocketAddr = dst.parse()?;
        let space = snapshot.space(netns.inode(), to.ip(), to.port())?;
        let listed = ports(&rows, |held| held.remote == to)?;
        ensure!(
            (space.used, space.time_wait) == listed,
            "the kernel lists {listed:?}: {space:?}"
        );
    }
    let keeping = (Some(keep.pid()), "keeping".to_owned());
    let expected = Owners::from([(keeping, (OPEN.try_into()?, 0))]);
    let owners = owners_of(&snapshot, &netns, OTHER).context("open connections")?;
    ensure!(owners == expected, "{owners:?}, not {expected:?}");
    Ok(())
}
