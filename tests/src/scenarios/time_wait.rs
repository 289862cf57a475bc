//! Arranging `TIME_WAITs`: connections that are closed, and what the kernel lists of them.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::{PORT, split};
use crate::event::Event;
use crate::expect::Expected;
use crate::fact::Connect;
use crate::load::Load;
use crate::netns::NetNs;
use crate::procnet::wait_for_time_wait;

/// How long the entry may take: a delayed ACK, on a slow machine.
const ENTRY_LIMIT: Duration = Duration::from_secs(15);

/// Runs one more `connect` workload of so many connects in the namespace to its end.
pub(super) fn open_and_close(netns: &NetNs, count: usize, arguments: &str) -> Result<Vec<Connect>> {
    let mut load = Load::start(netns, &format!("connect --count {count} {arguments}"))?;
    let connects = load.step()?;
    split(&connects, count, 0)?;
    load.step()?;
    load.finish()?;
    Ok(connects)
}

/// The kernel holds the addresses of exactly these connections.
pub(super) fn kernel_agrees(netns: &NetNs, connects: &[Connect]) -> Result<()> {
    let held = wait_for_time_wait(netns, PORT, connects.len(), ENTRY_LIMIT)?;
    let wanted: BTreeSet<_> = connects.iter().map(|connect| connect.local).collect();
    ensure!(held == wanted, "in TIME_WAIT are {held:?}, not {wanted:?}");
    Ok(())
}

/// The ids under which connections were told, each once.
pub(super) fn sockets_of_connects(events: &[Event]) -> BTreeSet<String> {
    events
        .iter()
        .filter(|event| event.kind() == "connect")
        .map(|event| event.text("socket").to_owned())
        .collect()
}

/// The three events of each connection.
pub(super) fn whole_lives(connects: &[Connect], substate: &str, reason: &str) -> Vec<Expected> {
    let life = |connect| {
        [
            Expected::connect(connect),
            Expected::time_wait(connect, substate),
            Expected::released_time_wait(connect, reason),
        ]
    };
    connects.iter().flat_map(life).collect()
}
