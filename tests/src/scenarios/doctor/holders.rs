//! Who holds the ports of a destination that is running out of them, and why.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::diagnosis::{Finding, Severity, Watch};
use super::{
    LOW, OF_A_FULL_SPACE, PORTS, Patient, Rule, full_of_time_waits, healthy, remedy, small,
    together,
};
use crate::cli::Way;
use crate::fact::Connect;
use crate::load::Skip;
use crate::parallel::each;
use crate::runner::Context;
use crate::scenarios::{V4, V6, split};

const OTHER: &str = "127.0.0.1:5001";

/// Since when a TIME_WAIT may be taken over, and some more.
const REUSABLE: Duration = Duration::from_millis(2200);

/// So much more time in a connect is time of the search for certain, and more than what is called slow.
const SLOW: Duration = Duration::from_millis(1);

/// So many of the ports are taken: an endangered space, in which a connect still gets one.
const TAKEN: usize = 36;

/// One process opens and closes; what it leaves takes the ports.
pub(in crate::scenarios) fn churn(context: &Context<'_>) -> Result<()> {
    const ID: &str = "time_wait_churn";
    let rule = Rule::new(ID)
        .also(OF_A_FULL_SPACE)
        .also(&["tw_reuse"])
        .fixes(2);
    together(&[
        &|| {
            rule.holds(
                context,
                || {
                    let patient = full_of_time_waits(V4, TAKEN)?;
                    thread::sleep(REUSABLE);
                    Ok(patient)
                },
                |finding, _| {
                    finding.is(Severity::Warning)?;
                    finding.says(&["36", "40", "100.0", V4]).map(drop)
                },
            )
        },
        &|| healthy(context, ID, &full_of_time_waits(V4, TAKEN / 4)?),
        // As full, but of connections.
        &|| healthy(context, ID, &keeping(V4, TAKEN)?),
    ])
}

/// The process that connected is known when portex has seen it.
pub(in crate::scenarios) fn churn_watched(context: &Context<'_>) -> Result<()> {
    const ID: &str = "time_wait_churn";
    let mut patient = small()?;
    patient.netns.sysctl("ipv4/tcp_tw_reuse", "0")?;
    patient.admit(&format!(
        "connect --dst {V4} --count {TAKEN} --peer close --close active --comm churner"
    ))?;
    let watch = Watch::start(context, &patient.netns, &[])?;
    let load = patient.loads.first_mut().context("no load")?;
    split(&load.step()?, TAKEN, 0)?;
    load.step()?;
    let pid = load.pid().to_string();
    let diagnosis = watch.finish()?;
    let finding = diagnosis.one(ID)?;
    finding
        .is_of(&patient.netns)?
        .says(&["churner", &pid, "36"])?;
    Ok(())
}

/// A process with so many connections, which it keeps.
fn keeping(dst: &str, count: usize) -> Result<Patient> {
    let mut patient = small()?;
    keep(&mut patient, dst, count)?;
    Ok(patient)
}

fn keep(patient: &mut Patient, dst: &str, count: usize) -> Result<()> {
    let arguments = format!("connect --dst {dst} --count {count} --comm keeper");
    let connects = patient.admit(&arguments)?.step()?;
    split(&connects, count, 0)?;
    Ok(())
}

/// The printed `ss`, where there is one, lists the process with each of its connections.
fn lists(finding: &Finding, patient: &Patient, count: usize) -> Result<()> {
    let commands = finding.others();
    let command = commands.iter().find(|command| command.contains(" ss "));
    let command = command.with_context(|| format!("no ss: {finding:#?}"))?;
    if let Some(shown) = remedy::show(command, patient)? {
        let pid = format!("pid={},", patient.pid()?);
        let lines = shown.lines().filter(|line| line.contains(&pid)).count();
        ensure!(lines == count, "{lines} lines, not {count}:\n{shown}");
    }
    Ok(())
}

/// One process opens more and more, and closes none.
pub(in crate::scenarios) fn leak(context: &Context<'_>) -> Result<()> {
    const ID: &str = "connection_leak";
    let rule = Rule::new(ID).also(OF_A_FULL_SPACE);
    let leaks = |dst: &str| {
        rule.holds(
            context,
            || keeping(dst, TAKEN),
            |finding, patient| {
                let pid = patient.pid()?;
                finding.says(&["keeper", &pid, "36", "40", dst])?;
                lists(finding, patient, TAKEN)
            },
        )
    };
    together(&[
        &|| leaks(V4),
        &|| leaks(V6),
        &|| healthy(context, ID, &full_of_time_waits(V4, TAKEN)?),
        &|| healthy(context, ID, &keeping(V4, TAKEN / 4)?),
    ])
}

