//! What `portex snapshot` and `portex check` have in common: how the picture comes about.

use std::{borrow::Cow, time::Duration};

use jiff::Timestamp;
use tokio::{select, time::sleep};

use super::{
    options::{How, Which, duration, tell_attached},
    runtime, say, stop,
};
use crate::{
    attribution::Snapshot,
    clock::Clock,
    escape,
    input::Input,
    inventory::Look,
    kernel::Session,
    observe::{self, Model, Scanned, Scanner, Walks, monotonic},
    source::{EventSource as _, Live},
};

/// What is looked at, and for how long.
#[derive(Debug, clap::Args)]
pub(super) struct Observed {
    #[command(flatten)]
    which: Which,
    /// Trace that long first (5s, 1m): then rates, failures and the owners of new TIME_WAITs are known
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "How to trace")]
    watch: Option<Duration>,
    #[command(flatten)]
    how: How,
}

/// A picture and where it comes from.
pub(super) struct Picture {
    pub(super) snapshot: Snapshot,
    pub(super) kernel: String,
    /// Name of the way; `None`: nothing was traced.
    pub(super) attach: Option<&'static str>,
    pub(super) time: Timestamp,
    pub(super) uptime: Duration,
}

/// Looks at the host, watching first when that was asked for.
pub(super) fn picture(args: &Observed, verbose: u8) -> anyhow::Result<Picture> {
    let began = monotonic();
    let filter = args.which.filter()?;
    let look = Look {
        netns: filter.netns,
        owners: true,
    };
    let (mut snapshot, attach) = if let Some(time) = args.watch {
        let (snapshot, way) = watched(args, time, look, filter.netns, verbose)?;
        (snapshot, Some(way))
    } else {
        (once(&look, verbose), None)
    };
    let now = snapshot.time;
    observe::narrow(&mut snapshot, &filter);
    Ok(Picture {
        time: Clock::default().timestamp(now),
        snapshot,
        kernel: rustix::system::uname()
            .release()
            .to_string_lossy()
            .into_owned(),
        attach,
        uptime: now.saturating_sub(began),
    })
}

/// One scan.
fn once(look: &Look, verbose: u8) -> Snapshot {
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
    tell(&scanned, walks.refusal().map(ToString::to_string), verbose);
    snapshot
}

/// Traces for a while; a signal ends that early.
fn watched(
    args: &Observed,
    time: Duration,
    look: Look,
    netns: Option<u32>,
    verbose: u8,
) -> anyhow::Result<(Snapshot, &'static str)> {
    // The model needs everybody's: ports are shared by all processes of a namespace.
    let options = args.how.session(netns, verbose);
    runtime()?.block_on(async {
        let (session, ring) = Session::start(&options)?;
        let mut scanner = Scanner::start(look)?;
        session.drop_privileges()?;
        let signals = stop::signals(stop::Rest::Work)?;
        tell_attached(session.attached());
        let way = session.attached().way.name();
        let mut live = Live::new(session, ring);
        let stop = async {
            select! {
                () = sleep(time) => {}
                () = signals => {}
            }
        };
        let mut model = Model::default();
        let watched = observe::watch(&mut live, &mut scanner, &mut model, &mut (), stop).await?;
        // Before the programs are taken off: that takes a while, in which nothing is seen any more.
        let snapshot = model.snapshot(monotonic());
        live.finish(&mut Vec::new());
        if let Some(watched) = watched {
            tell(&watched.scanned, watched.refusal, verbose);
        }
        Ok((snapshot, way))
    })
}

/// Says what could not be seen.
fn tell(scanned: &Scanned, refusal: Option<String>, verbose: u8) {
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
