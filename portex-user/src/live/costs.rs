//! What portex itself costs, measured from time to time.

use std::time::Duration;

use log::debug;

use super::usage::{Usage, rss_bytes};
use crate::{
    cost::{KernelCost, OwnCost, Sampled},
    kernel::{Meter, Metered, Session},
    observe::monotonic,
};

/// Measures from one asking to the next.
pub struct Costs {
    usage: Usage,
    kernel: Growth,
    /// `None` where its thread could not be started.
    meter: Option<Meter>,
}

impl Costs {
    /// From now on. While there are still capabilities, some of which the thread that measures the kernel
    /// programs keeps.
    pub fn of(session: &Session) -> Self {
        let meter = session.meter().inspect_err(|error| {
            debug!("run time of the kernel programs is not known: {error}");
        });
        let mut usage = Usage::default();
        let _nothing_before = usage.share(monotonic());
        Self {
            usage,
            kernel: Growth::default(),
            meter: meter.ok(),
        }
    }

    /// Since it was asked before; what nothing new is known of, as it was then.
    pub fn since_before(&mut self, now: Duration) -> OwnCost {
        let meter = self.meter.as_ref();
        let Metered { sampled, map_bytes } = meter.map(Meter::metered).unwrap_or_default();
        OwnCost {
            cpu: self.usage.share(now),
            rss_bytes: rss_bytes(),
            kernel: self.kernel.since_before(sampled),
            kernel_map_bytes: map_bytes,
        }
    }
}

impl std::fmt::Debug for Costs {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Costs").finish_non_exhaustive()
    }
}

/// What has come of sums since they were looked at before.
#[derive(Debug, Default)]
struct Growth {
    before: Sampled,
    latest: Option<KernelCost>,
}

impl Growth {
    /// Of the samples since; where there was none, of the latest; `None` where sums are not known.
    fn since_before(&mut self, sampled: Option<Sampled>) -> Option<KernelCost> {
        let Some(sums) = sampled else {
            self.latest = None;
            return None;
        };
        let new = sums.since(self.before).cost();
        if new.is_some() {
            self.before = sums;
            self.latest = new;
        }
        self.latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(time_ms: u64, runs: u64) -> Sampled {
        Sampled {
            time: Duration::from_millis(time_ms),
            run_time: Duration::from_nanos(runs * 100),
            runs,
        }
    }

    #[test]
    fn between_samples_the_latest_holds() {
        let mut growth = Growth::default();
        let mut runs = |sampled| growth.since_before(sampled).map(|cost| cost.runs_per_s);
        assert_eq!(runs(None), None, "not known yet");
        assert_eq!(runs(Some(sums(100, 10))), Some(100.0));
        assert_eq!(runs(Some(sums(100, 10))), Some(100.0));
        assert_eq!(
            runs(Some(sums(300, 110))),
            Some(500.0),
            "two samples at once"
        );
        assert_eq!(runs(Some(sums(400, 110))), Some(0.0), "nothing ran");
        assert_eq!(runs(None), None, "not known any more");
        assert_eq!(runs(Some(sums(400, 110))), None);
        assert_eq!(runs(Some(sums(500, 120))), Some(100.0));
    }
}
