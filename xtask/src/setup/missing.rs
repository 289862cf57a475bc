//! Something that is not there, and the commands that bring it.

use std::{fmt, process::Command, sync::Mutex};

use anyhow::{Context, Result, bail};

use crate::process;

/// Something that a command needs and that is not there.
#[derive(Clone, Debug)]
pub(crate) struct Missing {
    what: String,
    steps: Vec<Step>,
    otherwise: Option<&'static str>,
}

/// One command that installs.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Packages of a Debian-like system.
    Packages(Vec<String>),
    /// Any other command: variables for its environment, then program and arguments.
    Run(Vec<(&'static str, String)>, Vec<String>),
}

impl Missing {
    /// Names what is missing and what brings it on a Debian-like system.
    pub(crate) fn new(what: impl Into<String>, steps: Vec<Step>) -> Self {
        Self {
            what: what.into(),
            steps,
            otherwise: None,
        }
    }

    /// Adds what to do on another system.
    pub(crate) fn otherwise(mut self, advice: &'static str) -> Self {
        self.otherwise = Some(advice);
        self
    }

    /// What is missing.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// Runs the steps. An error where packages are needed and this user or system cannot have them.
    pub(super) fn install(&self) -> Result<()> {
        self.steps.iter().try_for_each(Step::install)
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; run:", self.what)?;
        for step in &self.steps {
            write!(f, "\n    {step}")?;
        }
        if let Some(advice) = self.otherwise {
            write!(f, "\n  or, elsewhere than on Debian: {advice}")?;
        }
        Ok(())
    }
}

impl Step {
    fn install(&self) -> Result<()> {
        match self {
            Self::Packages(packages) => install_packages(packages),
            Self::Run(variables, words) => {
                let (program, arguments) = words.split_first().context("an empty command")?;
                process::run(
                    Command::new(program)
                        .args(arguments)
                        .envs(variables.iter().map(|(name, value)| (name, value))),
                )
            }
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packages(packages) => write!(f, "apt-get install {}", packages.join(" ")),
            Self::Run(variables, words) => {
                for (name, value) in variables {
                    write!(f, "{name}={value} ")?;
                }
                f.write_str(&words.join(" "))
            }
        }
    }
}

/// Installs packages by apt-get, its lists brought up to date once per run and only for this.
fn install_packages(packages: &[String]) -> Result<()> {
    static UPDATED: Mutex<bool> = Mutex::new(false);
    if process::which("apt-get").is_none() {
        bail!("this system has no apt-get");
    }
    if !process::is_root() {
        bail!("installing packages needs root");
    }
    let apt = || {
        let mut command = Command::new("apt-get");
        command
            .args(["-q", "-o", "DPkg::Lock::Timeout=300"])
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    let mut updated = UPDATED
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if !*updated {
        // One source that does not answer need not stop the packages of the others.
        if let Err(error) = process::run(apt().arg("update")) {
            eprintln!("{error:#}: going on with the lists that are there");
        }
        *updated = true;
    }
    process::run(
        apt()
            .args(["install", "--yes", "--no-install-recommends", "--"])
            .args(packages),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_exact_commands() {
        let words = ["cargo", "install", "x"].map(String::from).to_vec();
        let missing = Missing::new(
            "no x",
            vec![
                Step::Packages(vec!["a".into(), "b".into()]),
                Step::Run(vec![("LLVM_PREFIX", "/l".into())], words),
            ],
        )
        .otherwise("ask");
        assert_eq!(
            missing.to_string(),
            "no x; run:\n    apt-get install a b\n    LLVM_PREFIX=/l cargo install x\n  \
             or, elsewhere than on Debian: ask"
        );
    }
}
