//! However `portex top` ends, the shell has its terminal back as it was.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::on_screen::OnScreen;
use crate::netns::NetNs;
use crate::runner::Context;
use crate::screen::Size;

const SIZE: Size = (120, 40);

/// By signals, by keys, and with the terminal gone.
pub(super) fn run(context: &Context<'_>) -> Result<()> {
    let netns = NetNs::new()?;
    let top = OnScreen::start(context, &arguments(&netns), SIZE, &[])?;
    let signals = [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT];
    for signal in signals {
        let ended = ends(&top, || Ok(kill_process(program(&top)?, signal)?));
        ended.with_context(|| format!("{signal:?}"))?;
        top.again()?;
    }
    ends(&top, || top.terminal.keys(&["C-c"])).context("Ctrl-C")?;
    top.again()?;
    suspends(&top).context("Ctrl-Z")?;
    top.again()?;
    hangs_up(&top).context("the terminal is closed")
}

/// A panic in the thread that draws.
pub(super) fn panics(context: &Context<'_>) -> Result<()> {
    let netns = NetNs::new()?;
    let panic = [("PORTEX_TEST_PANIC", "screen")];
    let top = OnScreen::start(context, &arguments(&netns), SIZE, &panic)?;
    let (code, screen) = top.restored()?;
    ensure!(code > 0, "ended with {code}:\n{screen}");
    let message = screen.row("panicked at").context("no message")?;
    ensure!(message.starts_with("thread "), "not readable:\n{screen}");
    top.left_nothing()
}

fn arguments(netns: &NetNs) -> String {
    format!("top --netns {}", netns.inode())
}

fn program(top: &OnScreen) -> Result<Pid> {
    let pid = i32::try_from(top.terminal.program()?)?;
    Pid::from_raw(pid).context("no process")
}

/// Ended properly, whoever asked for it.
fn ends(top: &OnScreen, end: impl FnOnce() -> Result<()>) -> Result<()> {
    top.has_taken_the_terminal()?;
    top.loads()?;
    end()?;
    let (code, screen) = top.restored()?;
    ensure!(code == 0, "ended with {code}:\n{screen}");
    top.left_nothing()
}

/// The shell gets the terminal, and portex gets it again.
fn suspends(top: &OnScreen) -> Result<()> {
    top.terminal.keys(&["C-z"])?;
    let (code, screen) = top.restored()?;
    let stopped = 128 + Signal::TSTP.as_raw();
    ensure!(code == stopped, "{code} and not {stopped}:\n{screen}");
    top.terminal.enter("clear; fg; echo EXIT=$?")?;
    top.has_the_screen()?;
    top.has_taken_the_terminal()?;
    top.loads()?;
    top.terminal.keys(&["q"])?;
    top.terminal.wait_for_text("EXIT=0")?;
    top.left_nothing()
}

fn hangs_up(top: &OnScreen) -> Result<()> {
    top.loads()?;
    // Not that of a process which has ended and waits for its parent.
    let exe = PathBuf::from(format!("/proc/{}/exe", top.terminal.program()?));
    top.terminal.close()?;
    let end = Instant::now() + Duration::from_secs(20);
    while exe.read_link().is_ok() {
        ensure!(Instant::now() < end, "it still runs");
        std::thread::sleep(Duration::from_millis(20));
    }
    top.left_nothing()
}
