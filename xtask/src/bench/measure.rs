//! Which measurements are made, in which order.

use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Map, Value};

use super::{
    Args, FAILING, FIRST_EVENT, LISTING, PEERS, REST,
    listing::{self, Lister},
    moments,
    peers::{self, Tool},
    run::{self, Sample},
};
use crate::{
    binaries::{self, Binaries},
    setup::{self, Need},
    workspace::Workspace,
};

/// Rounds of the normal form, and of the short one.
const ROUNDS: usize = 9;
const FEW_ROUNDS: usize = 3;
/// So few ports that each is taken over from its TIME_WAIT after some seconds, and a warm-up of that length: so
/// connections end in a run at the rate at which others begin.
const LIFE: &str = "--ports 8000 --warm-up 3";
/// Seconds of a run, not counting its warm-up.
const SECONDS: f64 = 3.0;
const FEW_SECONDS: f64 = 1.5;

/// A benchmark and what came of it so far.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) binaries: Binaries,
    pub(super) rounds: usize,
    pub(super) short: bool,
    pub(super) only: Vec<String>,
    /// The command line of the churn.
    pub(super) churn: String,
    /// Peers that are not here.
    pub(super) absent: Vec<&'static str>,
    /// Samples of each tool, one a round; an untraced round is the first of each.
    pub(super) tools: Vec<(Tool, Vec<Option<Sample>>)>,
    /// Failing connects: untraced, and with `portex trace --failures`.
    pub(super) failing: Vec<(Tool, Vec<Option<Sample>>)>,
    pub(super) listings: Vec<(Lister, Vec<listing::Listing>)>,
    pub(super) first_event_ms: Vec<f64>,
    pub(super) rest: Vec<(Tool, Vec<u64>)>,
    pub(super) load: Map<String, Value>,
    /// What could not be run.
    pub(super) errors: Vec<String>,
}

impl Bench {
    /// With the programs that are there, or can be brought.
    pub(super) fn new(workspace: &Workspace, args: &Args) -> Result<Self> {
        let mut errors = Vec::new();
        if let Err(error) = setup::ensure(workspace, Need::Peers) {
            errors.push(format!("{error:#}"));
        }
        let binaries = match &args.binaries {
            None => binaries::build(workspace)?,
            Some(folder) => Binaries {
                portex: folder.join("portex"),
                tests: folder.join("portex-tests"),
            },
        };
        let programs = PEERS.iter().map(|(program, _)| *program);
        let absent = programs.filter(|p| peers::find(p).is_none()).collect();
        let (rounds, seconds) = if args.short {
            (FEW_ROUNDS, FEW_SECONDS)
        } else {
            (ROUNDS, SECONDS)
        };
        let mut bench = Self {
            binaries,
            rounds: args.rounds.unwrap_or(rounds),
            short: args.short,
            only: args.only.clone(),
            churn: format!("--seconds {seconds} {LIFE} {}", args.churn)
                .trim_end()
                .to_owned(),
            absent,
            tools: Vec::new(),
            failing: Vec::new(),
            listings: Vec::new(),
            first_event_ms: Vec::new(),
            rest: Vec::new(),
            load: Map::new(),
            errors,
        };
        bench.note_load("begin");
        Ok(bench)
    }

