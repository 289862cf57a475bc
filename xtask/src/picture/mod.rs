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
const COLUMNS: usize = 122;
/// Of details with a port map, and of a list of a few spaces.
const DETAIL_ROWS: usize = 30;
const LIST_ROWS: usize = 17;

/// So many failed connects that their rate has settled.
const FAILURES: u32 = 200;

/// The screen that is kept as text too.
const TEXT: &str = "top";

/// Below this line README has it, up to the end of the code.
const README_LINE: &str = "$ sudo portex demo\n";

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
        let screen = &neutral(screen, &release());
        if args.text {
            println!("{name}\n{}", svg::plain(screen));
        } else {
            let picture = svg::from_ansi(screen, COLUMNS);
            write(workspace, &format!("{name}.svg"), &picture)?;
            if *name == TEXT {
                let text = svg::plain(screen);
                write(workspace, &format!("{name}.txt"), &text)?;
                put_into_readme(workspace, &text)?;
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

/// The kernel's release, as `uname -r` gives it.
fn release() -> String {
    let uname = rustix::system::uname();
    uname.release().to_string_lossy().into_owned()
}

/// The screen without what this machine's kernel was called by who built it; no line gets shorter.
fn neutral(screen: &str, release: &str) -> String {
    let version = release.split('-').next().unwrap_or(release);
    let gone = " ".repeat(release.len() - version.len());
    let line = |line: &str| {
        if line.contains(release) {
            line.replacen(release, version, 1) + &gone
        } else {
            line.to_owned()
        }
    };
    let lines: Vec<String> = screen.lines().map(line).collect();
    lines.join("\n") + "\n"
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

fn put_into_readme(workspace: &Workspace, screen: &str) -> Result<()> {
    let path = workspace.root().join("README.md");
    let readme =
        fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let readme = with_screen(&readme, screen).context("README.md has no place for the screen")?;
    fs::write(&path, readme).with_context(|| format!("writing {}", path.display()))
}

/// A text whose code block that begins with [`README_LINE`] shows this screen.
fn with_screen(readme: &str, screen: &str) -> Option<String> {
    let (before, rest) = readme.split_once(README_LINE)?;
    let (_, after) = rest.split_once("```\n")?;
    let screen = screen.trim_end();
    Some(format!("{before}{README_LINE}{screen}\n```\n{after}"))
}

#[cfg(test)]
mod tests {
    use super::{failures, neutral, with_screen};

    #[test]
    fn a_kernel_is_called_by_its_version() {
        let screen = "on a  kernel 6.1.2-x-y  up\nother\n";
        let expected = "on a  kernel 6.1.2  up    \nother\n";
        assert_eq!(neutral(screen, "6.1.2-x-y"), expected);
        assert_eq!(neutral("kernel 6.1.2\n", "6.1.2"), "kernel 6.1.2\n");
    }

    #[test]
    fn the_screen_in_the_readme_is_replaced() {
        let readme = "a\n```\n$ sudo portex demo\nold\nold\n```\nb\n```\nc\n```\n";
        let renewed = "a\n```\n$ sudo portex demo\nnew\n```\nb\n```\nc\n```\n";
        assert_eq!(with_screen(readme, "new\n\n").as_deref(), Some(renewed));
        assert_eq!(with_screen("nothing of the kind", "new"), None);
    }

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
