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
    kernel::{Options, Session},
    recording::{Ahead, Pace},
    source::{EventSource, Live, Replay},
    stream::{self, Limits, Totals},
    views::{Json, Trace},
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
        ..args.how.session(filter.netns, verbose)
    };
    let limits = Limits {
        events: args.count,
        duration: args.output.duration,
    };
    runtime()?.block_on(async {
        let (session, ring) = Session::start(&options)?;
        session.drop_privileges()?;
        let stop = stop::signals(stop::Rest::Write)?;
        tell_attached(session.attached());
        let mut live = Live::new(session, ring);
        let totals = show(&mut live, &args.output, &filter, limits, stop).await?;
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
        let totals = show(&mut replay, &args.output, &filter, limits, stop).await?;
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
    output: &Output,
    filter: &Filter,
    limits: Limits,
    stop: impl Future<Output = ()>,
) -> io::Result<Totals> {
    let out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    if output.json {
        stream::run(source, &mut Json::new(out), filter, limits, stop).await
    } else {
        let mut view = Trace::new(out, output.style());
        stream::run(source, &mut view, filter, limits, stop).await
    }
}
