//! What `portex snapshot` and `portex check` have in common: how the picture comes about.

use std::{borrow::Cow, time::Duration};

use anyhow::ensure;
use jiff::Timestamp;
use tokio::{select, sync::watch, time::sleep};

use super::{
    options::{How, Which, duration, tell_attached},
    record::ToFile,
    replayed::{finish, limited, tell_end},
    runtime, say, stop,
};
use crate::{
    attribution::Snapshot,
    clock::Clock,
    cost::OwnCost,
    escape,
    event::Losses,
    input::Input,
    inventory::Look,
    kernel::{Attached, Options, Session},
    live::Costs,
    observe::{self, Journal, Model, Scanned, Scanner, Walks, monotonic},
    recording::{Ahead, Header, Pace},
    source::{EventSource as _, Live},
};

/// What is looked at, and for how long.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Observed {
    #[command(flatten)]
    which: Which,
    /// Trace that long first (5s, 1m): then rates, failures and the owners of new TIME_WAITs are known
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "How to trace")]
    pub(super) watch: Option<Duration>,
    #[command(flatten)]
    how: How,
}

impl Observed {
    /// The namespace that is wanted, if it is one.
    pub(super) fn netns(&self) -> anyhow::Result<Option<u32>> {
        Ok(self.which.filter()?.netns)
    }

    /// The same without watching.
    pub(super) fn at_once(&self) -> Self {
        Self {
            watch: None,
            ..self.clone()
        }
    }

    /// Options that ask for less than whole namespaces.
    pub(super) fn narrower(&self) -> Vec<&'static str> {
        self.which.narrower()
    }

    /// Settings of a session that is as asked for.
    pub(super) fn session(&self, verbose: u8) -> Options {
        self.how.session(None, verbose)
    }
}

/// A picture and where it comes from.
pub(super) struct Picture {
    pub(super) snapshot: Snapshot,
    pub(super) kernel: String,
    /// Name of the way; `None`: nothing was traced.
    pub(super) attach: Option<String>,
    pub(super) time: Timestamp,
    pub(super) uptime: Duration,
    /// What portex itself cost while it watched.
    pub(super) own_cost: Option<OwnCost>,
    /// How it was attached while watching.
    pub(super) attached: Option<Attached>,
    /// What was lost while watching.
    pub(super) losses: Losses,
    /// Why explicit binds are estimated, if they are.
    pub(super) walks_refused: Option<String>,
    /// What else could not be seen, and why. Escape before printing.
    pub(super) notes: Vec<String>,
}

/// Looks at the host, watching first when that was asked for. Says how it is attached and what could
/// not be seen.
pub(super) fn picture(
    args: &Observed,
    record: Option<&ToFile>,
    verbose: u8,
) -> anyhow::Result<Picture> {
    look(args, record, verbose, true)
}

/// The same, but says how it is attached only: for who tells in its own way what could not be seen.
pub(super) fn picture_only(args: &Observed, verbose: u8) -> anyhow::Result<Picture> {
    look(args, None, verbose, false)
}

fn look(
    args: &Observed,
    record: Option<&ToFile>,
    verbose: u8,
    talks: bool,
) -> anyhow::Result<Picture> {
    let began = monotonic();
    let clock = Clock::default();
    let filter = args.which.filter()?;
    let look = Look {
        netns: filter.netns,
        owners: true,
    };
    let seen = if let Some(time) = args.watch {
        let record = Record {
            to: record,
            began,
            clock: &clock,
        };
        watched(args, time, look, &record, verbose)?
    } else {
        once(&look)
    };
    if talks && let Some(scanned) = &seen.scanned {
        tell(scanned, seen.refusal.as_deref(), verbose);
    }
    let mut snapshot = seen.snapshot;
    let now = snapshot.time;
    observe::narrow(&mut snapshot, &filter);
    let notes = seen.scanned.map_or_else(
        || {
            vec![
                "the last look at sockets was given up: who holds what may be out of date"
                    .to_owned(),
            ]
        },
        |scanned| scanned.report.notes,
    );
    Ok(Picture {
        notes,
        time: clock.timestamp(now),
        snapshot,
        kernel: rustix::system::uname()
            .release()
            .to_string_lossy()
            .into_owned(),
        attach: seen
            .attached
            .as_ref()
            .map(|attached| attached.way.name().to_owned()),
        uptime: now.saturating_sub(began),
        own_cost: seen.own_cost,
        attached: seen.attached,
        losses: seen.losses,
        walks_refused: seen.refusal,
    })
}

/// What was seen, and how.
struct Seen {
    snapshot: Snapshot,
    /// The last scan, unless it was given up.
    scanned: Option<Scanned>,
    /// Why explicit binds are estimated, if they are.
    refusal: Option<String>,
    attached: Option<Attached>,
    losses: Losses,
    own_cost: Option<OwnCost>,
}

