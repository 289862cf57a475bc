//! `portex trace`.

use std::io::{self, BufWriter};

use super::{
    options::{How, Output, Which, tell_attached, tell_totals},
    replayed::{FromFile, Speed, limited, tell_end},
    runtime, say, stop,
};
use crate::{
    fields,
    filter::Filter,
    kernel::{Options, Session, Stacks},
    recording::{Ahead, Pace},
    source::{EventSource, Explained, Explainer, Live, Replay},
    stream::{self, Limits, Totals},
    views::{Groups, Json, Trace},
};

/// Show every connect() that takes a port or fails to get one, every TIME_WAIT and every port that
/// is free again, one line each
///
/// Events come in the order of kernel time and name the process that called connect(), also when
/// they happen later and elsewhere. Needs root, or CAP_BPF and CAP_PERFMON.
#[derive(Debug, clap::Args)]
#[command(after_long_help = after_help())]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
    /// Only failed allocations
    #[arg(long, help_heading = "Which events")]
    failures: bool,
    /// Every state change of outbound connections too
    #[arg(long, help_heading = "Which events", conflicts_with_all = ["failures", "replay"])]
    states: bool,
    /// Tell where failing calls come from: the stack of the process, or the kernel's too
    #[arg(
        long,
        value_name = "WHOSE",
        value_enum,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "user",
        help_heading = "Which events",
        conflicts_with = "replay"
    )]
    stacks: Option<StacksChoice>,
    /// Failures by where they come from, the most frequent first, when it ends; with --failures
    #[arg(long, requires = "failures", help_heading = "Output")]
    group: bool,
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    replay: FromFile,
    #[command(flatten)]
    speed: Speed,
    #[command(flatten)]
    output: Output,
    /// Stop after this many events
    #[arg(short = 'n', long, value_name = "N", help_heading = "Output", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum StacksChoice {
    /// The process's
    User,
    /// The kernel's too
    Kernel,
}

impl From<StacksChoice> for Stacks {
    fn from(choice: StacksChoice) -> Self {
        match choice {
            StacksChoice::User => Self::User,
            StacksChoice::Kernel => Self::WithKernel,
        }
    }
}

impl Args {
    /// Groups are of places, so they take stacks.
    fn stacks(&self) -> Option<Stacks> {
        let asked = self.stacks.map(Stacks::from);
        asked.or(self.group.then_some(Stacks::User))
    }

    fn form(&self) -> Form<'_> {
        Form {
            output: &self.output,
            group: self.group,
        }
    }
}

/// In what form events are shown.
#[derive(Clone, Copy)]
pub(super) struct Form<'a> {
    pub(super) output: &'a Output,
    /// Failures by where they come from.
    pub(super) group: bool,
}

fn after_help() -> String {
    format!("Columns:\n{}", fields::help(fields::TRACE))
}

pub(super) fn run(args: &Args, verbose: u8) -> anyhow::Result<()> {
    if let Some(recording) = args.replay.open()? {
        return replay(args, recording, verbose);
    }
    let filter = Filter {
        failures: args.failures,
        ..args.which.filter()?
    };
    let options = Options {
        pid: filter.pid,
        failures: args.failures,
        states: args.states,
        stacks: args.stacks(),
        ..args.how.session(filter.netns, verbose)
    };
    let limits = Limits {
        events: args.count,
        duration: args.output.duration,
    };
    runtime()?.block_on(async {
        let (session, ring) = Session::start(&options)?;
        // Before capabilities are given up: naming frames takes some of them.
        let explainer = match options.stacks {
            Some(_) => Some(Explainer::start()?),
            None => None,
        };
        session.drop_privileges()?;
        let stop = stop::signals(stop::Rest::Write)?;
        tell_attached(session.attached());
        let live = Live::new(session, ring);
        let totals = if let Some(explainer) = explainer {
            let live = live.telling_early(explainer.early());
            let mut in_full = Explained::new(live, explainer, filter.clone());
            show(&mut in_full, args.form(), &filter, limits, stop).await?
        } else {
            let mut live = live;
            show(&mut live, args.form(), &filter, limits, stop).await?
        };
        tell(&totals, verbose);
        Ok(())
    })
}

/// Shows the events of a recording, or the first of them.
fn replay(args: &Args, recording: Ahead, verbose: u8) -> anyhow::Result<()> {
    let filter = Filter {
        failures: args.failures,
        ..limited(args.which.recorded(), &recording)
    };
    let limits = Limits {
        events: args.count,
        duration: None,
    };
    let pace = args.speed.or(Pace::AtOnce);
    let mut replay = Replay::new(recording, pace, args.output.duration);
    runtime()?.block_on(async {
        let stop = stop::signals(stop::Rest::Write)?;
        let totals = show(&mut replay, args.form(), &filter, limits, stop).await?;
        tell(&totals, verbose);
        tell_end(replay.recording());
        Ok(())
    })
}

fn tell(totals: &Totals, verbose: u8) {
    tell_totals(totals);
    if totals.events() == 0 && verbose > 0 {
        say("portex: nothing happened, or nothing that the filters let through");
    }
}

/// Shows events in the form that was asked for.
pub(super) async fn show<S: EventSource>(
    source: &mut S,
    form: Form<'_>,
    filter: &Filter,
    limits: Limits,
    stop: impl Future<Output = ()>,
) -> io::Result<Totals> {
    let out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let Form { output, group } = form;
    match (group, output.json) {
        (false, true) => stream::run(source, &mut Json::new(out), filter, limits, stop).await,
        (false, false) => {
            let mut view = Trace::new(out, output.style());
            stream::run(source, &mut view, filter, limits, stop).await
        }
        (true, json) => {
            let mut view = if json {
                Groups::json(out)
            } else {
                Groups::text(out, output.style())
            };
            stream::run(source, &mut view, filter, limits, stop).await
        }
    }
}
