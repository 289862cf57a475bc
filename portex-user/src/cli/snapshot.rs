//! `portex snapshot`.

use std::io::{self, BufWriter, IsTerminal as _, Write as _};

use super::{observe, options::ColorChoice};
use crate::{
    fields,
    views::snapshot::{self, About, ROWS, Tables},
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
        "Columns of spaces:\n{}\nColumns of processes:\n{}\nColumns of bind pools:\n{}",
        fields::help(fields::SPACES),
        fields::help(fields::PROCESSES),
        fields::help(fields::BIND_POOLS)
    )
}

pub(super) fn run(args: &Args, verbose: u8) -> anyhow::Result<()> {
    let picture = observe::picture(&args.observed, verbose)?;
    let about = About {
        kernel: &picture.kernel,
        attach: picture.attach,
        time: picture.time,
        uptime: picture.uptime,
    };
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let written = if args.json {
        snapshot::json(&mut out, &picture.snapshot, &about)
    } else {
        let tables = Tables {
            style: args.color.style(),
            width: width(),
            rows: (!args.all).then_some(ROWS),
        };
        snapshot::text(&mut out, &picture.snapshot, &about, &tables)
    };
    match written.and_then(|()| out.flush()) {
        // The reader has what it wanted.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => Ok(outcome?),
    }
}

/// Columns of the terminal; what is piped has the width that the tables are made for.
fn width() -> usize {
    let stdout = io::stdout();
    if stdout.is_terminal()
        && let Ok(size) = rustix::termios::tcgetwinsize(&stdout)
        && size.ws_col != 0
    {
        return usize::from(size.ws_col).max(80);
    }
    100
}
