//! `portex demo`.

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use super::{
    options::{How, Output, duration, tell_attached, tell_totals},
    runtime, say, stop,
    top::{self, Extra, Shown},
    trace,
};
use crate::{
    demo::{self, Workload},
    filter::Filter,
    kernel::{Options, Session},
    source::Live,
    stream::Limits,
};

/// How long the demo runs where nobody sits at a terminal, unless told otherwise.
const DURATION: Duration = Duration::from_secs(60);

/// Watch a host run out of ports, in a private network namespace
///
/// Starts a workload that needs more ports than it has, and opens the live view on it. Nothing of the
/// host is changed: namespace and workload end with the command. Where standard output is no terminal,
/// frames are printed for a minute.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print events, one line each, instead of the live view
    #[arg(
        long,
        group = "printed",
        conflicts_with = "batch",
        help_heading = "Output"
    )]
    trace: bool,
    /// Stop after this long: 30s, 5m
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "Output")]
    duration: Option<Duration>,
    #[command(flatten)]
    shown: Shown,
    #[command(flatten)]
    how: How,
}

pub(super) fn run(args: &Args, verbose: u8) -> anyhow::Result<()> {
    crate::kernel::facts::Facts::gather().check()?;
    let mut workload = Workload::start()?;
    let options = args.how.session(Some(workload.netns()), verbose);
    if args.trace {
        return events(args, &mut workload, &options);
    }
    let mut shown = args.shown.clone();
    shown.batch |= !io::stdout().is_terminal();
    let duration = args.duration.or(shown.batch.then_some(DURATION));
    let extra = Extra {
        advice: Some(demo::advice),
        go: Some(Box::new(|| workload.go())),
        duration,
        record: None,
    };
    top::live(&shown, Filter::default(), &options, extra)
}

/// Events instead of frames.
fn events(args: &Args, workload: &mut Workload, options: &Options) -> anyhow::Result<()> {
    let output = Output {
        json: args.shown.json,
        duration: Some(args.duration.unwrap_or(DURATION)),
        color: args.shown.color,
    };
    let limits = Limits {
        events: None,
        duration: output.duration,
    };
    runtime()?.block_on(async {
        let (session, ring) = Session::start(options)?;
        session.drop_privileges()?;
        let stop = stop::signals(stop::Rest::Write)?;
        say(demo::WHAT_IT_SHOWS);
        tell_attached(session.attached());
        let mut live = Live::new(session, ring);
        workload.go()?;
        let totals = trace::show(
            &mut live,
            trace::Form {
                output: &output,
                group: false,
            },
            &Filter::default(),
            limits,
            stop,
        )
        .await?;
        tell_totals(&totals);
        Ok(())
    })
}