/// The same, seen to grow.
pub(in crate::scenarios) fn leak_watched(context: &Context<'_>) -> Result<()> {
    const ID: &str = "connection_leak";
    each(["--keep", ""], |keep| {
        let mut patient = small()?;
        patient.netns.sysctl("ipv4/tcp_tw_reuse", "0")?;
        patient.admit(&format!(
            "steady --dst {V4} --per-second 14 --most 41 {keep}"
        ))?;
        let watch = Watch::start(context, &patient.netns, &[])?;
        let load = patient.loads.first_mut().context("no load")?;
        split(&load.step()?, 40, 1)?;
        let diagnosis = watch.finish()?;
        if keep.is_empty() {
            diagnosis.one("time_wait_churn")?;
            return diagnosis.none(ID);
        }
        let finding = diagnosis.one(ID)?;
        finding.is_of(&patient.netns)?.is(Severity::Critical)?;
        finding.says(&[&patient.pid()?, "40"])?;
        Ok(())
    })?;
    Ok(())
}

/// One process does not close what its peers have closed.
pub(in crate::scenarios) fn close_wait(context: &Context<'_>) -> Result<()> {
    const ID: &str = "close_wait_leak";
    let open = |peer: &str| {
        let mut patient = small()?;
        patient.admit(&format!("serve --listen {V4} --peer {peer}"))?;
        let arguments = format!("connect --served --dst {V4} --count {TAKEN} --comm forgetful");
        let load = patient.admit(&arguments)?;
        split(&load.step()?, TAKEN, 0)?;
        Ok::<_, anyhow::Error>(patient)
    };
    let rule = Rule::new(ID).also(OF_A_FULL_SPACE);
    together(&[
        &|| {
            rule.holds(
                context,
                || open("first"),
                |finding, patient| {
                    let pid = patient.pid()?;
                    finding.says(&["forgetful", &pid, "36"])?;
                    lists(finding, patient, TAKEN)
                },
            )
        },
        &|| healthy(context, ID, &open("ignore")?),
    ])
}

/// Nobody is to blame: many processes have a few connections each, or ports are bound.
pub(in crate::scenarios) fn space_full(context: &Context<'_>) -> Result<()> {
    const ID: &str = "space_full";
    let rule = Rule::new(ID)
        .also(OF_A_FULL_SPACE)
        .also(&["pool_exhausted"])
        .fixes(1);
    let crowd = || {
        let mut patient = small()?;
        patient.admit(&format!("serve --listen {V4} --peer ignore"))?;
        for _ in 0..3 {
            let arguments = format!("connect --served --dst {V4} --count {}", TAKEN / 3);
            let connects = patient.admit(&arguments)?.step()?;
            split(&connects, TAKEN / 3, 0)?;
        }
        Ok(patient)
    };
    // Bound on another address, they are in the way of any connect.
    let bound = || {
        let mut patient = small()?;
        let arguments = format!("pool --at 127.0.0.9 --binds {}", TAKEN - 4);
        patient.admit(&arguments)?.step()?;
        keep(&mut patient, V4, 4)?;
        Ok(patient)
    };
    // That one has a name.
    together(&[
        &|| {
            rule.holds(context, crowd, |finding, _| {
                finding.is(Severity::Warning)?;
                finding.says(&["36", "40", V4]).map(drop)
            })
        },
        &|| {
            rule.holds(context, bound, |finding, _| {
                finding.says(&["36", "32", "40", V4]).map(drop)
            })
        },
        &|| healthy(context, ID, &keeping(V4, TAKEN / 4)?),
        &|| healthy(context, ID, &keeping(V4, TAKEN)?),
    ])
}

/// All connections go to one address and port.
pub(in crate::scenarios) fn one_destination(context: &Context<'_>) -> Result<()> {
    const ID: &str = "one_destination";
    let rule = Rule::new(ID)
        .also(OF_A_FULL_SPACE)
        .also(&["connection_leak"]);
    together(&[
        &|| {
            rule.holds(
                context,
                || keeping(V4, TAKEN),
                |finding, _| {
                    finding.is(Severity::Notice)?;
                    finding.says(&["36", "100.0", V4]).map(drop)
                },
            )
        },
        &|| {
            let mut two = keeping(V4, TAKEN)?;
            keep(&mut two, OTHER, TAKEN)?;
            healthy(context, ID, &two)
        },
    ])
}

