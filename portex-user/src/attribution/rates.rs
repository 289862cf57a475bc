//! How many events of a kind there were lately.

use std::collections::VecDeque;

use super::{
    clock::{SECOND, seconds},
    snapshot::Rates,
};

/// Events are counted in ticks of 100 ms: the window is right to one of its hundred ticks.
const TICK: u64 = SECOND / 10;
const WINDOW: u64 = 10 * SECOND;
const WINDOW_TICKS: u32 = 100;
/// Time constant of the smoothed rate, in ticks.
const SMOOTH_TICKS: f64 = 600.0;
const TICKS_PER_SECOND: f64 = 10.0;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    /// A port allocated.
    Connect = 0,
    /// None left.
    Failure = 1,
    /// A port free again.
    Release = 2,
    /// Of these, without TIME_WAIT.
    Direct = 3,
    /// A TIME_WAIT begun.
    TimeWait = 4,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    tick: u32,
    counts: [u32; 5],
}

/// Counts of the latest ten seconds. Only ticks in which something happened take room.
#[derive(Clone, Debug, Default)]
pub(super) struct Flow {
    slots: VecDeque<Slot>,
    /// Connects per tick, smoothed, up to the slot before the last.
    smooth: f64,
    smooth_tick: u32,
}

fn tick(now: u64) -> u32 {
    u32::try_from(now / TICK).unwrap_or(u32::MAX)
}

fn decay(ticks: u32) -> f64 {
    (-f64::from(ticks) / SMOOTH_TICKS).exp()
}

impl Flow {
    pub(super) fn count(&mut self, count: Count, now: u64) {
        let tick = tick(now);
        // An event that comes late counts with the latest ones.
        if self.slots.back().is_none_or(|last| last.tick < tick) {
            self.begin_slot(tick);
        }
        if let Some(slot) = self.slots.back_mut() {
            let counter = &mut slot.counts[count as usize];
            *counter = counter.saturating_add(1);
        }
    }

    fn begin_slot(&mut self, tick: u32) {
        if let Some(last) = self.slots.back() {
            self.smooth = self.smoothed_ticks(tick, last);
        }
        self.smooth_tick = tick;
        while self
            .slots
            .front()
            .is_some_and(|first| tick - first.tick > WINDOW_TICKS)
        {
            self.slots.pop_front();
        }
        self.slots.push_back(Slot {
            tick,
            counts: [0; 5],
        });
    }

    fn smoothed_ticks(&self, tick: u32, last: &Slot) -> f64 {
        let connects = f64::from(last.counts[Count::Connect as usize]);
        (self.smooth + connects / SMOOTH_TICKS) * decay(tick.saturating_sub(self.smooth_tick))
    }

    /// Events in the window that ends now; in part those of the tick that it cuts.
    pub(super) fn in_window(&self, count: Count, now: u64) -> f64 {
        let last = tick(now);
        #[expect(clippy::cast_precision_loss, reason = "both are small")]
        let cut = (now % TICK) as f64 / TICK as f64;
        self.slots
            .iter()
            .map(|slot| {
                let weight = match last.saturating_sub(slot.tick) {
                    0..WINDOW_TICKS => 1.0,
                    WINDOW_TICKS => 1.0 - cut,
                    _ => 0.0,
                };
                weight * f64::from(slot.counts[count as usize])
            })
            // The sum of nothing would be -0.0.
            .fold(0.0, |sum, events| sum + events)
    }

    /// Events per second over the window, or since `from` when that is less long ago.
    pub(super) fn per_second(&self, count: Count, from: u64, now: u64) -> f64 {
        self.in_window(count, now) / seconds(window(from, now))
    }

    pub(super) fn rates(&self, from: u64, now: u64) -> Rates {
        Rates {
            connects: self.per_second(Count::Connect, from, now),
            connects_smoothed: self.smoothed(from, now),
            failures: self.per_second(Count::Failure, from, now),
            releases: self.per_second(Count::Release, from, now),
        }
    }

    fn smoothed(&self, from: u64, now: u64) -> f64 {
        let Some(last) = self.slots.back() else {
            return 0.0;
        };
        let watched = tick(now).saturating_sub(tick(from)).max(10);
        // In the first minute there is less to smooth over.
        let seen = 1.0 - decay(watched);
        self.smoothed_ticks(tick(now), last) * TICKS_PER_SECOND / seen
    }
}

impl Rates {
    /// Those of two sources together.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            connects: self.connects + other.connects,
            connects_smoothed: self.connects_smoothed + other.connects_smoothed,
            failures: self.failures + other.failures,
            releases: self.releases + other.releases,
        }
    }
}

/// Length of the window; a second at least, so that the first event is no flood.
pub(super) fn window(from: u64, now: u64) -> u64 {
    now.saturating_sub(from).clamp(SECOND, WINDOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> u64 {
        1_000 * SECOND + millis * 1_000_000
    }

    #[test]
    fn a_steady_rate_is_told_to_one_percent_at_any_moment() {
        let mut flow = Flow::default();
        for i in 0..100_000 {
            flow.count(Count::Connect, at(i));
        }
        for late in [0, 1, 37, 99] {
            let now = at(100_000 + late);
            let rate = flow.per_second(Count::Connect, at(0), now);
            assert!((rate - 1_000.0).abs() < 12.0, "{rate}");
        }
        let smoothed = flow.rates(at(0), at(100_000)).connects_smoothed;
        assert!((smoothed - 1_000.0).abs() < 10.0, "{smoothed}");
    }

    #[test]
    fn after_ten_seconds_a_burst_is_over_and_after_one_it_is_not() {
        let mut flow = Flow::default();
        for _ in 0..50 {
            flow.count(Count::Failure, at(0));
        }
        assert!((flow.per_second(Count::Failure, at(0), at(9_900)) - 50.0 / 9.9).abs() < 0.01);
        assert!(flow.per_second(Count::Failure, at(0), at(10_200)) < 0.01);
        assert!((flow.per_second(Count::Failure, at(0), at(100)) - 50.0).abs() < 0.01);
    }

    #[test]
    fn nothing_is_not_negative() {
        let rates = Flow::default().rates(at(0), at(100));
        for rate in [rates.connects, rates.failures, rates.releases] {
            assert!(rate.is_sign_positive() && rate < f64::EPSILON, "{rate:?}");
        }
    }

    #[test]
    fn ticks_without_events_and_old_ones_take_no_room() {
        let mut flow = Flow::default();
        for i in 0..10_000 {
            flow.count(Count::Release, at(i * 700));
        }
        assert!(flow.slots.len() <= 16, "{}", flow.slots.len());
    }
}
