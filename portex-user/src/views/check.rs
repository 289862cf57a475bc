//! `portex check`: one status line with performance data, by the guidelines of monitoring plugins.

use std::fmt::Write as _;

use self::ports::Ports;
use super::snapshot::{
    names::{self, Names, fit},
    numbers::brief,
};
use crate::{
    attribution::snapshot::{BindPool, Snapshot, Space},
    escape,
    event::Proto,
};

mod failures;
mod ports;

/// The longest problem of an UNKNOWN line, in characters: some agents cut at 1 KiB.
const LONGEST: usize = 600;

/// From which share of taken ports on there is an alarm.
#[derive(Clone, Copy, Debug)]
pub struct Thresholds {
    /// WARNING from this share on, 0 to 1.
    pub warn: f64,
    /// CRITICAL from this share on, 0 to 1; goes before a warning.
    pub crit: f64,
}

/// The answer of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Ports enough.
    Ok,
    /// Ports run short.
    Warning,
    /// Ports ran out, or nearly.
    Critical,
    /// Nobody can tell.
    Unknown,
}

impl Status {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }

    /// The name in the status line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// Judges the fullest space and the fullest bind pool of each protocol by the thresholds; a connect() or
/// bind that got no port is critical. The line has no line feed at its end.
pub fn check(snapshot: &Snapshot, thresholds: &Thresholds) -> (Status, String) {
    let shares = 0.0..=1.0;
    if !shares.contains(&thresholds.warn) || !shares.contains(&thresholds.crit) {
        let problem = "a threshold is not between 0 % and 100 %";
        return (Status::Unknown, unknown(problem));
    }
    let names = Names::of(snapshot);
    let space = fullest(snapshot.spaces.iter(), Ports::of_space);
    let pools = [(Proto::Tcp, "pool"), (Proto::Udp, "udp_pool")].map(|(proto, label)| {
        let of_it = snapshot.bind_pools.iter();
        let of_it = of_it.filter(|pool| pool.proto == proto && pool.is_needed());
        (label, fullest(of_it, Ports::of_pool))
    });

    let mut status = Status::Ok;
    let mut said = Vec::new();
    let failures = [failures::connects, failures::binds];
    for failures in failures
        .into_iter()
        .filter_map(|told| told(snapshot, &names))
    {
        status = Status::Critical;
        said.push(failures);
    }
    match space {
        Some((space, ports)) => {
            status = status.max(ports.judge(thresholds));
            said.push(space_text(space, ports, &names));
        }
        None => said.push("no outbound connections".to_owned()),
    }
    for (pool, ports) in pools.iter().filter_map(|(_, fullest)| *fullest) {
        let alarm = ports.judge(thresholds);
        if alarm > Status::Ok {
            status = status.max(alarm);
            said.push(pool_text(pool, ports, &names));
        }
    }
    if snapshot.hidden_namespaces > 0 {
        // What is there may be worse.
        if status == Status::Ok {
            status = Status::Unknown;
        }
        said.push(format!(
            "network namespaces that could not be looked into: {}",
            snapshot.hidden_namespaces
        ));
    }
    if snapshot.lost > 0 {
        said.push(format!("events lost: {}", snapshot.lost));
    }

    let mut line = line(status, &said.join("; "));
    line.push_str(" |");
    if let Some((_, ports)) = space {
        ports.measure(&mut line, "space", thresholds);
    }
    for (label, fullest) in pools {
        if let Some((_, ports)) = fullest {
            ports.measure(&mut line, label, thresholds);
        }
    }
    let waiting = snapshot.namespaces.iter().map(|n| u64::from(n.time_wait));
    // Writing to a String cannot fail.
    let _ok = write!(line, " time_wait={};;;0", waiting.sum::<u64>());
    if snapshot.watched.is_some() {
        let failures = snapshot.spaces.iter().filter_map(|space| space.failures);
        let failed = failures.fold(0, u64::saturating_add);
        // No `c`: that is for a counter that goes on from run to run.
        let _ok = write!(line, " failures={failed};;0;0");
        let failures = snapshot.bind_pools.iter().filter_map(|pool| pool.failures);
        let failed = failures.fold(0, u64::saturating_add);
        let _ok = write!(line, " bind_failures={failed};;0;0");
    }
    (status, line)
}

/// The line that says that nobody can tell, and why.
pub fn unknown(problem: &str) -> String {
    let words: Vec<&str> = problem.split_whitespace().collect();
    let flat = escape::text(words.join(" ").as_bytes());
    line(Status::Unknown, &fit(&flat, LONGEST))
}

/// A `|` would begin the performance data.
fn line(status: Status, text: &str) -> String {
    let text = text.replace('|', r"\u{7c}");
    format!("PORTEX {} - {text}", status.name())
}

fn fullest<'a, T>(
    items: impl Iterator<Item = &'a T>,
    ports: impl Fn(&T) -> Ports,
) -> Option<(&'a T, Ports)> {
    let all = items.map(|item| (item, ports(item)));
    all.reduce(|most, next| {
        if next.1.share() > most.1.share() {
            next
        } else {
            most
        }
    })
}

fn space_text(space: &Space, ports: Ports, names: &Names<'_>) -> String {
    let netns = names.shown(space.netns);
    let forecast = match space.exhausts_in {
        Some(time) if space.free > 0 => {
            format!(", the next connect() fails in {} at this rate", brief(time))
        }
        _ => String::new(),
    };
    let route = names::route(space);
    format!(
        "fullest space {route} ({netns}): {}{forecast}",
        ports.text()
    )
}

fn pool_text(pool: &BindPool, ports: Ports, names: &Names<'_>) -> String {
    let name = pool_name(pool, names);
    let owner = pool.owners.first().map_or(String::new(), |owner| {
        format!(", most held by {}", names::holder(&owner.holder))
    });
    format!("bind pool {name}: {}{owner}", ports.text())
}

/// `udp 0.0.0.0 (host)`.
fn pool_name(pool: &BindPool, names: &Names<'_>) -> String {
    let netns = names.shown(pool.netns);
    format!("{} {} ({netns})", pool.proto.name(), pool.src)
}

#[cfg(test)]
mod tests;