/// All connections come from one address, and there are others.
pub(in crate::scenarios) fn source_addresses(context: &Context<'_>) -> Result<()> {
    const ID: &str = "source_addresses";
    const SERVER: &str = "10.77.0.1:5000";
    const ALSO: &str = "10.77.0.2";
    let open = |both: bool| {
        let mut patient = small()?;
        patient
            .netns
            .add_addresses(&["10.77.0.1".parse()?, ALSO.parse()?])?;
        patient.admit(&format!("serve --listen {SERVER} --peer ignore"))?;
        let load = patient.admit(&format!("connect --served --dst {SERVER} --count {TAKEN}"))?;
        let connects = load.step()?;
        split(&connects, TAKEN, 0)?;
        ensure!(
            connects.iter().all(|connect| !from(connect, ALSO)),
            "not from one address: {connects:?}"
        );
        if both {
            let arguments = format!("bound --served --dst {SERVER} --from {ALSO} --no-port");
            let load = patient.admit(&format!("{arguments} --count 4"))?;
            let connects = load.step()?;
            split(&connects, 4, 0)?;
            ensure!(
                connects.iter().all(|connect| from(connect, ALSO)),
                "not from there: {connects:?}"
            );
        }
        Ok::<_, anyhow::Error>(patient)
    };
    let rule = Rule::new(ID)
        .also(OF_A_FULL_SPACE)
        .also(&["connection_leak"]);
    together(&[
        &|| {
            rule.holds(
                context,
                || open(false),
                |finding, _| {
                    finding.is(Severity::Notice)?;
                    finding.says(&[ALSO, SERVER]).map(drop)
                },
            )
        },
        &|| healthy(context, ID, &open(true)?),
    ])
}

fn from(connect: &Connect, address: &str) -> bool {
    connect.local.ip().to_string() == address
}

/// Plain numbers: so many connects in a second, for as long as one likes.
pub(in crate::scenarios) fn capacity(context: &Context<'_>) -> Result<()> {
    const ID: &str = "capacity";
    // Ports over the sixty seconds of a TIME_WAIT.
    for (high, reserved, ports, rate) in [
        (LOW + 599, "", "600", "10"),
        (LOW + 599, "40000-40299", "300", "5.0"),
        (LOW + PORTS - 1, "", "40", "0.7"),
    ] {
        let patient = small()?;
        let range = format!("{LOW} {high}");
        patient.netns.sysctl("ipv4/ip_local_port_range", &range)?;
        patient
            .netns
            .sysctl("ipv4/ip_local_reserved_ports", reserved)?;
        let diagnosis = super::diagnose(context, &patient.netns)?;
        let finding = diagnosis.one(ID)?;
        finding.is_of(&patient.netns)?.is(Severity::Info)?;
        finding.says(&[ports, rate])?;
    }
    Ok(())
}

/// The search passes over tens of thousands of reserved ports. That takes long on a slow machine: the
/// workload knows.
pub(in crate::scenarios) fn slow_search(context: &Context<'_>) -> Result<()> {
    const ID: &str = "slow_search";
    const COUNT: usize = 32;
    if context.way == Way::Tracepoint {
        let why = "tracepoints do not tell how long a search takes";
        return Err(Skip(why.to_owned()).into());
    }
    let mut times = Vec::new();
    // From one to the next on average, towards the end, when half of the ports are searched in vain.
    for (range, reserved) in [("40000 40079", ""), ("1024 65535", "1024-65495")] {
        let mut patient = small()?;
        patient.netns.sysctl("ipv4/ip_local_port_range", range)?;
        patient
            .netns
            .sysctl("ipv4/ip_local_reserved_ports", reserved)?;
        patient.admit(&format!("connect --dst {V4} --count {COUNT}"))?;
        let watch = Watch::start(context, &patient.netns, &[])?;
        let load = patient.loads.first_mut().context("no load")?;
        let connects = load.step()?;
        split(&connects, COUNT, 0)?;
        let diagnosis = watch.finish()?;
        let mut waits: Vec<u64> = connects
            .windows(2)
            .skip(COUNT - 9)
            .map(|pair| pair[1].at_ns - pair[0].at_ns)
            .collect();
        waits.sort_unstable();
        let median = Duration::from_nanos(waits[waits.len() / 2]);
        times.push(median);
        match times.as_slice() {
            [_] => diagnosis.none(ID)?,
            [room, none] if *none > *room + SLOW => {
                diagnosis.one(ID)?.is_of(&patient.netns)?.says(&[V4])?;
            }
            other => return Err(Skip(format!("searches are fast here: {other:?}")).into()),
        }
    }
    Ok(())
}
