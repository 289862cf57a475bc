//! `portex check`.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use super::observe;
use crate::views::check::{self, Status, Thresholds};

/// Say in one line how full the fullest space and bind pool are, for a monitoring system
///
/// Exit codes: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. A failed allocation seen with --watch is
/// critical, however full a space is.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    observed: observe::Observed,
    /// Warn when a space or pool is so full
    #[arg(long, value_name = "PERCENT", default_value = "80%", value_parser = share, help_heading = "Thresholds")]
    warn: f64,
    /// Critical when a space or pool is so full
    #[arg(long, value_name = "PERCENT", default_value = "95%", value_parser = share, help_heading = "Thresholds")]
    crit: f64,
}

/// `80%` or `80`, as a share of one.
fn share(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim();
    match number.parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err("write it as a percentage from 0% to 100%".into()),
    }
}

/// Never fails otherwise than by the status UNKNOWN.
pub(super) fn run(args: &Args, verbose: u8) -> ExitCode {
    if args.crit < args.warn {
        return unknown("--crit is below --warn");
    }
    let (status, line) = match observe::picture(&args.observed, None, verbose) {
        Ok(picture) => {
            let thresholds = Thresholds {
                warn: args.warn,
                crit: args.crit,
            };
            check::check(&picture.snapshot, &thresholds)
        }
        Err(error) => (Status::Unknown, check::unknown(&format!("{error:#}"))),
    };
    say_status(status, &line)
}

/// The status UNKNOWN, for this reason.
pub(super) fn unknown(problem: &str) -> ExitCode {
    say_status(Status::Unknown, &check::unknown(problem))
}

fn say_status(status: Status, line: &str) -> ExitCode {
    // Whoever does not read the line has the code.
    let _closed = writeln!(io::stdout(), "{line}");
    ExitCode::from(status.code())
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn thresholds_are_percentages() {
        assert_eq!(share("80%"), Ok(0.8));
        assert_eq!(share("95"), Ok(0.95));
        for text in ["", "%", "101%", "-1", "NaN", "inf"] {
            assert!(share(text).is_err(), "{text}");
        }
    }
}
