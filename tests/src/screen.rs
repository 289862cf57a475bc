//! A real terminal with a shell in it, whose keys a scenario presses and whose screen it reads: tmux.

mod seen;

use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

pub(crate) use self::seen::{Screen, sets_color};
use crate::load::Skip;

/// How long anything on the screen may take: much longer than it does.
const LIMIT: Duration = Duration::from_secs(60);
/// Between two looks at the screen.
const LOOK: Duration = Duration::from_millis(40);

/// The server ends by itself then, whatever became of the scenario.
const LIFETIME_SECONDS: &str = "300";

/// What the shell says when it waits for a command.
const PROMPT: &str = "ready>";

/// Columns and rows.
pub(crate) type Size = (u16, u16);

/// A terminal with a shell. Both go when it is dropped, and what runs in them hears SIGHUP.
pub(crate) struct Terminal {
    socket: PathBuf,
}

/// How the terminal is set: what `stty` tells, and what it was asked for by escape sequences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    line: String,
    modes: String,
}

impl Terminal {
    /// Opens one, with these variables set in its shell beside a few that it needs.
    pub(crate) fn open(size: Size, variables: &[(&str, &str)]) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("portex-test-{}-{number}", std::process::id());
        let terminal = Self {
            socket: std::env::temp_dir().join(name),
        };
        let (columns, rows) = (size.0.to_string(), size.1.to_string());
        let mut shell = vec!["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"];
        let prompt = format!("PS1={PROMPT} ");
        shell.extend(["TERM=screen-256color", "LC_ALL=C.UTF-8", &prompt]);
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        shell.extend(variables.iter().map(String::as_str));
        shell.push("sh");
        let mut command = terminal.tmux();
        command
            .args(["new-session", "-d", "-x", &columns, "-y", &rows, "--"])
            .args(shell)
            .args([";", "run-shell", "-b", "-d", LIFETIME_SECONDS])
            .args(["-C", "kill-server"]);
        match command.output() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Skip("no tmux here".to_owned()).into());
            }
            output => succeeded(output, "new-session")?,
        };
        terminal.wait_for("the shell", |screen| screen.contains(PROMPT))?;
        Ok(terminal)
    }

    /// Types a command line into the shell, and enters it.
    pub(crate) fn enter(&self, line: &str) -> Result<()> {
        self.write(line)?;
        self.keys(&["Enter"])
    }

    /// Types a text as it is.
    pub(crate) fn write(&self, text: &str) -> Result<()> {
        self.ask(&["send-keys", "-l", "--", text]).map(drop)
    }

    /// Presses keys, by the names that tmux has for them (`Enter`, `Escape`, `C-c`, `F1`, `q`).
    pub(crate) fn keys(&self, keys: &[&str]) -> Result<()> {
        let mut arguments = vec!["send-keys", "--"];
        arguments.extend(keys);
        self.ask(&arguments).map(drop)
    }

    /// What is seen now.
    pub(crate) fn screen(&self) -> Result<Screen> {
        self.ask(&["capture-pane", "-p"]).map(Screen::new)
    }

    /// The same, as a terminal would have to be written to: with escape sequences for colours.
    pub(crate) fn colored(&self) -> Result<String> {
        self.ask(&["capture-pane", "-e", "-p"])
    }

    /// Waits until the screen is as wanted. The error has the last one.
    pub(crate) fn wait_for(&self, what: &str, wanted: impl Fn(&Screen) -> bool) -> Result<Screen> {
        let end = Instant::now() + LIMIT;
        loop {
            let screen = self.screen()?;
            if wanted(&screen) {
                return Ok(screen);
            }
            if Instant::now() > end {
                bail!("the screen does not show {what}:\n{screen}");
            }
            thread::sleep(LOOK);
        }
    }

    /// Waits until a text is seen.
    pub(crate) fn wait_for_text(&self, text: &str) -> Result<Screen> {
        self.wait_for(&format!("{text:?}"), |screen| screen.contains(text))
    }

    /// Gives the window another size.
    pub(crate) fn resize(&self, (columns, rows): Size) -> Result<()> {
        let (columns, rows) = (columns.to_string(), rows.to_string());
        self.ask(&["resize-window", "-x", &columns, "-y", &rows])
            .map(drop)
    }

    /// How it is set at this moment.
    pub(crate) fn settings(&self) -> Result<Settings> {
        let tty = self.variable("pane_tty")?;
        let mut stty = Command::new("stty");
        let line = succeeded(stty.args(["-a", "-F", &tty]).output(), "stty")?;
        // Its first part is the size.
        let line = line.split_once("line =").map_or("", |(_, rest)| rest);
        let modes = [
            "alternate_on",
            "cursor_flag",
            "insert_flag",
            "keypad_cursor_flag",
            "keypad_flag",
            "mouse_any_flag",
            "mouse_sgr_flag",
            "origin_flag",
            "wrap_flag",
        ];
        let modes = modes.map(|mode| format!("{mode}=#{{{mode}}}")).join(" ");
        Ok(Settings {
            line: line.to_owned(),
            modes: self.ask(&["display-message", "-p", &modes])?,
        })
    }

    /// The process that the shell has started and waits for, once there is one.
    pub(crate) fn program(&self) -> Result<u32> {
        let shell = self.variable("pane_pid")?;
        let path = format!("/proc/{shell}/task/{shell}/children");
        let end = Instant::now() + LIMIT;
        loop {
            let children = std::fs::read_to_string(&path).with_context(|| path.clone())?;
            if let Some(child) = children.split_whitespace().next() {
                return child.parse().context(children);
            }
            ensure!(Instant::now() < end, "the shell runs nothing");
            thread::sleep(LOOK);
        }
    }

    /// Closes the terminal under all that runs in it.
    pub(crate) fn close(&self) -> Result<()> {
        self.ask(&["kill-server"]).map(drop)
    }

    fn variable(&self, name: &str) -> Result<String> {
        let text = self.ask(&["display-message", "-p", &format!("#{{{name}}}")])?;
        Ok(text.trim().to_owned())
    }

    fn ask(&self, arguments: &[&str]) -> Result<String> {
        succeeded(self.tmux().args(arguments).output(), arguments[0])
    }

    fn tmux(&self) -> Command {
        let mut command = Command::new("tmux");
        command
            .args(["-u", "-f", "/dev/null", "-S"])
            .arg(&self.socket)
            // Not that of the tmux that this may run in.
            .env_remove("TMUX");
        command
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself, and tmux leaves its socket behind.
        let _ = self.close();
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn succeeded(output: std::io::Result<Output>, what: &str) -> Result<String> {
    let output = output.with_context(|| format!("cannot run {what}"))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{what}: {}", stderr.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
