//! `portex snapshot`.

use std::io::{self, BufWriter, Write as _};

use super::{
    observe,
    options::{self, ColorChoice},
    record::ToFile,
    replayed::{FromFile, bad_usage},
};
use crate::{
    fields,
    views::snapshot::{self, About},
};

/// Show who holds which ports now: spaces, processes, bind pools
///
/// A space is what one source can use towards one destination. FREE is what the next connects can
/// still get; with >= it is the least. Without --watch nothing is traced: rates are not known, and
/// TIME_WAITs have no owner, since the kernel does not keep one.
#[derive(Debug, clap::Args)]
#[command(after_long_help = after_help())]
pub(super) struct Args {
    #[command(flatten)]
    observed: observe::Observed,
    #[command(flatten)]
    replay: FromFile,
    #[command(flatten)]
    record: ToFile,
    /// One JSON object
    #[arg(long, help_heading = "Output")]
    json: bool,
    /// All rows of each table, not only the first
    #[arg(long, help_heading = "Output", conflicts_with = "json")]
    all: bool,
    /// Colours; auto: on a terminal, unless NO_COLOR is set
    #[arg(
        long,
        value_name = "WHEN",
        value_enum,
        default_value = "auto",
        help_heading = "Output"
    )]
    color: ColorChoice,
}

fn after_help() -> String {
    format!(
        "Columns of spaces:\n{}\nColumns of processes:\n{}\nColumns of the latest failures:\n{}\nColumns of bind pools:\n{}\nown_cost in JSON, with --watch:\n{}",
        fields::help(fields::SPACES),
        fields::help(fields::PROCESSES),
        fields::help(fields::FAILURES),
        fields::help(fields::BIND_POOLS),
        fields::help(fields::OWN_COST)
    )
}

pub(super) fn run(args: &Args, verbose: u8) -> anyhow::Result<()> {
    let watches = args.observed.watch.is_some();
    if watches && args.replay.is_given() {
        bad_usage("--watch cannot be used with --replay: the recording says how long was watched");
    }
    if !watches && args.record.is_given() {
        bad_usage("--record needs --watch TIME: without, nothing happens that could be recorded");
    }
    let picture = match args.replay.open()? {
        Some(mut recording) => observe::replayed(&args.observed, &mut recording)?,
        None => observe::picture(&args.observed, Some(&args.record), verbose)?,
    };
    let about = About {
        kernel: &picture.kernel,
        attach: picture.attach.as_deref(),
        time: picture.time,
        uptime: picture.uptime,
        own_cost: picture.own_cost,
    };
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let written = if args.json {
        snapshot::json(&mut out, &picture.snapshot, &about)
    } else {
        let tables = options::tables(args.color, args.all);
        snapshot::text(&mut out, &picture.snapshot, &about, &tables)
    };
    match written.and_then(|()| out.flush()) {
        // The reader has what it wanted.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => Ok(outcome?),
    }
}
