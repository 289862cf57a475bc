//! What to look at in the demo, by what is to be seen.

use super::{
    places::{DATABASE, PAYMENTS},
    roles::Role,
};
use crate::attribution::snapshot::{Process, Snapshot, Space};

#[cfg(test)]
mod tests;

/// Of the first space, from when on its blocked ports are of interest.
const SOME: f64 = 0.3;
/// From when on the leak is.
const HALF: f64 = 0.5;
/// From when on the map of its ports is.
const MOST: f64 = 0.75;
/// Ports that tell a leak from a busy process.
const LEAK: u32 = 10;
/// Failures after which the next advice comes: about ten seconds of them.
const FAILURES: u64 = 300;

const STARTING: &str = "Each row will be one source and one destination: a space of ports.";
const EXHAUSTS: &str = "EXH IN counts down: checkout leaves each port in TIME_WAIT for 60 s.";
const BLOCKED: &str = "The row of legacy: it binds before it connects, and takes ports from all.";
const LEAKING: &str = "Press 2: the PORTS of reports only grow, none is in TW. It closes nothing.";
const NEARLY: &str = "Nearly full: Enter on the first row, then m for the map of its ports.";
const FAILING: &str = "No port left: connect() of checkout fails. Press 3 for failures.";
const MAP: &str = "No port left: press 1, Enter, then m for the map: TIME_WAIT has them.";
const POOL: &str = "Press 5: bind() to port 0 has none left either. It shares the range.";
const AGAIN: &str = "TIME_WAITs end after 60 s: checkout connects again, until the next wave.";

/// One line, no longer than 76 columns, for who watches the demo.
///
/// Before the first failure it leads from one thing to the next as the space of `checkout` fills;
/// then, from one failure to the next.
pub fn advice(snapshot: &Snapshot) -> &'static str {
    let Some(space) = space(snapshot) else {
        return STARTING;
    };
    let failures = space.failures.unwrap_or(0);
    if failures > 0 {
        let failing = space.rates.is_none_or(|rates| rates.failures > 0.0);
        return if failing {
            while_failing(failures)
        } else {
            AGAIN
        };
    }
    match space.fill {
        MOST.. => NEARLY,
        HALF.. if leaks(snapshot) => LEAKING,
        SOME.. if space.blocked > 0 => BLOCKED,
        _ => EXHAUSTS,
    }
}

fn while_failing(failures: u64) -> &'static str {
    match failures / FAILURES % 3 {
        0 => FAILING,
        1 => MAP,
        _ => POOL,
    }
}

/// The one that fills up.
fn space(snapshot: &Snapshot) -> Option<&Space> {
    let to = (PAYMENTS.ip(), PAYMENTS.port());
    let mut spaces = snapshot.spaces.iter();
    spaces.find(|space| (space.dst, space.dst_port) == to)
}

fn leaks(snapshot: &Snapshot) -> bool {
    let leaks = |process: &Process| {
        process.holder.comm == Role::Reports.name().as_bytes()
            && process.ports >= LEAK
            && process.time_wait == 0
            && process.top.is_some_and(|top| top.dst == DATABASE.ip())
    };
    snapshot.processes.iter().any(leaks)
}
