//! Child processes: run one, read its output, say which one failed and how.

use std::{
    env,
    ffi::OsString,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use anyhow::{Context, Result, bail};

/// The cargo that runs this xtask, so that children use the same toolchain.
pub(crate) fn cargo() -> Command {
    Command::new(cargo_path())
}

/// Path or name of the cargo that runs this xtask.
pub(crate) fn cargo_path() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Runs a command to its end, its output shown; an error unless it succeeds.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| start_error(command))?;
    succeed(command, status)
}

/// Runs a command and returns its standard output; its standard error goes into the error.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| start_error(command))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`{}` failed ({}): {}",
            display(command),
            output.status,
            stderr.trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command, shows each line of its standard output as it comes and hands it to `seen`.
pub(crate) fn stream(command: &mut Command, mut seen: impl FnMut(&str)) -> Result<ExitStatus> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| start_error(command))?;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n') {
            let line = line.with_context(|| format!("reading from `{}`", display(command)))?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            seen(&line);
        }
    }
    child
        .wait()
        .with_context(|| format!("waiting for `{}`", display(command)))
}

/// An error that names the command, unless it succeeded.
pub(crate) fn succeed(command: &Command, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("`{}` failed ({status})", display(command));
    }
    Ok(())
}

/// The first file of this name in the folders of PATH.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// PATH with a folder put in front.
pub(crate) fn path_with(folder: &Path) -> Result<OsString> {
    let rest = env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder.to_path_buf()).chain(env::split_paths(&rest));
    env::join_paths(folders).with_context(|| format!("{} cannot be in PATH", folder.display()))
}

/// True when this process may do what needs root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The command line, for messages.
pub(crate) fn display(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|part| part.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

fn start_error(command: &Command) -> String {
    format!("cannot start `{}`", command.get_program().to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_name_the_command() {
        let error = output(Command::new("sh").args(["-c", "echo why >&2; exit 3"])).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("sh -c") && text.contains("why"), "{text}");

        let error = run(&mut Command::new("no-such-program-of-portex")).unwrap_err();
        assert!(format!("{error:#}").contains("no-such-program-of-portex"));
    }

    #[test]
    fn a_stream_gives_every_line() {
        let mut lines = Vec::new();
        let status = stream(Command::new("printf").arg("a\\nb"), |line| {
            lines.push(line.to_owned());
        });
        assert!(status.is_ok_and(|status| status.success()));
        assert_eq!(lines, ["a", "b"]);
    }
}
