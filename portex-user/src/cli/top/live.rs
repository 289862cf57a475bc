//! Frames of this host, now.

use std::{sync::Arc, time::Duration};

use tokio::{select, time::sleep};

use super::shown::{Questions, Shown};
use crate::{
    attribution::Snapshot,
    cli::{options, record::ToFile, replayed::finish, runtime, stop},
    clock::Clock,
    filter::Filter,
    input::Input,
    inventory::Look,
    kernel::{Options, Session},
    live::{Costs, Frames, Origin, Recorded},
    observe::{self, Audience as _, Model, Scanner, monotonic},
    recording::Header,
    source::{EventSource as _, Live},
};

/// What goes with the view.
#[derive(Default)]
pub(in crate::cli) struct Extra<'a> {
    /// What is to be said of each snapshot.
    pub(in crate::cli) advice: Option<fn(&Snapshot) -> &'static str>,
    /// What begins when all is set up.
    pub(in crate::cli) go: Option<Box<dyn FnOnce() -> anyhow::Result<()> + 'a>>,
    /// When to end.
    pub(in crate::cli) duration: Option<Duration>,
    /// Whether it is recorded.
    pub(in crate::cli) record: Option<&'a ToFile>,
}

/// Traces and shows frames until somebody wants the end.
pub(in crate::cli) fn live(
    shown: &Shown,
    filter: Filter,
    options: &Options,
    extra: Extra<'_>,
) -> anyhow::Result<()> {
    let began = monotonic();
    let clock = Clock::default();
    let look = Look {
        netns: options.netns,
        owners: true,
    };
    runtime()?.block_on(async {
        let (session, ring) = Session::start(options)?;
        let attached = session.attached();
        let header = Header::here(attached.way.name(), began, &clock, options.netns);
        // While there are privileges to make the file.
        let journal = extra.record.map_or(Ok(None), |to| to.begin(&header))?;
        // These keep the capabilities of now: they look into other namespaces and processes.
        let mut scanner = Scanner::start(look)?;
        let questions = Questions::start()?;
        let costs = Costs::of(&session);
        session.drop_privileges()?;
        let signals = stop::signals(stop::Rest::Write)?;
        let origin = Origin {
            host: Arc::from(header.host.as_str()),
            kernel: Arc::from(header.kernel.as_str()),
            attach: Some(attached.way.name().into()),
            began,
            clock,
            replayed: false,
            advice: extra.advice,
            notes: options::notes(attached),
        };
        let frames = Frames::new(origin, filter, shown.delay()).with_costs(costs);
        let mut live = Live::new(session, ring);
        if let Some(go) = extra.go {
            go()?;
        }
        let stop = async move {
            select! {
                () = signals => {}
                () = after(extra.duration) => {}
            }
        };
        let (view, closing) = shown.open(frames, questions, stop, None)?;
        let mut audience = Recorded { journal, view };
        let mut model = Model::default();
        let never = std::future::pending();
        let outcome =
            observe::watch(&mut live, &mut scanner, &mut model, &mut audience, never).await;
        let at = monotonic().max(model.latest());
        let lost = Input::Lost(live.losses());
        // The terminal first: what comes then may be said on it.
        let Recorded { journal, view } = audience;
        let closed = closing.close(view);
        live.finish(&mut Vec::new());
        // What was recorded is worth keeping, whatever went wrong.
        let recorded = match (journal, extra.record.and_then(ToFile::name)) {
            (Some(mut journal), Some(name)) => journal
                .hear(&lost)
                .map_err(anyhow::Error::from)
                .and_then(|_| finish(journal, at, began, &name)),
            _ => Ok(None),
        };
        outcome?;
        closed?;
        recorded?;
        Ok(())
    })
}

async fn after(duration: Option<Duration>) {
    match duration {
        Some(duration) => sleep(duration).await,
        None => std::future::pending().await,
    }
}
