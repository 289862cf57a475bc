//! `setup`: makes sure that what the other commands need is there, or says how to get it.

mod missing;
mod needs;

use anyhow::{Result, anyhow, bail};

pub(crate) use self::{
    missing::{Missing, Step},
    needs::{Need, cargo_install, deny_command},
};
use crate::{counts::Counts, workspace::Workspace};

/// Arguments of `cargo xtask setup`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only name what is missing, with the commands that install it.
    #[arg(long)]
    check: bool,
}

/// Runs the command: every need in turn, so that one run names all that is missing.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Counts {
    let mut counts = Counts::NONE;
    for need in Need::ALL {
        let result = if args.check {
            match need.missing(workspace) {
                Some(missing) => Err(anyhow!("{missing}")),
                None => Ok(()),
            }
        } else {
            ensure(workspace, need)
        };
        match result {
            Ok(()) => {
                println!("{need}: ready");
                counts += Counts::PASSED;
            }
            Err(error) => {
                println!("{need}: {error:#}");
                counts += Counts::FAILED;
            }
        }
    }
    counts
}

/// Installs what one need misses; an error that names it and the commands where that cannot be.
pub(crate) fn ensure(workspace: &Workspace, need: Need) -> Result<()> {
    // What is missing may only be known when something else is there: the linker follows the
    // compiler's LLVM.
    for _ in 0..Need::STAGES {
        let Some(missing) = need.missing(workspace) else {
            return Ok(());
        };
        eprintln!("{need}: installing, {}", missing.what());
        if let Err(error) = missing.install() {
            bail!("{error:#}: {missing}");
        }
    }
    match need.missing(workspace) {
        Some(missing) => bail!("still not there after installing it: {missing}"),
        None => Ok(()),
    }
}
