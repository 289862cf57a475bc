//! `portex demo` on a screen: ports run out before one's eyes, and nothing stays.

use anyhow::{Context as _, Result, ensure};

use super::demo::Machine;
use super::on_screen::OnScreen;
use crate::runner::Context;
use crate::screen::Screen;

/// What runs out.
const PAYMENTS: &str = "10.0.0.10:";

pub(super) fn run(context: &Context<'_>) -> Result<()> {
    let before = Machine::now(context.portex)?;
    // Wide enough for all columns.
    let demo = OnScreen::start(context, "demo", (180, 40), &[])?;
    let screen = demo
        .terminal
        .wait_for("connects that get no port", |screen| {
            let more_than_none = |heading| number(screen, heading).is_some_and(|value| value > 0.0);
            ["FAIL/S", "BLOCK", "TW"].into_iter().all(more_than_none)
                && number(screen, "FREE") == Some(0.0)
                && screen.contains("No port left")
        })?;
    ensure!(
        !screen.contains("NETNS"),
        "one namespace needs no column:\n{screen}"
    );
    demo.terminal.keys(&["4"])?;
    let screen = demo.terminal.wait_for_text("INODE")?;
    let netns = screen
        .table("INODE")
        .and_then(|table| table.cell("40000-41023", "INODE"))
        .and_then(|inode| inode.parse().ok());
    let netns = netns.with_context(|| format!("no namespace:\n{screen}"))?;
    demo.quit()?;
    before.is_left(context.portex, netns)
}

fn number(screen: &Screen, heading: &str) -> Option<f64> {
    // A lower bound is as good here: what is free is exact only where all is known.
    let cell = cell(screen, heading)?;
    cell.trim_start_matches(">=").parse().ok()
}

fn cell(screen: &Screen, heading: &str) -> Option<String> {
    screen.table("DESTINATION")?.cell(PAYMENTS, heading)
}
