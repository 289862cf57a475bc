//! Options of replays and recordings, and what goes with them.

use std::{path::PathBuf, time::Duration};

use anyhow::Context as _;
use clap::{CommandFactory as _, error::ErrorKind};

use super::{Cli, say};
use crate::{
    filter::Filter,
    observe::Journal,
    privileges,
    recording::{Ahead, Pace, Reader, Room, Summary},
};

/// What is shown instead of this host, now.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Replay")]
pub(super) struct FromFile {
    /// Show what portex record wrote to this file (-: standard input). Needs no privileges
    #[arg(long, value_name = "FILE", conflicts_with_all = ["attach", "ring_size", "max_sockets"])]
    replay: Option<PathBuf>,
}

/// How fast.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Replay")]
pub(super) struct Speed {
    /// How many times as fast as it was: 1, 0.5, 10; max: at once
    #[arg(long, value_name = "N|max", requires = "replay")]
    speed: Option<Pace>,
}

impl FromFile {
    /// Whether something is replayed.
    pub(super) fn is_given(&self) -> bool {
        self.replay.is_some()
    }

    /// The recording, if one is to be shown.
    pub(super) fn open(&self) -> anyhow::Result<Option<Ahead>> {
        let Some(path) = &self.replay else {
            return Ok(None);
        };
        let reader = Reader::open(path)?;
        // It is read: from here on nothing needs a privilege.
        privileges::keep_none();
        Ok(Some(Ahead::start(reader)?))
    }
}

impl Speed {
    /// As given, else this.
    pub(super) fn or(&self, otherwise: Pace) -> Pace {
        self.speed.unwrap_or(otherwise)
    }
}

/// Says of a replay that has come to its end what is to be known of it.
pub(super) fn tell_end(recording: &Ahead) {
    if let Some(complaint) = recording.complaint() {
        say(&format!("portex: {complaint}"));
    }
}

/// A recording of one namespace shows that only.
pub(super) fn limited(filter: Filter, recording: &Ahead) -> Filter {
    Filter {
        netns: filter.netns.or(recording.header().netns),
        ..filter
    }
}

/// Ends as for a command line that cannot be parsed.
pub(super) fn bad_usage(message: &str) -> ! {
    Cli::command()
        .error(ErrorKind::ValueValidation, message)
        .exit()
}

/// Size of a recording: a number of bytes, or of K, M or G (1024 each).
pub(super) fn size(text: &str) -> Result<u64, String> {
    let help = "write it as 500M or 2G, 64K at least";
    let (number, unit) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (text.get(..at), 1 << 10),
        Some((at, 'm' | 'M')) => (text.get(..at), 1 << 20),
        Some((at, 'g' | 'G')) => (text.get(..at), 1 << 30),
        _ => (Some(text), 1_u64),
    };
    let number: u64 = number.and_then(|number| number.parse().ok()).ok_or(help)?;
    let bytes = number.checked_mul(unit).ok_or(help)?;
    if bytes < 64 << 10 {
        return Err(help.to_owned());
    }
    Ok(bytes)
}

/// Ends a recording, and says what it holds.
pub(super) fn finish(
    journal: Journal,
    at: Duration,
    began: Duration,
    name: &str,
) -> anyhow::Result<Option<Summary>> {
    let summary = journal.finish(at).context("ending the recording")?;
    if let Some(summary) = summary {
        let full = match summary.room {
            Room::Left => "",
            Room::Full => {
                ", which is all that --max-size leaves room for: what came then is not in it"
            }
        };
        say(&format!(
            "portex: recorded {} events of {:.1} s in {} to {name}{full}",
            summary.events,
            summary.at.saturating_sub(began).as_secs_f64(),
            bytes(summary.bytes)
        ));
    }
    Ok(summary)
}

/// Bytes, for people.
fn bytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a size for people")]
    let size = bytes as f64;
    match bytes {
        0..1_024 => format!("{bytes} bytes"),
        1_024..1_048_576 => format!("{:.1} KiB", size / 1_024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", size / 1_048_576.0),
        _ => format!("{:.2} GiB", size / 1_073_741_824.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("65536"), Ok(65_536));
        assert_eq!(size("64K"), Ok(65_536));
        assert_eq!(size("500M"), Ok(500 << 20));
        assert_eq!(size("2g"), Ok(2 << 30));
        for text in [
            "",
            "K",
            "1",
            "63K",
            "-1M",
            "1.5G",
            "99999999999G",
            "1T",
            "1µ",
        ] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_shown_in_units() {
        assert_eq!(bytes(12), "12 bytes");
        assert_eq!(bytes(1_536), "1.5 KiB");
        assert_eq!(bytes(3 << 20), "3.0 MiB");
        assert_eq!(bytes(5 << 30), "5.00 GiB");
    }
}