/// What a recording of such a watch has come to in the end.
pub(super) fn replayed(args: &Observed, recording: &mut Ahead) -> anyhow::Result<Picture> {
    let filter = limited(args.which.recorded(), recording);
    let mut model = Model::default();
    let (_unchanged, pace) = watch::channel(Pace::AtOnce);
    let replayed = runtime()?.block_on(async {
        let signals = stop::signals(stop::Rest::Write)?;
        anyhow::Ok(observe::replay(recording, pace, &mut model, &mut (), signals).await?)
    })?;
    ensure!(replayed.ended.is_some(), "ended by a signal");
    tell_end(recording);
    let mut snapshot = model.snapshot(replayed.at);
    observe::narrow(&mut snapshot, &filter);
    let header = recording.header();
    Ok(Picture {
        time: recording.clock().timestamp(replayed.at),
        snapshot,
        kernel: header.kernel.clone(),
        attach: Some(header.attach.clone()),
        uptime: replayed.at.saturating_sub(header.started()),
        own_cost: None,
        attached: None,
        losses: Losses::default(),
        walks_refused: None,
        notes: Vec::new(),
    })
}

/// Whether a watch is recorded, and what its recording begins with.
struct Record<'a> {
    to: Option<&'a ToFile>,
    began: Duration,
    clock: &'a Clock,
}

impl Record<'_> {
    fn begin(&self, way: &str, netns: Option<u32>) -> anyhow::Result<Option<Journal>> {
        let header = Header::here(way, self.began, self.clock, netns);
        self.to.map_or(Ok(None), |to| to.begin(&header))
    }

    fn end(&self, journal: Option<Journal>, at: Duration) -> anyhow::Result<()> {
        let name = self.to.and_then(ToFile::name);
        if let (Some(journal), Some(name)) = (journal, name) {
            finish(journal, at, self.began, &name)?;
        }
        Ok(())
    }
}

/// One scan.
fn once(look: &Look) -> Seen {
    let mut model = Model::default();
    let mut walks = Walks::default();
    model.take(Input::ScanBegins(monotonic()));
    let scanned = observe::scan(look, &mut walks, &mut |batch| {
        model.take(Input::Found(Cow::Owned(batch)));
    });
    model.take(Input::ScanEnds {
        sight: scanned.sight,
        at: monotonic(),
    });
    let snapshot = model.snapshot(monotonic());
    Seen {
        snapshot,
        scanned: Some(scanned),
        refusal: walks.refusal().map(ToString::to_string),
        attached: None,
        losses: Losses::default(),
        own_cost: None,
    }
}

/// Traces for a while; a signal ends that early.
fn watched(
    args: &Observed,
    time: Duration,
    look: Look,
    record: &Record<'_>,
    verbose: u8,
) -> anyhow::Result<Seen> {
    // The model needs everybody's: ports are shared by all processes of a namespace.
    let netns = look.netns;
    let options = args.how.session(netns, verbose);
    runtime()?.block_on(async {
        let (session, ring) = Session::start(&options)?;
        let attached = session.attached().clone();
        // While there are privileges to make the file.
        let mut journal = record.begin(attached.way.name(), netns)?;
        let mut scanner = Scanner::start(look)?;
        let mut costs = Costs::of(&session);
        session.drop_privileges()?;
        let signals = stop::signals(stop::Rest::Work)?;
        tell_attached(&attached);
        let mut live = Live::new(session, ring);
        let stop = async {
            select! {
                () = sleep(time) => {}
                () = signals => {}
            }
        };
        let mut model = Model::default();
        let watched =
            observe::watch(&mut live, &mut scanner, &mut model, &mut journal, stop).await?;
        // Before the programs are taken off: that takes a while, in which nothing is seen any more.
        let snapshot = model.snapshot(monotonic());
        let own_cost = costs.since_before(monotonic());
        drop(costs);
        live.finish(&mut Vec::new());
        record.end(journal, snapshot.time)?;
        let (last, refusal) = watched
            .map(|watched| (watched.scanned, watched.refusal))
            .unzip();
        Ok(Seen {
            snapshot,
            scanned: last,
            refusal: refusal.flatten(),
            attached: Some(attached),
            losses: live.losses(),
            own_cost: Some(own_cost),
        })
    })
}

/// Says what could not be seen.
fn tell(scanned: &Scanned, refusal: Option<&str>, verbose: u8) {
    if let Some(refusal) = refusal {
        say(&format!(
            "portex: what explicit binds take is estimated, so that no figure is exact: {refusal}"
        ));
    }
    if scanned.sight.hidden_namespaces != 0 || verbose > 0 {
        for note in &scanned.report.notes {
            say(&format!("portex: {}", escape::text(note.as_bytes())));
        }
    }
}
