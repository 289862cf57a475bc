//! What a space or a process did lately, and how long that took.

use std::{borrow::Cow, time::Duration};

use hdrhistogram::Histogram;

use super::{
    clock::MILLISECOND,
    rates::{Count, Flow},
    snapshot::Percentiles,
};

/// Distributions are told to two digits.
const DIGITS: u8 = 2;
/// What takes longer counts as this long: 17 minutes for a search in nanoseconds, 12 days for a hold
/// in milliseconds. So a histogram stays below 16 KiB.
const LONGEST: u64 = 1 << 40;
/// How many values a mean goes back over, about.
const MEAN_OVER: u32 = 64;

/// Flow of ports and times of one space or one process.
#[derive(Debug, Default)]
pub(super) struct Activity {
    pub(super) flow: Flow,
    /// Failed allocations since the beginning.
    pub(super) failures: u64,
    /// From connect() to TIME_WAIT or close.
    pub(super) live: Mean,
    /// From connect() to the release of the port.
    pub(super) hold: Mean,
    times: Option<Box<Times>>,
}

#[derive(Debug)]
struct Times {
    /// Nanoseconds.
    search: Histogram<u32>,
    /// Milliseconds.
    hold: Histogram<u32>,
}

/// How many more [`Times`] may be kept.
#[derive(Debug)]
pub(super) struct Budget(pub(super) usize);

impl Activity {
    pub(super) fn connected(&mut self, search: Option<Duration>, now: u64, budget: &mut Budget) {
        self.flow.count(Count::Connect, now);
        self.searched(search, budget);
    }

    pub(super) fn failed(&mut self, search: Option<Duration>, now: u64, budget: &mut Budget) {
        self.flow.count(Count::Failure, now);
        self.failures = self.failures.saturating_add(1);
        self.searched(search, budget);
    }

    pub(super) fn time_waited(&mut self, live: Option<Duration>, now: u64) {
        self.flow.count(Count::TimeWait, now);
        if let Some(live) = live {
            self.live.add(live);
        }
    }

    pub(super) fn released(
        &mut self,
        held: Duration,
        time_wait: Option<Duration>,
        now: u64,
        budget: &mut Budget,
    ) {
        self.flow.count(Count::Release, now);
        if time_wait.is_none() {
            self.flow.count(Count::Direct, now);
            self.live.add(held);
        }
        self.hold.add(held);
        if let Some(times) = self.times(budget) {
            let millis = u64::try_from(held.as_millis()).unwrap_or(LONGEST);
            record(&mut times.hold, millis);
        }
    }

    fn searched(&mut self, search: Option<Duration>, budget: &mut Budget) {
        if let Some(search) = search
            && let Some(times) = self.times(budget)
        {
            let nanos = u64::try_from(search.as_nanos()).unwrap_or(LONGEST);
            record(&mut times.search, nanos);
        }
    }

    fn times(&mut self, budget: &mut Budget) -> Option<&mut Times> {
        if self.times.is_none() && budget.0 > 0 {
            self.times = Times::new().map(Box::new);
            budget.0 -= usize::from(self.times.is_some());
        }
        self.times.as_deref_mut()
    }

    /// Gives back what it took from the budget.
    pub(super) fn retire(&self, budget: &mut Budget) {
        budget.0 += usize::from(self.times.is_some());
    }

    pub(super) fn search(&self) -> Option<Percentiles> {
        Self::search_of(std::iter::once(self))
    }

    pub(super) fn hold(&self) -> Option<Percentiles> {
        Self::hold_of(std::iter::once(self))
    }

    /// How long the searches of all these took.
    pub(super) fn search_of<'a>(all: impl Iterator<Item = &'a Self>) -> Option<Percentiles> {
        let times = all.filter_map(|activity| activity.times.as_deref());
        percentiles(times.map(|times| &times.search), 1)
    }

    /// How long all these held ports.
    pub(super) fn hold_of<'a>(all: impl Iterator<Item = &'a Self>) -> Option<Percentiles> {
        let times = all.filter_map(|activity| activity.times.as_deref());
        percentiles(times.map(|times| &times.hold), MILLISECOND)
    }
}

impl Times {
    fn new() -> Option<Self> {
        Some(Self {
            search: Histogram::new(DIGITS).ok()?,
            hold: Histogram::new(DIGITS).ok()?,
        })
    }
}

fn record(histogram: &mut Histogram<u32>, value: u64) {
    // It grows as far as needed, so that it takes every value.
    let taken = histogram.record(value.min(LONGEST));
    debug_assert!(taken.is_ok(), "{taken:?}");
}

fn percentiles<'a>(
    mut histograms: impl Iterator<Item = &'a Histogram<u32>>,
    unit: u64,
) -> Option<Percentiles> {
    let mut histogram = Cow::Borrowed(histograms.next()?);
    for more in histograms {
        // It grows as far as needed.
        let added = histogram.to_mut().add(more);
        debug_assert!(added.is_ok(), "{added:?}");
    }
    let time = |value: u64| Duration::from_nanos(value.saturating_mul(unit));
    (!histogram.is_empty()).then(|| Percentiles {
        p50: time(histogram.value_at_quantile(0.5)),
        p99: time(histogram.value_at_quantile(0.99)),
        max: time(histogram.max()),
    })
}

/// A mean in seconds that forgets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mean {
    value: f64,
    values: u32,
}

impl Mean {
    fn add(&mut self, time: Duration) {
        self.values = (self.values + 1).min(MEAN_OVER);
        self.value += (time.as_secs_f64() - self.value) / f64::from(self.values);
    }

    pub(super) fn get(self) -> Option<f64> {
        (self.values > 0).then_some(self.value)
    }
}
