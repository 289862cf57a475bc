//! `picture`: what the documentation shows of the screen, taken from a real run.

mod svg;
mod terminal;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};

use self::terminal::Terminal;
use crate::{
    counts::Counts,
    process,
    setup::{self, Need},
    workspace::Workspace,
};

/// Wide enough for all columns, and read without a magnifier in a README.
const COLUMNS: usize = 110;
/// Of details with a port map, and of a list of a few spaces.
const DETAIL_ROWS: usize = 30;
const LIST_ROWS: usize = 17;

/// So many failed connects that their rate has settled.
const FAILURES: u32 = 200;

/// The screen that is kept as text too.
const TEXT: &str = "top";

/// What the machine is called in the pictures.
const HOST: &str = "gateway-1";

/// The demo has come to where ports are short long before.
const LIMIT: Duration = Duration::from_secs(120);

/// Arguments of `cargo xtask picture`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Print the screens as text and write nothing.
    #[arg(long)]
    text: bool,
}

/// One screen: its name, and as it was.
struct Screen(&'static str, String);

/// Runs the command.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<Counts> {
    if !process::is_root() {
        bail!("a picture is taken from a real run, which needs root; run it as root");
    }
    setup::ensure(workspace, Need::Terminal)?;
    let screens = screens(&program(workspace)?)?;
    for Screen(name, screen) in &screens {
        if args.text {
            println!("{name}\n{}", svg::plain(screen));
        } else {
            let picture = svg::from_ansi(screen, COLUMNS);
            write(workspace, &format!("{name}.svg"), &picture)?;
            if *name == TEXT {
                write(workspace, &format!("{name}.txt"), &svg::plain(screen))?;
            }
        }
    }
    Ok(Counts::PASSED)
}

/// The demo: the ports of a space shortly before there is none left, and the list when connects fail.
fn screens(portex: &Path) -> Result<Vec<Screen>> {
    // Not the name of this machine.
    let command = format!(
        "unshare --uts sh -c 'echo {HOST} > /proc/sys/kernel/hostname && exec \"$0\" demo' '{}'",
        portex.display()
    );
    let terminal = Terminal::run(&command, COLUMNS, DETAIL_ROWS)?;
    wait_for(&terminal, |text| text.contains("Nearly full"))?;
    terminal.press(&["Enter"])?;
    let ports = wait_for(&terminal, |text| {
        text.contains("PORT MAP") && text.contains("TIME_WAIT")
    })?;
    terminal.press(&["Escape"])?;
    terminal.resize(COLUMNS, LIST_ROWS)?;
    // With the owners of each space.
    terminal.press(&["t"])?;
    let list = wait_for(&terminal, |text| failures(text) >= Some(FAILURES))?;
    terminal.press(&["q"])?;
    Ok(vec![Screen(TEXT, list), Screen("portmap", ports)])
}

fn wait_for(terminal: &Terminal, wanted: impl Fn(&str) -> bool) -> Result<String> {
    terminal.wait(LIMIT, |screen| wanted(&svg::plain(screen)))
}

/// How many failures the line of lists tells.
fn failures(text: &str) -> Option<u32> {
    let (_, after) = text.split_once("3 Failures ")?;
    after.split_whitespace().next()?.parse().ok()
}

fn program(workspace: &Workspace) -> Result<PathBuf> {
    let target = workspace.root().join("target");
    process::run(
        process::cargo()
            .current_dir(workspace.root())
            .args([
                "build",
                "--quiet",
                "--release",
                "-p",
                "portex",
                "--target-dir",
            ])
            .arg(&target),
    )
    .context("building portex")?;
    Ok(target.join("release/portex"))
}

fn write(workspace: &Workspace, name: &str, content: &str) -> Result<()> {
    let folder = workspace.root().join("docs");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let path = folder.join(name);
    fs::write(&path, content).with_context(|| format!("writing {}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::failures;

    #[test]
    fn failures_are_counted_by_the_line_of_lists() {
        assert_eq!(
            failures("[1 Spaces 4] 3 Failures 172  4 Namespaces 1"),
            Some(172)
        );
        assert_eq!(failures(" 3 Failures 0 "), Some(0));
        assert_eq!(failures("no list"), None);
    }
}
