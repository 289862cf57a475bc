//! The workload's side of the conversation with its scenario.

use std::io::{Stdout, Write as _};

use anyhow::{Context as _, Result, bail};

use crate::fact::Fact;

pub(crate) struct Stage {
    out: Stdout,
}

impl Stage {
    /// Says hello.
    pub(crate) fn new() -> Self {
        let stage = Self {
            out: std::io::stdout(),
        };
        // The scenario notices when nothing arrives.
        let _ = stage.tell(&Fact::Hello {
            pid: std::process::id(),
        });
        stage
    }

    pub(crate) fn tell(&self, fact: &Fact) -> Result<()> {
        let mut line = serde_json::to_vec(fact)?;
        line.push(b'\n');
        self.out.lock().write_all(&line).context("nobody listens")
    }

    /// Waits until the scenario says to go on.
    pub(crate) fn pause(&self, step: &str) -> Result<()> {
        self.tell(&Fact::Ready {
            step: step.to_owned(),
        })?;
        let mut line = String::new();
        if std::io::stdin().read_line(&mut line)? == 0 {
            bail!("the scenario has ended");
        }
        Ok(())
    }

    pub(crate) fn done(&self) -> Result<()> {
        self.tell(&Fact::Done)
    }
}
