//! When what was recorded is due in a replay.

use std::{
    str::FromStr,
    time::{Duration, Instant},
};

/// How fast a replay goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// So many times as fast as it was: above 0.
    Times(f64),
    /// As fast as it can be read.
    AtOnce,
}

impl FromStr for Pace {
    type Err = &'static str;

    /// `1`, `0.5`, `10`, or `max`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let times: f64 = match text {
            "max" => return Ok(Self::AtOnce),
            number => number.parse().unwrap_or(0.0),
        };
        if (0.001..=1_000_000.0).contains(&times) {
            Ok(Self::Times(times))
        } else {
            Err("write it as 1 (as fast as it was), 0.5, 10, or max (at once)")
        }
    }
}

/// Turns times of a recording into moments of a replay that began when this was made.
#[derive(Clone, Copy, Debug)]
pub struct Pacer {
    pace: Pace,
    began: Instant,
    first: Duration,
}

impl Pacer {
    /// Begins now with what was recorded at `first`.
    pub fn new(pace: Pace, first: Duration) -> Self {
        Self {
            pace,
            began: Instant::now(),
            first,
        }
    }

    /// When what was recorded then is due; `None`: at once.
    pub fn due(&self, recorded: Duration) -> Option<Instant> {
        let Pace::Times(times) = self.pace else {
            return None;
        };
        let wait = recorded.saturating_sub(self.first).as_secs_f64() / times;
        // A recording may claim to take longer than a clock can run: then it is never due.
        let wait = Duration::try_from_secs_f64(wait).unwrap_or(NEVER);
        Some(self.began + wait.min(NEVER))
    }

    /// What time of the recording it is at this moment; `None`: any.
    pub fn recorded(&self, now: Instant) -> Option<Duration> {
        let Pace::Times(times) = self.pace else {
            return None;
        };
        let passed = now.saturating_duration_since(self.began).as_secs_f64() * times;
        let passed = Duration::try_from_secs_f64(passed).unwrap_or(NEVER);
        Some(self.first.saturating_add(passed.min(NEVER)))
    }
}

/// Longer than anybody waits: a hundred years.
const NEVER: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paces_are_read_as_people_write_them() {
        assert_eq!("max".parse(), Ok(Pace::AtOnce));
        assert_eq!("1".parse(), Ok(Pace::Times(1.0)));
        assert_eq!("0.5".parse(), Ok(Pace::Times(0.5)));
        for text in ["0", "-1", "NaN", "inf", "1e-9", "fast", ""] {
            assert!(text.parse::<Pace>().is_err(), "{text}");
        }
    }

    #[test]
    fn time_goes_as_fast_as_it_was_asked_to() {
        let first = Duration::from_secs(100);
        let pacer = Pacer::new(Pace::Times(10.0), first);
        let due = pacer.due(Duration::from_secs(120));
        assert_eq!(due, Some(pacer.began + Duration::from_secs(2)));
        let later = pacer.began + Duration::from_secs(2);
        assert_eq!(pacer.recorded(later), Some(Duration::from_secs(120)));
        assert_eq!(pacer.due(Duration::ZERO), Some(pacer.began), "long ago");
        let at_once = Pacer::new(Pace::AtOnce, first);
        assert_eq!(at_once.due(Duration::MAX), None);
    }

    #[test]
    fn a_time_that_never_comes_does_no_harm() {
        let pacer = Pacer::new(Pace::Times(0.001), Duration::ZERO);
        assert!(pacer.due(Duration::MAX) > Some(pacer.began));
    }
}
