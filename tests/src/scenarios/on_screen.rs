//! portex in a terminal: how it is started there, and what it must leave when it ends.

use anyhow::{Context as _, Result, ensure};

use crate::bpf::Loaded;
use crate::runner::Context;
use crate::screen::{Screen, Settings, Size, Terminal};

/// What is on the screen before, as the shell writes it, and as it was typed.
const BEFORE: (&str, &str) = ("written-42-before", "echo written-$((6*7))-before");
const AFTER: (&str, &str) = ("written-42-after", "echo written-$((6*7))-after");

/// A terminal in which portex has the screen.
pub(super) struct OnScreen {
    pub(super) terminal: Terminal,
    settings: Settings,
    loaded: Loaded,
    command: String,
}

impl OnScreen {
    /// Starts portex with these arguments, and returns when it has the screen.
    pub(super) fn start(
        context: &Context<'_>,
        arguments: &str,
        size: Size,
        variables: &[(&str, &str)],
    ) -> Result<Self> {
        let terminal = Terminal::open(size, variables)?;
        terminal.enter(BEFORE.1)?;
        terminal.wait_for_text(BEFORE.0)?;
        let portex = context.portex.display();
        let on_screen = Self {
            settings: terminal.settings()?,
            loaded: Loaded::now()?,
            command: format!("'{portex}' {arguments}; echo EXIT=$?"),
            terminal,
        };
        on_screen.again()?;
        Ok(on_screen)
    }

    /// Starts it once more, where it has ended.
    pub(super) fn again(&self) -> Result<()> {
        self.terminal.enter("clear")?;
        self.terminal.enter(BEFORE.1)?;
        self.terminal.wait_for_text(BEFORE.0)?;
        self.terminal.enter(&self.command)?;
        self.has_the_screen().map(drop)
    }

    /// Waits until nothing but portex is seen, and something of it.
    pub(super) fn has_the_screen(&self) -> Result<Screen> {
        self.terminal.wait_for("portex", |screen| {
            !screen.contains(BEFORE.0) && screen.contains("portex") && !screen.contains("EXIT=")
        })
    }

    /// Waits until the shell has the terminal again, as it was, and returns the exit code.
    pub(super) fn restored(&self) -> Result<(i32, Screen)> {
        let screen = self
            .terminal
            .wait_for("an exit code", |screen| exit_code(screen).is_some())?;
        let code = exit_code(&screen).context("no exit code")?;
        self.as_before()?;
        Ok((code, screen))
    }

    /// Whether the terminal is as it was: text, settings, cursor, and a line that is typed.
    pub(super) fn as_before(&self) -> Result<()> {
        let screen = self.terminal.screen()?;
        ensure!(
            screen.contains(BEFORE.0),
            "what was on the screen is gone:\n{screen}"
        );
        let settings = self.terminal.settings()?;
        ensure!(
            settings == self.settings,
            "the terminal was {:#?} and is {settings:#?}",
            self.settings
        );
        self.terminal.write(AFTER.1)?;
        self.terminal
            .wait_for_text(AFTER.1)
            .context("what is typed is not seen")?;
        self.terminal.keys(&["Enter"])?;
        self.terminal.wait_for_text(AFTER.0).map(drop)
    }

    /// Whether portex has set the terminal to its needs.
    pub(super) fn has_taken_the_terminal(&self) -> Result<()> {
        let settings = self.terminal.settings()?;
        ensure!(
            settings != self.settings,
            "the terminal is as before: {settings:#?}"
        );
        Ok(())
    }

    /// Whether portex has loaded programs that are gone when it has ended.
    pub(super) fn loads(&self) -> Result<()> {
        let (programs, maps) = self.loaded.new_since()?;
        ensure!(programs > 0 && maps > 0, "no programs are loaded");
        Ok(())
    }

    /// Waits until nothing of it is in the kernel.
    pub(super) fn left_nothing(&self) -> Result<()> {
        self.loaded.wait_for_nothing_new()
    }

    /// Ends it as its user does, and looks for what is left.
    pub(super) fn quit(&self) -> Result<()> {
        self.loads()?;
        self.terminal.keys(&["q"])?;
        let (code, screen) = self.restored()?;
        ensure!(code == 0, "ended with {code}:\n{screen}");
        self.left_nothing()
    }
}

/// Of the command that was started; not what was typed to have it. Not always at the beginning of a line:
/// a terminal whose size has changed meanwhile may be back in the middle of one.
fn exit_code(screen: &Screen) -> Option<i32> {
    screen
        .lines()
        .filter_map(|line| line.split_once("EXIT="))
        .find_map(|(_, code)| code.trim().parse().ok())
}
