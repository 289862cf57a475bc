//! Carries events from a source to a view, until a limit is reached or someone says stop.

use std::{
    collections::BTreeMap,
    io,
    time::{Duration, Instant},
};

use tokio::{pin, select, time::sleep};

use crate::{
    clock::Clock,
    event::{Event, Losses},
    filter::Filter,
    source::EventSource,
    views::{Context, EventView},
};

/// Losses are told at most this often. Reading the counters takes `bpf()` calls, and while one runs
/// the kernel skips kprobes' programs on its CPU (`bpf_disable_instrumentation`).
const LOSS_INTERVAL: Duration = Duration::from_secs(5);

/// When to end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// After so many events shown.
    pub events: Option<u64>,
    /// After so long.
    pub duration: Option<Duration>,
}

/// What was shown and what was lost.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Events shown, by kind.
    pub shown: BTreeMap<&'static str, u64>,
    /// All of them.
    events: u64,
    /// Losses since the beginning.
    pub losses: Losses,
}

impl Totals {
    /// Events shown.
    pub fn events(&self) -> u64 {
        self.events
    }

    fn count(&mut self, event: &Event) {
        self.events += 1;
        *self.shown.entry(event.kind.name()).or_default() += 1;
    }
}

/// Runs until the source ends, a limit is reached, `stop` is ready, or the reader has gone away.
/// Then the source is ended, and what was on its way is shown too, unless a limit or the reader
/// forbids it.
pub async fn run<S: EventSource, V: EventView>(
    source: &mut S,
    view: &mut V,
    filter: &Filter,
    limits: Limits,
    stop: impl Future<Output = ()>,
) -> io::Result<Totals> {
    let mut pump = Pump {
        view,
        filter,
        most: limits.events.unwrap_or(u64::MAX),
        clock: source.clock(),
        totals: Totals::default(),
    };
    let outcome = pump.until_stopped(source, limits.duration, stop).await;
    if outcome.is_err() || pump.totals.events() >= pump.most {
        source.give_up();
    }
    let mut rest = Vec::new();
    source.finish(&mut rest);
    let outcome = outcome.and_then(|()| {
        pump.show(source, &rest)?;
        pump.tell_losses(source)?;
        pump.view.end()?;
        pump.view.flush()
    });
    pump.totals.losses = source.losses();
    match outcome {
        // The reader has what it wanted.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(pump.totals),
        Err(error) => Err(error),
        Ok(()) => Ok(pump.totals),
    }
}

struct Pump<'a, V> {
    view: &'a mut V,
    filter: &'a Filter,
    most: u64,
    clock: Clock,
    totals: Totals,
}

impl<V: EventView> Pump<'_, V> {
    async fn until_stopped<S: EventSource>(
        &mut self,
        source: &mut S,
        duration: Option<Duration>,
        stop: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let deadline = async {
            match duration {
                Some(duration) => sleep(duration).await,
                None => std::future::pending().await,
            }
        };
        pin!(stop, deadline);
        let mut told_at = Instant::now();
        let mut events = Vec::new();
        loop {
            events.clear();
            let more = select! {
                biased;
                () = &mut stop => return Ok(()),
                () = &mut deadline => return Ok(()),
                more = source.fill(&mut events) => more?,
            };
            if self.clock.is_fixed() {
                // A recording tells of its steps.
                self.clock = source.clock();
            }
            self.show(source, &events)?;
            // A recording is told at its own pace.
            if told_at.elapsed() >= LOSS_INTERVAL || self.clock.is_fixed() {
                told_at = Instant::now();
                self.clock.follow();
                self.tell_losses(source)?;
            }
            self.view.flush()?;
            if !more || self.totals.events() >= self.most {
                return Ok(());
            }
        }
    }

    fn show<S: EventSource>(&mut self, source: &mut S, events: &[Event]) -> io::Result<()> {
        for event in events {
            if self.totals.events() >= self.most {
                break;
            }
            let owner = &event.owner;
            if !self.filter.matches(event, || source.cgroup(owner)) {
                continue;
            }
            let cgroup = if V::SHOWS_CGROUP {
                source.cgroup(owner)
            } else {
                None
            };
            let call = source.call(event);
            let context = Context {
                clock: &self.clock,
                cgroup: cgroup.as_deref(),
                call: call.as_deref(),
            };
            self.view.event(event, context)?;
            self.totals.count(event);
        }
        Ok(())
    }

    /// Tells what was lost since the last time.
    fn tell_losses<S: EventSource>(&mut self, source: &S) -> io::Result<()> {
        let now = source.losses();
        let since = now.since(&self.totals.losses);
        self.totals.losses = now;
        if since == Losses::default() {
            return Ok(());
        }
        self.view
            .lost(&since, self.clock.timestamp(source.told_until()))
    }
}

#[cfg(test)]
mod tests;
