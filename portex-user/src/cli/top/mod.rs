//! `portex top`, and what `portex demo` has in common with it.

mod live;
mod replay;
mod shown;

use super::{
    options::{How, Which},
    record::ToFile,
    replayed::{FromFile, Speed},
};

pub(super) use live::{Extra, live};
pub(super) use shown::Shown;

/// Watch live who uses up which destination's ports, and when the next connect() fails
///
/// Keys: 1 to 5 for the views, Enter for details, / to filter, ? for help, q to quit.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    shown: Shown,
    #[command(flatten)]
    from: FromFile,
    #[command(flatten)]
    speed: Speed,
    #[command(flatten)]
    to: ToFile,
    #[command(flatten)]
    how: How,
}

pub(super) fn run(args: &Args, verbose: u8) -> anyhow::Result<()> {
    args.shown.check()?;
    if let Some(recording) = args.from.open()? {
        return replay::replay(args, recording);
    }
    let filter = args.which.filter()?;
    let options = args.how.session(filter.netns, verbose);
    let extra = Extra {
        record: Some(&args.to),
        ..Extra::default()
    };
    live(&args.shown, filter, &options, extra)
}
