//! `portex check`: one status line with performance data, by the guidelines of monitoring plugins.

use std::fmt::Write as _;

use super::snapshot::{
    names::{self, Names, fit},
    numbers::{brief, percent, share},
};
use crate::{
    attribution::snapshot::{BindPool, Snapshot, Space},
    escape,
};

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

/// Judges the fullest space and the fullest bind pool by the thresholds; a connect() that got no port
/// is critical. The line has no line feed at its end.
pub fn check(snapshot: &Snapshot, thresholds: &Thresholds) -> (Status, String) {
    let shares = 0.0..=1.0;
    if !shares.contains(&thresholds.warn) || !shares.contains(&thresholds.crit) {
        let problem = "a threshold is not between 0 % and 100 %";
        return (Status::Unknown, unknown(problem));
    }
    let names = Names::of(snapshot);
    let space = fullest(&snapshot.spaces, Ports::of_space);
    // A pool that nobody binds from is of no account: connections to many destinations fill it.
    let in_use: Vec<_> = snapshot
        .bind_pools
        .iter()
        .filter(|pool| pool.bound > 0)
        .cloned()
        .collect();
    let pool = fullest(&in_use, Ports::of_pool);

    let mut status = Status::Ok;
    let mut said = Vec::new();
    if let Some(failures) = failures(snapshot, &names) {
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
    if let Some((pool, ports)) = pool {
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
    if let Some((_, ports)) = pool {
        ports.measure(&mut line, "pool", thresholds);
    }
    let waiting = snapshot.namespaces.iter().map(|n| u64::from(n.time_wait));
    // Writing to a String cannot fail.
    let _ok = write!(line, " time_wait={};;;0", waiting.sum::<u64>());
    if snapshot.watched.is_some() {
        let failures = snapshot.spaces.iter().filter_map(|space| space.failures);
        let failed = failures.fold(0, u64::saturating_add);
        // No `c`: that is for a counter that goes on from run to run.
        let _ok = write!(line, " failures={failed};;0;0");
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

/// Ports of a range, and how many are left.
#[derive(Clone, Copy)]
struct Ports {
    capacity: u32,
    free: u32,
    exact: bool,
}

impl Ports {
    fn of_space(space: &Space) -> Self {
        Self {
            capacity: space.capacity,
            free: space.free,
            exact: space.exact,
        }
    }

    fn of_pool(pool: &BindPool) -> Self {
        Self {
            capacity: pool.capacity,
            free: pool.free,
            exact: pool.exact,
        }
    }

    fn share(self) -> f64 {
        share(self.capacity, self.free)
    }

    fn judge(self, thresholds: &Thresholds) -> Status {
        if self.free < self.enough(thresholds.crit) {
            Status::Critical
        } else if self.free < self.enough(thresholds.warn) {
            Status::Warning
        } else {
            Status::Ok
        }
    }

    /// The fewest free ports with which the taken ones are below a share.
    fn enough(self, threshold: f64) -> u32 {
        // What is whole in decimal may be a little more in binary.
        let taken = (f64::from(self.capacity) * threshold - 1e-6)
            .ceil()
            .max(0.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number from 0 to the capacity"
        )]
        let taken = taken as u32;
        self.capacity - taken + 1
    }

    /// Performance data, `label=value;warn;crit;min;max`: `80` is an alarm above, `5647:` below.
    fn measure(self, line: &mut String, label: &str, thresholds: &Thresholds) {
        let Self { capacity, free, .. } = self;
        let fill = percent(self.share());
        let (warn, crit) = (rounded(thresholds.warn), rounded(thresholds.crit));
        let (enough, least) = (self.enough(thresholds.warn), self.enough(thresholds.crit));
        let _ok = write!(
            line,
            " {label}_fill={fill};{warn};{crit};0;100 {label}_free={free};{enough}:;{least}:;0;{capacity}"
        );
    }

    fn text(self) -> String {
        let Self { capacity, free, .. } = self;
        let bound = if self.exact { "" } else { " (lower bound)" };
        let fill = percent(self.share());
        format!("{fill} of {capacity} ports, {free} free{bound}")
    }
}

/// A share in per cent, to a thousandth.
fn rounded(share: f64) -> f64 {
    (share * 1e5).round() / 1e3
}

fn fullest<T>(items: &[T], ports: impl Fn(&T) -> Ports) -> Option<(&T, Ports)> {
    let all = items.iter().map(|item| (item, ports(item)));
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
    let netns = names.shown(pool.netns);
    format!("bind pool {} ({netns}): {}", pool.src, ports.text())
}

/// How many connect() got no port, where most of them, and which process of that namespace had most.
fn failures(snapshot: &Snapshot, names: &Names<'_>) -> Option<String> {
    let count = |space: &Space| space.failures.unwrap_or(0);
    let failing = || snapshot.spaces.iter().filter(|space| count(space) > 0);
    let total: u64 = failing().map(count).sum();
    let space = failing().max_by_key(|space| (count(space), space.used))?;
    let most = if failing().count() > 1 { ", most" } else { "" };
    let process = snapshot
        .processes
        .iter()
        .filter(|process| process.netns == space.netns)
        .filter(|process| process.failures.is_some_and(|count| count > 0))
        .max_by_key(|process| (process.failures, process.ports))
        .map_or(String::new(), |process| {
            format!(", {}", names::holder(&process.holder))
        });
    let route = names::route(space);
    let netns = names.shown(space.netns);
    Some(format!(
        "{total} connect() got no port{most}: {route} ({netns}){process}"
    ))
}

#[cfg(test)]
mod tests;
