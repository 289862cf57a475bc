//! `portex demo`.

use std::time::Duration;

use super::{
    options::{How, Output, tell_attached, tell_totals},
    runtime, say, stop, trace,
};
use crate::{
    demo::{self, Workload},
    filter::Filter,
    kernel::Session,
    source::Live,
    stream::Limits,
};

/// How long the demo runs, unless told otherwise.
const DURATION: Duration = Duration::from_secs(45);

/// Watch a small port range run out, in a private network namespace
///
/// Starts a workload that has 992 ports and needs more, and traces it. Nothing of the host is
/// changed: namespace and workload end with the command.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(args: &Args, verbose: u8) -> anyhow::Result<()> {
    let limits = Limits {
        events: None,
        duration: Some(args.output.duration.unwrap_or(DURATION)),
    };
    crate::kernel::facts::Facts::gather().check()?;
    let mut workload = Workload::start()?;
    let options = args.how.session(Some(workload.netns()), verbose);
    runtime()?.block_on(async {
        let (session, ring) = Session::start(&options)?;
        session.drop_privileges()?;
        let stop = stop::signals(stop::Rest::Write)?;
        say(demo::WHAT_IT_SHOWS);
        tell_attached(session.attached());
        let mut live = Live::new(session, ring);
        workload.go()?;
        let totals = trace::show(&mut live, &args.output, &Filter::default(), limits, stop).await?;
        tell_totals(&totals);
        Ok(())
    })
}
