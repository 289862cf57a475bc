//! From the kernel programs' clock to the time of day.

use std::time::Duration;

use jiff::Timestamp;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// A difference this large, in nanoseconds, is a step of the clock.
const STEP: i128 = 10_000_000;
/// The time of day is known this well, in nanoseconds, when the clocks are read without a break.
const CLOSE_ENOUGH: i128 = 1_000_000;
/// Readings before giving up on a machine that is too busy.
const READINGS: usize = 8;

/// Difference between `CLOCK_REALTIME` and `CLOCK_MONOTONIC`.
///
/// Kept as it is while it changes by no more than jitter, so that events in order of kernel time are
/// in order of the time of day too.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    offset: i128,
    /// Of a recording: what it was then.
    fixed: bool,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            offset: measure().offset,
            fixed: false,
        }
    }
}

impl Clock {
    /// With a fixed difference in nanoseconds: the clock of a recording.
    pub fn fixed(offset: i128) -> Self {
        Self {
            offset,
            fixed: true,
        }
    }

    /// With a difference, for tests.
    #[cfg(test)]
    pub(crate) fn at(offset: Duration) -> Self {
        Self {
            offset: i128::try_from(offset.as_nanos()).expect("small"),
            fixed: false,
        }
    }

    /// The difference in nanoseconds.
    pub fn offset(&self) -> i128 {
        self.offset
    }

    /// Whether it is the clock of a recording.
    pub fn is_fixed(&self) -> bool {
        self.fixed
    }

    /// Follows a step of the time of day.
    pub fn follow(&mut self) {
        if self.fixed {
            return;
        }
        let now = measure();
        // A reading that was interrupted looks like a step.
        if now.uncertain < CLOSE_ENOUGH && (now.offset - self.offset).abs() > STEP {
            self.offset = now.offset;
        }
    }

    /// The time of day of a moment by `CLOCK_MONOTONIC`.
    pub fn timestamp(&self, monotonic: Duration) -> Timestamp {
        let nanos = i128::try_from(monotonic.as_nanos()).unwrap_or(i128::MAX);
        Timestamp::from_nanosecond(nanos.saturating_add(self.offset)).unwrap_or(Timestamp::MAX)
    }
}

/// One comparison of the two clocks, in nanoseconds.
#[derive(Clone, Copy)]
struct Reading {
    offset: i128,
    uncertain: i128,
}

/// The best of some readings.
fn measure() -> Reading {
    let mut best = read();
    for _ in 1..READINGS {
        if best.uncertain < CLOSE_ENOUGH {
            break;
        }
        let again = read();
        if again.uncertain < best.uncertain {
            best = again;
        }
    }
    best
}

/// Reads the time of day between two readings of the other clock.
fn read() -> Reading {
    let before = nanos(clock_gettime(ClockId::Monotonic));
    let real = nanos(clock_gettime(ClockId::Realtime));
    let after = nanos(clock_gettime(ClockId::Monotonic));
    Reading {
        offset: real - before.midpoint(after),
        uncertain: after - before,
    }
}

fn nanos(time: Timespec) -> i128 {
    i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_of_an_idle_moment_agree() {
        let (first, second) = (measure(), measure());
        let doubt = first.uncertain + second.uncertain + STEP;
        assert!((first.offset - second.offset).abs() <= doubt);
    }

    #[test]
    fn the_offset_stays_while_the_clock_does_not_step() {
        let mut clock = Clock::default();
        let before = clock.offset;
        clock.follow();
        assert!((clock.offset - before).abs() == 0 || measure().uncertain >= CLOSE_ENOUGH);
    }

    #[test]
    fn a_step_is_followed() {
        let mut clock = Clock::at(Duration::ZERO);
        clock.follow();
        assert!(clock.offset > STEP, "the time of day is long after 1970");
    }
}
