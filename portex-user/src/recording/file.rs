//! The file of a recording: nobody but its owner can read it, whatever was there before.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process,
};

use anyhow::{Context as _, bail, ensure};

/// Names that are tried for a new file beside another.
const NAMES: u32 = 100;

/// Makes a new file, which only its owner can read; with `force` it takes the place of a regular one
/// that is there. That one stays as it is for whoever has it open or has another link to it.
pub(super) fn create(path: &Path, name: &str, force: bool) -> anyhow::Result<File> {
    match create_new(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && force => replace(path, name),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            bail!("{name} exists already\n  what to do: another name, or --force to replace it")
        }
        outcome => outcome.with_context(|| format!("cannot record to {name}")),
    }
}

fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Puts a new file in the place of a regular one. To write into that one would leave it to its owner,
/// and to those who may read it by now.
fn replace(path: &Path, name: &str) -> anyhow::Result<File> {
    let there = fs::symlink_metadata(path).with_context(|| format!("cannot replace {name}"))?;
    ensure!(
        there.is_file(),
        "{name} is no regular file, so --force does not replace it\n  what to do: another name"
    );
    let (file, beside) = create_beside(path).with_context(|| format!("cannot replace {name}"))?;
    if let Err(error) = fs::rename(&beside, path) {
        // What was there before is what counts.
        let _leftover = fs::remove_file(&beside);
        return Err(error).with_context(|| format!("cannot replace {name}"));
    }
    Ok(file)
}

/// A new file in the same directory, and where it is.
fn create_beside(path: &Path) -> io::Result<(File, PathBuf)> {
    let mut outcome = Err(io::ErrorKind::AlreadyExists.into());
    for number in 0..NAMES {
        let beside = path.with_file_name(format!(".portex-{}-{number}", process::id()));
        outcome = create_new(&beside).map(|file| (file, beside));
        match &outcome {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            _ => break,
        }
    }
    outcome
}
