//! What portex itself costs, as figures; who measures them is told in `live/costs.rs`.

use std::time::Duration;

/// What portex itself costs. What is not known is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct OwnCost {
    /// Processor time of the process, all threads, user and system, as a share of one processor.
    pub cpu: Option<f64>,
    /// Memory of the process, in bytes (resident set).
    pub rss_bytes: Option<u64>,
    /// Run time of the attached kernel programs. They run in the context of other processes, so that it is
    /// not in `cpu`.
    pub kernel: Option<KernelCost>,
    /// Memory of its maps, in bytes, as the kernel counts it.
    pub kernel_map_bytes: Option<u64>,
}

/// Run time of kernel programs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KernelCost {
    /// As a share of one processor.
    pub cpu: f64,
    /// Runs of programs per second.
    pub runs_per_s: f64,
    /// Mean time of a run, in nanoseconds; `None` when there was none.
    pub ns_per_run: Option<f64>,
}

/// What was counted in samples of time, summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sampled {
    /// How long was counted.
    pub time: Duration,
    /// Run time of the programs in it, on all processors.
    pub run_time: Duration,
    /// Their runs in it.
    pub runs: u64,
}

impl Sampled {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            time: self.time.saturating_add(other.time),
            run_time: self.run_time.saturating_add(other.run_time),
            runs: self.runs.saturating_add(other.runs),
        }
    }

    /// What has come since then. Sums only grow; were one smaller, nothing has come.
    #[must_use]
    pub fn since(self, then: Self) -> Self {
        Self {
            time: self.time.saturating_sub(then.time),
            run_time: self.run_time.saturating_sub(then.run_time),
            runs: self.runs.saturating_sub(then.runs),
        }
    }

    /// What that makes in a second; `None` when no time was counted.
    pub fn cost(self) -> Option<KernelCost> {
        if self.time.is_zero() {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let runs = self.runs as f64;
        let seconds = self.time.as_secs_f64();
        let run_time = self.run_time.as_secs_f64();
        Some(KernelCost {
            cpu: run_time / seconds,
            runs_per_s: runs / seconds,
            ns_per_run: (self.runs > 0).then(|| run_time * 1e9 / runs),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn sampled(time_ms: u64, run_time_us: u64, runs: u64) -> Sampled {
        Sampled {
            time: Duration::from_millis(time_ms),
            run_time: Duration::from_micros(run_time_us),
            runs,
        }
    }

    #[test]
    fn samples_are_extrapolated_to_a_second() {
        let cost = sampled(100, 3_000, 30_000).cost().expect("time passed");
        assert!((cost.cpu - 0.03).abs() < 1e-9, "{cost:?}");
        assert!((cost.runs_per_s - 300_000.0).abs() < 1e-3, "{cost:?}");
        let mean = cost.ns_per_run.expect("there were runs");
        assert!((mean - 100.0).abs() < 1e-6, "{cost:?}");
    }

    #[test]
    fn no_run_has_no_mean_and_no_time_says_nothing() {
        let idle = KernelCost {
            cpu: 0.0,
            runs_per_s: 0.0,
            ns_per_run: None,
        };
        assert_eq!(sampled(100, 0, 0).cost(), Some(idle));
        assert_eq!(sampled(0, 5, 5).cost(), None);
    }

    #[test]
    fn sums_are_told_apart_again() {
        let (first, second) = (sampled(100, 3_000, 30_000), sampled(90, 200, 10));
        let both = first.and(second);
        assert_eq!(both, sampled(190, 3_200, 30_010));
        assert_eq!(both.since(first), second);
        assert_eq!(both.since(both), Sampled::default());
        assert_eq!(first.since(both), Sampled::default());
    }
}
