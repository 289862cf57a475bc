//! The static binaries that the scenarios run: they need no library of the system they run on.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::{process, workspace::Workspace};

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Paths of the static binaries.
#[derive(Clone, Debug)]
pub(crate) struct Binaries {
    /// The program under test.
    pub(crate) portex: PathBuf,
    /// The scenarios; as process 1 it is a VM's init.
    pub(crate) tests: PathBuf,
}

/// Builds both, in a target folder of their own: other flags would rebuild the usual one.
pub(crate) fn build(workspace: &Workspace) -> Result<Binaries> {
    let target = workspace.target("static");
    process::run(
        process::cargo()
            .current_dir(workspace.root())
            .args(["build", "--quiet", "--release", "--target", TARGET])
            .args(["-p", "portex", "-p", "portex-tests", "--target-dir"])
            .arg(&target)
            .env("RUSTFLAGS", "-C target-feature=+crt-static")
            .env_remove("CARGO_ENCODED_RUSTFLAGS"),
    )
    .context("building the static binaries")?;
    let folder = target.join(TARGET).join("release");
    Ok(Binaries {
        portex: folder.join("portex"),
        tests: folder.join("portex-tests"),
    })
}
