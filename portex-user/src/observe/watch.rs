//! Events into the model, corrected by scans.

use std::{io, time::Duration};

use tokio::{pin, select};

use super::{
    monotonic,
    scan::Scanned,
    scanner::{Message, Scanner},
};
use crate::{attribution::State, inventory::cgroups::Cgroups, source::EventSource};

/// Least time between the end of a scan and the next.
const LEAST_PAUSE: Duration = Duration::from_secs(5);
/// A scan may take this share of the time: one part of so many.
const SHARE: u32 = 20;
/// Events of the time of a scan have arrived this long after it.
const LATE: Duration = Duration::from_millis(100);

/// What came of watching.
#[derive(Debug)]
pub struct Watched {
    /// The last scan.
    pub scanned: Scanned,
    /// Why binds cannot be walked, if so.
    pub refusal: Option<String>,
}

/// Watches until `stop` is ready or the source ends, scanning at the beginning, now and then, and at
/// the end, so that the model is right when this returns. The source goes on then.
pub async fn watch<S: EventSource>(
    source: &mut S,
    scanner: &mut Scanner,
    state: &mut State,
    stop: impl Future<Output = ()>,
) -> io::Result<Watched> {
    let began = monotonic();
    state.watch_from(began);
    let mut watch = Watch {
        state,
        cgroups: Cgroups::new(),
        phase: Phase::Idle { until: began },
        last: None,
    };
    let mut events = Vec::new();
    let mut stopping = false;
    pin!(stop);
    loop {
        if stopping && let Some(watched) = watch.result() {
            return Ok(watched);
        }
        watch.scan_if_due(scanner, stopping);
        events.clear();
        select! {
            biased;
            () = &mut stop, if !stopping => {
                stopping = true;
                watch.last = None;
                watch.hurry();
            }
            message = scanner.next(), if watch.listens() => match message {
                Some(message) => watch.hear(message),
                None => return Err(io::Error::other("the thread that scans has ended")),
            },
            more = source.fill(&mut events) => {
                for event in &events {
                    let owner = &event.owner;
                    let cgroups = &mut watch.cgroups;
                    watch.state.apply(event, || cgroups.path(owner.cgroup, owner.pid));
                }
                if !more? && !stopping {
                    stopping = true;
                    watch.last = None;
                    watch.hurry();
                }
                watch.end_scan_if_complete(source);
            }
        }
    }
}

/// Where the scans stand.
enum Phase {
    /// Until the next is due.
    Idle { until: Duration },
    /// One is under way.
    Scanning { began: Duration },
    /// One is over; events of its time may be on their way.
    Ending {
        began: Duration,
        at: Duration,
        watched: Watched,
    },
}

struct Watch<'a> {
    state: &'a mut State,
    cgroups: Cgroups,
    phase: Phase,
    /// What the last scan brought, unless another is wanted.
    last: Option<Watched>,
}

impl Watch<'_> {
    /// The last scan, when it is over.
    fn result(&mut self) -> Option<Watched> {
        match self.phase {
            Phase::Idle { .. } => self.last.take(),
            _ => None,
        }
    }

    fn hurry(&mut self) {
        if let Phase::Idle { until } = &mut self.phase {
            *until = Duration::ZERO;
        }
    }

    fn scan_if_due(&mut self, scanner: &Scanner, stopping: bool) {
        let now = monotonic();
        if let Phase::Idle { until } = self.phase
            && (now >= until || stopping)
        {
            self.state.begin_scan(now);
            scanner.ask();
            self.phase = Phase::Scanning { began: now };
        }
    }

    fn listens(&self) -> bool {
        matches!(self.phase, Phase::Scanning { .. })
    }

    fn hear(&mut self, message: Message) {
        match message {
            Message::Batch(batch) => {
                for found in batch {
                    self.state.found(found);
                }
            }
            Message::Ended {
                at,
                scanned,
                refusal,
            } => {
                if let Phase::Scanning { began } = self.phase {
                    let watched = Watched { scanned, refusal };
                    self.phase = Phase::Ending { began, at, watched };
                }
            }
        }
    }

    /// Ends the scan when the events of its time are in.
    fn end_scan_if_complete<S: EventSource>(&mut self, source: &S) {
        let now = monotonic();
        if !matches!(self.phase, Phase::Ending { at, .. } if now >= at + LATE) {
            return;
        }
        let idle = Phase::Idle { until: now };
        if let Phase::Ending { began, at, watched } = std::mem::replace(&mut self.phase, idle) {
            self.state.lost(source.losses().events());
            self.state.end_scan(watched.scanned.sight, now);
            let cost = at.saturating_sub(began);
            self.phase = Phase::Idle {
                until: now + LEAST_PAUSE.max(cost * SHARE),
            };
            self.last = Some(watched);
        }
    }
}
