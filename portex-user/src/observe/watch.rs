//! Events into the model, corrected by scans.

use std::{borrow::Cow, io, time::Duration};

use tokio::{pin, select};

use super::{
    Audience, Model, Wish, monotonic,
    scan::Scanned,
    scanner::{Message, Scanner},
};
use crate::{event::Event, input::Input, inventory::cgroups::Cgroups, source::EventSource};

/// Least time between the end of a scan and the next: figures stay exact from one to the next.
const LEAST_PAUSE: Duration = Duration::from_secs(2);
/// A scan may take this share of the time: one part of so many.
const SHARE: u32 = 50;
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

/// While a scan brings what it finds, events are fetched at least this often.
const LONGEST_WITHOUT_EVENTS: Duration = Duration::from_millis(100);

/// Watches until `stop` is ready, the audience wants the end, or the source ends; scanning at the
/// beginning, now and then, and at the end, so that the model is right when this returns. The source
/// goes on then. `None`: the audience left, and there was no scan at the end.
pub async fn watch<S: EventSource, A: Audience>(
    source: &mut S,
    scanner: &mut Scanner,
    model: &mut Model,
    audience: &mut A,
    stop: impl Future<Output = ()>,
) -> io::Result<Option<Watched>> {
    let began = monotonic();
    let mut watch = Watch {
        model,
        audience,
        cgroups: Cgroups::new(),
        phase: Phase::Idle { until: began },
        stopped: None,
        left: false,
        last: None,
    };
    watch.take(Input::Watch(began))?;
    let mut events = Vec::new();
    let mut filled = began;
    pin!(stop);
    loop {
        if watch.left || watch.last.is_some() {
            return Ok(watch.last);
        }
        watch.scan_if_due(scanner)?;
        watch.look_if_due()?;
        events.clear();
        // What a scan finds comes fast: it must not keep events waiting until their buffer is full.
        let listens = watch.listens() && monotonic() < filled + LONGEST_WITHOUT_EVENTS;
        select! {
            biased;
            () = &mut stop, if watch.stopped.is_none() => watch.stop(),
            message = scanner.next(), if listens => match message {
                Some(message) => watch.hear(message)?,
                None => return Err(io::Error::other("the thread that scans has ended")),
            },
            () = watch.audience.wake() => {}
            more = source.fill(&mut events) => {
                watch.take_events(&events)?;
                if !more? {
                    watch.stop();
                }
                watch.end_scan_if_complete(source)?;
                filled = monotonic();
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

struct Watch<'a, A> {
    model: &'a mut Model,
    audience: &'a mut A,
    cgroups: Cgroups,
    phase: Phase,
    /// When the end was asked for.
    stopped: Option<Duration>,
    /// The audience has gone.
    left: bool,
    /// What the first scan brought that began after that.
    last: Option<Watched>,
}

impl<A: Audience> Watch<'_, A> {
    /// One step of the model.
    fn take(&mut self, input: Input<'_>) -> io::Result<()> {
        let wish = self.audience.hear(&input)?;
        self.model.take(input);
        self.grant(wish);
        Ok(())
    }

    fn grant(&mut self, wish: Wish) {
        match wish {
            Wish::GoOn => {}
            Wish::End => self.stop(),
            Wish::Leave => self.left = true,
        }
    }

    /// Events, with the paths of cgroups that are new.
    fn take_events(&mut self, events: &[Event]) -> io::Result<()> {
        for event in events {
            let owner = &event.owner;
            if !self.model.knows_cgroup(owner.cgroup) {
                let path = self.cgroups.path(owner.cgroup, owner.pid);
                let id = owner.cgroup;
                self.take(Input::Cgroup { id, path })?;
            }
        }
        if events.is_empty() {
            return Ok(());
        }
        self.take(Input::Events(Cow::Borrowed(events)))
    }

    fn look_if_due(&mut self) -> io::Result<()> {
        let now = monotonic();
        let due = self.audience.next_look().is_some_and(|at| at <= now);
        if due {
            let wish = self.audience.look(self.model, now)?;
            self.grant(wish);
        }
        Ok(())
    }

    /// One more scan, as soon as none is under way.
    fn stop(&mut self) {
        let now = monotonic();
        self.stopped.get_or_insert(now);
        if let Phase::Idle { until } = &mut self.phase {
            *until = now;
        }
    }

    fn scan_if_due(&mut self, scanner: &Scanner) -> io::Result<()> {
        let now = monotonic();
        if let Phase::Idle { until } = self.phase
            && now >= until
        {
            self.take(Input::ScanBegins(now))?;
            scanner.ask();
            self.phase = Phase::Scanning { began: now };
        }
        Ok(())
    }

    fn listens(&self) -> bool {
        matches!(self.phase, Phase::Scanning { .. })
    }

    fn hear(&mut self, message: Message) -> io::Result<()> {
        match message {
            Message::Batch(batch) => self.take(Input::Found(Cow::Owned(batch)))?,
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
        Ok(())
    }

    /// Ends the scan when the events of its time are in.
    fn end_scan_if_complete<S: EventSource>(&mut self, source: &S) -> io::Result<()> {
        let now = monotonic();
        if !matches!(self.phase, Phase::Ending { at, .. } if now >= at + LATE) {
            return Ok(());
        }
        let idle = Phase::Idle { until: now };
        if let Phase::Ending { began, at, watched } = std::mem::replace(&mut self.phase, idle) {
            self.take(Input::Lost(source.losses()))?;
            let sight = watched.scanned.sight;
            self.take(Input::ScanEnds { sight, at: now })?;
            self.audience.scanned(&watched)?;
            let cost = at.saturating_sub(began);
            let pause = LEAST_PAUSE.max(cost * SHARE);
            let until = if self.stopped.is_some() {
                now
            } else {
                now + pause
            };
            self.phase = Phase::Idle { until };
            // One that began before is of a time that events have gone beyond.
            self.last = self
                .stopped
                .is_some_and(|stopped| began >= stopped)
                .then_some(watched);
        }
        Ok(())
    }
}
