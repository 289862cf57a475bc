//! `--states`: every state of a connection, in order.

use anyhow::{Result, ensure};
use rustix::process::Signal;

use super::{PORT, V4, split};
use crate::event::Event;
use crate::load::Load;
use crate::netns::NetNs;
use crate::runner::Context;
use crate::tracer::Tracer;

pub(super) fn run(context: &Context<'_>) -> Result<()> {
    // Two ports: two connections, and a third that gets none.
    let netns = NetNs::with_ports(40_000, 40_001)?;
    let arguments = format!("connect --dst {V4} --failures 1 --peer close --close active");
    let mut load = Load::start(&netns, &arguments)?;
    let inode = netns.inode().to_string();
    let tracer = Tracer::start(
        context.portex,
        context.way,
        &["--states", "--netns", &inode],
    )?;
    let connects = load.step()?;
    let (taken, failed) = split(&connects, 2, 1)?;
    load.step()?;
    let ended = tracer.stop(Signal::INT)?;

    let whole = [
        "CLOSE>SYN_SENT",
        "SYN_SENT>ESTABLISHED",
        "ESTABLISHED>FIN_WAIT1",
        "FIN_WAIT1>FIN_WAIT2",
        "FIN_WAIT2>TIME_WAIT",
    ];
    let states: Vec<&Event> = ended
        .events
        .iter()
        .filter(|event| event.kind() == "state")
        .collect();
    for connect in &taken {
        let port = u64::from(connect.local.port());
        let of_it = ended
            .events
            .iter()
            .find(|event| event.kind() == "connect" && event.number("src_port") == Some(port));
        let socket = of_it.map(|event| event.value("socket")).unwrap_or_default();
        ensure!(!socket.is_null(), "no connect from port {port}");
        let found: Vec<String> = states
            .iter()
            .filter(|event| event.value("socket") == socket)
            .map(|event| transition(event))
            .collect();
        ensure!(found == whole, "port {port}: {found:?}, not {whole:?}");
    }
    let wanted = taken.len() * whole.len() + failed.len() * 2;
    let all: Vec<String> = states.iter().map(|event| event.line()).collect();
    ensure!(
        all.len() == wanted,
        "{} states, not {wanted}:\n{}",
        all.len(),
        all.join("\n")
    );
    let closed = states
        .iter()
        .filter(|event| transition(event) == "SYN_SENT>CLOSE")
        .count();
    ensure!(
        closed == 1,
        "{closed} times SYN_SENT>CLOSE, not once:\n{}",
        all.join("\n")
    );
    let elsewhere = states
        .iter()
        .any(|event| event.number("dst_port") != Some(PORT.into()));
    ensure!(
        !elsewhere,
        "a state of the listening side:\n{}",
        all.join("\n")
    );
    Ok(())
}

fn transition(event: &Event) -> String {
    format!("{}>{}", event.text("from"), event.text("to"))
}