    /// Whether this was asked for.
    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|wanted| wanted == name)
    }

    /// Whether it is here; what portex brings itself always is.
    fn has(&self, program: Option<&str>) -> bool {
        program.is_none_or(|program| !self.absent.contains(&program))
    }

    fn note_load(&mut self, when: &str) {
        self.load
            .insert(when.to_owned(), run::load_average().into());
    }

    /// Every measurement that was asked for. What fails is noted, and the others are made.
    pub(super) fn all(&mut self) {
        self.beside_the_churn();
        if self.wants(FAILING) {
            self.failing();
        }
        if self.wants(LISTING) {
            self.listing();
        }
        if self.wants(FIRST_EVENT) {
            eprintln!("start to first event");
            match moments::first_events(&self.binaries, self.rounds) {
                Ok(values) => self.first_event_ms = values,
                Err(error) => self.errors.push(format!("first event: {error:#}")),
            }
        }
        if self.wants(REST) {
            self.at_rest();
        }
        self.note_load("end");
    }

    fn beside_the_churn(&mut self) {
        let tools: Vec<_> = Tool::ALL
            .into_iter()
            .filter(|tool| self.has(tool.program()))
            .filter(|tool| *tool != Tool::None && self.wants(tool.name()))
            .collect();
        if tools.is_empty() && !self.only.iter().any(|name| name == Tool::None.name()) {
            return;
        }
        let tools: Vec<_> = std::iter::once(Tool::None).chain(tools).collect();
        let (samples, errors) = interleaved(&tools, self.rounds, |tool| {
            run::churn(&self.binaries, tool, &self.churn)
        });
        self.tools = samples;
        self.errors.extend(errors);
    }

    fn failing(&mut self) {
        let words = format!("{} --failing --destinations 1", self.churn);
        let (samples, errors) = interleaved(&[Tool::None, Tool::Trace], self.rounds, |tool| {
            let command = (tool == Tool::Trace).then(|| {
                let mut command = Command::new(&self.binaries.portex);
                command.args(["trace", "--json", "--failures"]);
                command
            });
            run::beside(&self.binaries, tool, command, &words).context("failing connects")
        });
        self.failing = samples;
        self.errors.extend(errors);
    }

    fn listing(&mut self) {
        let listers: Vec<_> = Lister::ALL
            .into_iter()
            .filter(|lister| self.has(lister.program()))
            .collect();
        let wanted = if self.short {
            listing::FEW
        } else {
            listing::FULL
        };
        eprintln!("listings of {wanted} sockets in TIME_WAIT");
        match listing::run(&self.binaries, self.rounds, wanted, &listers) {
            Ok(listings) => self.listings = listings,
            Err(error) => self.errors.push(format!("listings: {error:#}")),
        }
    }

    fn at_rest(&mut self) {
        eprintln!("memory at rest");
        let times = if self.short { 1 } else { 3 };
        for tool in [Tool::Top, Tool::Trace] {
            let bytes: Result<Vec<u64>> = (0..times)
                .map(|_| moments::at_rest(&self.binaries, tool))
                .collect();
            match bytes {
                Ok(bytes) => self.rest.push((tool, bytes)),
                Err(error) => self.errors.push(format!("at rest: {error:#}")),
            }
        }
    }
}

/// A place for each round: none where it could not be run.
type Samples = Vec<(Tool, Vec<Option<Sample>>)>;

/// Each tool once a round, in an order that is turned by one each round.
fn interleaved(
    tools: &[Tool],
    rounds: usize,
    one: impl Fn(Tool) -> Result<Sample>,
) -> (Samples, Vec<String>) {
    let mut samples: Samples = tools
        .iter()
        .map(|tool| (*tool, vec![None; rounds]))
        .collect();
    let mut errors = Vec::new();
    for round in 0..rounds {
        for turn in 0..tools.len() {
            let Some((tool, places)) = samples.get_mut((round + turn) % tools.len()) else {
                continue;
            };
            eprintln!("round {} of {rounds}: {}", round + 1, tool.title());
            match (one(*tool), places.get_mut(round)) {
                (Ok(sample), Some(place)) => *place = Some(sample),
                (Ok(_), None) => {}
                (Err(error), _) => errors.push(format!("{error:#}")),
            }
        }
    }
    (samples, errors)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use anyhow::bail;

    use super::*;

    #[test]
    fn the_order_is_turned_and_errors_are_kept() {
        let seen = RefCell::new(Vec::new());
        let tools = [Tool::None, Tool::Top, Tool::Trace];
        let (samples, errors) = interleaved(&tools, 3, |tool| {
            seen.borrow_mut().push(tool.name());
            bail!("no {}", tool.name())
        });
        let expected = "none top trace top trace none trace none top";
        assert_eq!(seen.borrow().join(" "), expected);
        assert_eq!(errors.len(), 9);
        assert!(samples.iter().all(|(_, places)| places.len() == 3));
    }
}
