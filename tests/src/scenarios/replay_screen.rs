//! A recording on a screen: as slow and as fast as the user wants, up to what it came to.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use super::V4;
use super::on_screen::OnScreen;
use super::record::{Recording, record};
use crate::load::Load;
use crate::netns::NetNs;
use crate::runner::Context;
use crate::screen::{Size, Terminal};

/// Connections of a step of the workload, and steps: each connection leaves its port in TIME_WAIT.
const COUNT: usize = 10;
const STEPS: usize = 5;
const SIZE: Size = (140, 30);

pub(super) fn run(context: &Context<'_>) -> Result<()> {
    // Without a terminal there is nothing to record for.
    drop(Terminal::open(SIZE, &[])?);
    let netns = NetNs::with_ports(40_000, 40_099)?;
    netns.sysctl("ipv4/tcp_tw_reuse", "0")?;
    let inode = netns.inode().to_string();
    let file = Recording::new("screen");
    let arguments = format!(
        "connect --dst {V4} --count {COUNT} --peer close --close active --rounds 100 --churn"
    );
    let mut load = Load::start(&netns, &arguments)?;
    let tracer = record(context, file.path()?, &["--netns", &inode])?;
    for _ in 0..STEPS {
        load.step()?;
        std::thread::sleep(Duration::from_secs(1));
    }
    let ended = tracer.stop(Signal::INT)?;
    ensure!(ended.status.success(), "{}", ended.stderr);

    // As it begins, it would take longer than anybody waits.
    let arguments = format!("top --replay '{}' --speed 0.001", file.path()?);
    let top = OnScreen::start(context, &arguments, SIZE, &[])?;
    top.terminal.wait_for_text("REPLAY 0:00 x0.001")?;
    for speed in ["x0.25", "x0.5", "x1", "x2"] {
        top.terminal.keys(&["]"])?;
        top.terminal.wait_for_text(speed)?;
    }
    top.terminal.keys(&["["])?;
    top.terminal.wait_for_text("x1")?;
    let screen = top.terminal.wait_for_text(" END")?;
    let used = screen
        .table("DESTINATION")
        .and_then(|table| table.cell("127.0.0.1", "USED/ALL"))
        .with_context(|| format!("no space:\n{screen}"))?;
    let expected = format!("{}/100", COUNT * STEPS);
    ensure!(used == expected, "{used} and not {expected}:\n{screen}");
    // What it came to stays, and can be looked into.
    top.terminal.keys(&["Enter"])?;
    top.terminal.wait_for_text("PORT MAP 40000-40099")?;
    top.terminal.keys(&["Escape"])?;
    top.terminal.wait_for_text("USED/ALL")?;
    top.terminal.keys(&["q"])?;
    let (code, screen) = top.restored()?;
    ensure!(code == 0, "ended with {code}:\n{screen}");
    top.left_nothing()
}
