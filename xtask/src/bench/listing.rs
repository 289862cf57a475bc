//! Many sockets in TIME_WAIT, listed by each tool that lists.

use std::{
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{child::Tracked, peers, space::Space};
use crate::binaries::Binaries;

/// Sockets in TIME_WAIT, and in the short form.
pub(super) const FULL: u64 = 400_000;
pub(super) const FEW: u64 = 60_000;

/// They last for 60 s: when fewer than so many hundredths are left, there are made new ones.
const ENOUGH: u64 = 95;

/// Words of the churn that makes them: no port is taken over, and none runs out.
const FILL: &str = "--seconds 60 --warm-up 0 --destinations 16 --no-recycling --connects";

/// Who lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lister {
    Ss,
    Netstat,
    Snapshot,
}

/// One listing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listing {
    /// Sockets in TIME_WAIT before.
    pub(super) time_wait: u64,
    pub(super) wall_s: f64,
    pub(super) cpu_s: f64,
}

impl Lister {
    pub(super) const ALL: [Self; 3] = [Self::Ss, Self::Netstat, Self::Snapshot];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Ss => "ss -tan",
            Self::Netstat => "netstat -ant",
            Self::Snapshot => "portex snapshot --json",
        }
    }

    pub(super) fn program(self) -> Option<&'static str> {
        match self {
            Self::Ss => Some("ss"),
            Self::Netstat => Some("netstat"),
            Self::Snapshot => None,
        }
    }

    /// In the namespace, entered the same way by each; portex told to look at that one only.
    fn command(self, binaries: &Binaries, space: &Space<'_>) -> Option<Command> {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", space.path())).arg("--");
        match self {
            Self::Ss => command.arg(peers::find("ss")?).arg("-tan"),
            Self::Netstat => command.arg(peers::find("netstat")?).arg("-ant"),
            Self::Snapshot => {
                let words = ["snapshot", "--json", "--netns", space.inode()];
                command.arg(&binaries.portex).args(words)
            }
        };
        Some(command)
    }
}

impl Listing {
    pub(super) fn json(&self, round: usize) -> Value {
        json!({
            "round": round, "time_wait": self.time_wait, "wall_s": self.wall_s, "cpu_s": self.cpu_s,
        })
    }
}

/// Listings of each that is there, in rounds whose order is turned each time.
pub(super) fn run(
    binaries: &Binaries,
    rounds: usize,
    wanted: u64,
    listers: &[Lister],
) -> Result<Vec<(Lister, Vec<Listing>)>> {
    let space = Space::new(&binaries.tests)?;
    let mut all: Vec<(Lister, Vec<Listing>)> = listers.iter().map(|l| (*l, Vec::new())).collect();
    for round in 0..rounds {
        for turn in 0..all.len() {
            let at = (round + turn) % listers.len();
            if let Some((lister, listings)) = all.get_mut(at) {
                fill(&space, wanted)?;
                listings.push(one(*lister, binaries, &space)?);
            }
        }
    }
    Ok(all)
}

fn fill(space: &Space<'_>, wanted: u64) -> Result<()> {
    let there = space.time_wait()?;
    if there * 100 < wanted * ENOUGH {
        space
            .churn(&format!("{FILL} {}", wanted - there))
            .context("making sockets in TIME_WAIT")?;
    }
    Ok(())
}

fn one(lister: Lister, binaries: &Binaries, space: &Space<'_>) -> Result<Listing> {
    let time_wait = space.time_wait()?;
    let mut command = lister
        .command(binaries, space)
        .with_context(|| format!("no {}", lister.title()))?;
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let begin = Instant::now();
    let cpu = Tracked::spawn(&mut command)?.finish()?;
    Ok(Listing {
        time_wait,
        wall_s: begin.elapsed().as_secs_f64(),
        cpu_s: cpu.as_secs_f64(),
    })
}
