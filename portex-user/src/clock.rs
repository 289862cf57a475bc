//! From the kernel programs' clock to the time of day.

use std::time::Duration;

use jiff::Timestamp;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// A difference this large is a step of the clock, not the jitter of reading two clocks.
const STEP: i128 = 10_000_000;

/// Difference between `CLOCK_REALTIME` and `CLOCK_MONOTONIC`.
///
/// Kept as it is while it changes by no more than jitter, so that events in order of kernel time are
/// in order of the time of day too.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    offset: i128,
}

impl Default for Clock {
    fn default() -> Self {
        Self { offset: measure() }
    }
}

impl Clock {
    /// With a fixed difference, for tests.
    #[cfg(test)]
    pub(crate) fn at(offset: Duration) -> Self {
        Self {
            offset: i128::try_from(offset.as_nanos()).expect("small"),
        }
    }

    /// Follows a step of the time of day.
    pub fn follow(&mut self) {
        let offset = measure();
        if (offset - self.offset).abs() > STEP {
            self.offset = offset;
        }
    }

    /// The time of day of a moment by `CLOCK_MONOTONIC`.
    pub fn timestamp(&self, monotonic: Duration) -> Timestamp {
        let nanos = i128::try_from(monotonic.as_nanos()).unwrap_or(i128::MAX);
        Timestamp::from_nanosecond(nanos.saturating_add(self.offset)).unwrap_or(Timestamp::MAX)
    }
}

fn measure() -> i128 {
    nanos(clock_gettime(ClockId::Realtime)) - nanos(clock_gettime(ClockId::Monotonic))
}

fn nanos(time: Timespec) -> i128 {
    i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)
}
