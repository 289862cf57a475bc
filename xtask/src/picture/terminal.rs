//! A terminal to run a program in: a tmux server that nobody else talks to.

use std::{
    env, fs,
    path::PathBuf,
    process::{Command, id},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::process;

/// The server ends by itself then, whatever became of this process.
const LIFETIME_SECONDS: u32 = 600;

/// Ends with its value, and what runs in it.
#[derive(Debug)]
pub(super) struct Terminal {
    socket: PathBuf,
}

impl Terminal {
    /// Runs a shell command in a terminal of this size.
    pub(super) fn run(command: &str, columns: usize, rows: usize) -> Result<Self> {
        let terminal = Self {
            socket: env::temp_dir().join(format!("portex-picture-{}", id())),
        };
        let size = ["-x", &columns.to_string(), "-y", &rows.to_string()].map(str::to_owned);
        process::output(
            terminal
                .tmux(&[
                    "start-server",
                    ";",
                    "set-option",
                    "-g",
                    "default-terminal",
                    "screen-256color",
                ])
                .args([";", "set-option", "-g", "remain-on-exit", "on"])
                .args([";", "new-session", "-d"])
                .args(size)
                .args([command, ";", "run-shell", "-b", "-d"])
                .args([&LIFETIME_SECONDS.to_string(), "-C", "kill-server"]),
        )?;
        Ok(terminal)
    }

    /// Presses keys, by the names that tmux has for them.
    pub(super) fn press(&self, keys: &[&str]) -> Result<()> {
        process::output(self.tmux(&["send-keys"]).args(keys)).map(drop)
    }

    /// Gives it another size.
    pub(super) fn resize(&self, columns: usize, rows: usize) -> Result<()> {
        let (columns, rows) = (columns.to_string(), rows.to_string());
        process::output(&mut self.tmux(&["resize-window", "-x", &columns, "-y", &rows])).map(drop)
    }

    /// The screen, with its colours as escape sequences.
    pub(super) fn screen(&self) -> Result<String> {
        process::output(&mut self.tmux(&["capture-pane", "-e", "-N", "-p"]))
    }

    /// The screen, as soon as it is as wanted; an error that shows it after `limit`.
    pub(super) fn wait(&self, limit: Duration, wanted: impl Fn(&str) -> bool) -> Result<String> {
        let end = Instant::now() + limit;
        loop {
            let screen = self.screen()?;
            if wanted(&screen) {
                return Ok(screen);
            }
            if Instant::now() > end {
                bail!("after {limit:?} the screen is not what it is to show:\n{screen}\x1b[0m");
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn tmux(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command
            .args(["-u", "-f", "/dev/null", "-S"])
            .arg(&self.socket)
            .args(arguments)
            // Not that of another tmux, if this runs in one.
            .env_remove("TMUX")
            .env_remove("NO_COLOR")
            .env("LC_ALL", "C.UTF-8");
        command
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It has ended already where this fails. tmux leaves its socket behind.
        let _ = process::output(&mut self.tmux(&["kill-server"]));
        let _ = fs::remove_file(&self.socket);
    }
}
