//! `portex record`, and how other commands record.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::builder::{PathBufValueParser, TypedValueParser};
use tokio::{select, time::sleep};

use super::{
    options::{How, duration, tell_attached},
    replayed::{finish, size},
    runtime, say, stop,
};
use crate::{
    clock::Clock,
    escape,
    input::Input,
    inventory::{Look, netns},
    kernel::Session,
    observe::{self, Audience as _, Journal, Model, Scanner, Wish, monotonic},
    recording::{Header, Room, Writer},
    source::{EventSource as _, Live},
};

/// Record all that portex sees into a file, to be shown later with --replay
///
/// `portex top --replay FILE`, `trace --replay` and `snapshot --replay` show it again, on any host and
/// without privileges. What was recorded can be read at any moment, also when portex is killed. The
/// file names processes, addresses and cgroups of this host: only its owner can read it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file; -: standard output
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
    /// Stop after this long: 30s, 5m, 1h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    duration: Option<Duration>,
    /// Stop before the file gets larger: 500M, 2G
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = MAX_SIZE)]
    max_size: u64,
    /// Only this network namespace: inode number, name of ip netns, or path
    #[arg(long, value_name = "INODE|NAME|PATH")]
    netns: Option<String>,
    #[command(flatten)]
    how: How,
}

/// How large a recording gets, unless told otherwise.
const MAX_SIZE: &str = "1G";

/// A live view that is recorded too.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Record")]
pub(super) struct ToFile {
    /// Record what is seen into this file, to be shown again with --replay
    #[arg(long, value_name = "FILE", conflicts_with = "replay", value_parser = file())]
    record: Option<PathBuf>,
    /// How large the recording may get; what comes then is not in it
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = MAX_SIZE, requires = "record")]
    max_size: u64,
    /// Replace the recording if it exists
    #[arg(long, requires = "record")]
    force: bool,
}

impl ToFile {
    /// Whether something is to be recorded.
    pub(super) fn is_given(&self) -> bool {
        self.record.is_some()
    }

    /// The name of the file, if there is to be one, as it can be shown.
    pub(super) fn name(&self) -> Option<String> {
        self.record.as_deref().map(name)
    }

    /// Begins the recording, if there is to be one; while there are still privileges to make the file.
    /// The view goes on when it is full.
    pub(super) fn begin(&self, header: &Header) -> anyhow::Result<Option<Journal>> {
        let Some(path) = &self.record else {
            return Ok(None);
        };
        let writer = Writer::create(path, header, self.max_size, self.force)?;
        Ok(Some(Journal::new(writer, Wish::GoOn)))
    }
}

/// A file: on standard output, a recording would get mixed up with what is shown.
fn file() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| {
        if path.as_os_str() == "-" {
            Err("standard output is taken by the view; portex record - writes to it")
        } else {
            Ok(path)
        }
    })
}

fn name(path: &Path) -> String {
    if path.as_os_str() == "-" {
        "standard output".to_owned()
    } else {
        escape::text(path.as_os_str().as_encoded_bytes())
    }
}

pub(super) fn run(args: &Args, verbose: u8) -> anyhow::Result<()> {
    let began = monotonic();
    let netns = args.netns.as_deref().map(netns::resolve).transpose()?;
    let options = args.how.session(netns, verbose);
    runtime()?.block_on(async {
        let (session, ring) = Session::start(&options)?;
        let way = session.attached().way.name();
        let header = Header::here(way, began, &Clock::default(), netns);
        // While there are privileges to make it.
        let writer = Writer::create(&args.file, &header, args.max_size, args.force)?;
        let mut journal = Journal::new(writer, Wish::Leave);
        let mut scanner = Scanner::start(Look {
            netns,
            owners: true,
        })?;
        session.drop_privileges()?;
        let signals = stop::signals(if args.file.as_os_str() == "-" {
            stop::Rest::WorkAndWrite
        } else {
            stop::Rest::Work
        })?;
        tell_attached(session.attached());
        let mut live = Live::new(session, ring);
        let stop = async {
            select! {
                () = after(args.duration) => {}
                () = signals => {}
            }
        };
        let mut model = Model::default();
        observe::watch(&mut live, &mut scanner, &mut model, &mut journal, stop).await?;
        let at = monotonic().max(model.latest());
        let lost = live.losses();
        journal.hear(&Input::Lost(lost))?;
        let summary = finish(journal, at, began, &name(&args.file))?;
        live.finish(&mut Vec::new());
        if lost.events() != 0 {
            say(&format!("portex: {} events lost", lost.events()));
        }
        if summary.is_some_and(|summary| summary.room == Room::Full) {
            say("portex: ended because of --max-size");
        }
        Ok(())
    })
}

async fn after(duration: Option<Duration>) {
    match duration {
        Some(duration) => sleep(duration).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::cli::Cli;

    #[test]
    fn standard_output_is_not_for_a_view_and_its_recording() {
        for command in ["top --batch", "snapshot --watch 1s"] {
            let with = |file| {
                let words = ["portex"].into_iter().chain(command.split(' '));
                Cli::try_parse_from(words.chain(["--record", file]))
            };
            let error = with("-").expect_err("refused");
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains("portex record -"), "{error}");
            assert!(with("file").is_ok(), "{command}");
        }
        assert!(Cli::try_parse_from(["portex", "record", "-"]).is_ok());
    }
}
