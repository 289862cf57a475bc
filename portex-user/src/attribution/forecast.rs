//! When the next connect() fails, if all goes on as it does.
//!
//! Connects go on at their present rate, and so do the ends of connections, each into TIME_WAIT or out
//! of it as they did lately. Every TIME_WAIT that is there gives its port back at its own known time,
//! a new one after its life. After that life the balance does not change any more, so that the rest is
//! a straight line.

use std::time::Duration;

/// Nobody can tell beyond that, in seconds.
const HORIZON: f64 = 3_600.0;
const STEP: f64 = 0.25;
const STEPS: usize = 248;
/// A difference of rates below so many standard deviations is chance.
const SIGNIFICANT: f64 = 2.0;

/// When TIME_WAITs give their ports back: how many in each step.
#[derive(Clone, Debug)]
pub(super) struct Returns([f64; STEPS]);

impl Default for Returns {
    fn default() -> Self {
        Self([0.0; STEPS])
    }
}

impl Returns {
    /// So many, so many seconds from now.
    pub(super) fn add(&mut self, ports: f64, after: f64) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and what is too large is cut"
        )]
        let step = (after.max(0.0) / STEP) as usize;
        self.0[step.min(STEPS - 1)] += ports;
    }
}

/// How things stand, and how they go on.
#[derive(Clone, Debug, Default)]
pub(super) struct Outlook {
    /// Ports that connect() can get.
    pub(super) free: f64,
    /// Connections that live.
    pub(super) live: f64,
    /// Allocations that are tried, per second.
    pub(super) arrivals: f64,
    /// Connections that end in TIME_WAIT, and without it, per second.
    pub(super) into_time_wait: f64,
    pub(super) direct: f64,
    /// How long a new TIME_WAIT keeps its port, in seconds.
    pub(super) keeps: f64,
    /// Over how many seconds the rates were counted.
    pub(super) counted_over: f64,
}

impl Outlook {
    /// `None`: not within the horizon. `returns` are those of the TIME_WAITs that are there now.
    pub(super) fn exhausts_in(&self, returns: impl FnOnce() -> Returns) -> Option<Duration> {
        if self.arrivals <= 0.0 || self.free > self.arrivals * HORIZON {
            return None;
        }
        if self.free < 1.0 {
            return Some(Duration::ZERO);
        }
        let (ends, arrivals) = (self.ends(), self.arrivals);
        let share = if ends > 0.0 {
            self.into_time_wait / (self.into_time_wait + self.direct)
        } else {
            0.0
        };
        let mut returns = returns();
        let (mut free, mut live) = (self.free, self.live);
        for step in 0..STEPS - 1 {
            let begun = arrivals * STEP;
            let ended = (ends * STEP).min(live + begun);
            live += begun - ended;
            let after = f64::from(u32::try_from(step).unwrap_or(0)) * STEP;
            returns.add(ended * share, after + self.keeps);
            let change = returns.0[step] + ended * (1.0 - share) - begun;
            if free + change < 0.0 {
                return seconds(after + STEP * free / -change);
            }
            free += change;
        }
        let growth = arrivals - ends;
        let passed = STEP * f64::from(u32::try_from(STEPS - 1).unwrap_or(0));
        (growth > 0.0)
            .then(|| passed + free / growth)
            .and_then(seconds)
    }

    /// Connections that end per second: as many as begin, if the difference may be chance.
    fn ends(&self) -> f64 {
        let ends = self.into_time_wait + self.direct;
        let chance = ((self.arrivals + ends) / self.counted_over.max(1.0)).sqrt();
        let alike = (self.arrivals - ends).abs() <= SIGNIFICANT * chance;
        if ends > 0.0 && alike {
            self.arrivals
        } else {
            ends
        }
    }
}

fn seconds(seconds: f64) -> Option<Duration> {
    (seconds <= HORIZON)
        .then(|| Duration::try_from_secs_f64(seconds).ok())
        .flatten()
}
