//! Processor time and memory of this process.

use std::{fs, time::Duration};

/// Processor time of this process between two readings.
#[derive(Debug, Default)]
pub(super) struct Usage {
    /// Processor time, and the time of day, of the reading before.
    before: Option<(Duration, Duration)>,
}

impl Usage {
    /// Processor time since the reading before, as a share of one processor (`CLOCK_PROCESS_CPUTIME_ID`, all
    /// threads, user and system); `None` at the first.
    pub(super) fn share(&mut self, now: Duration) -> Option<f64> {
        let used = used();
        let before = self.before.replace((used, now));
        let (used_before, then) = before?;
        let passed = now.checked_sub(then).filter(|time| !time.is_zero())?;
        Some(used.saturating_sub(used_before).as_secs_f64() / passed.as_secs_f64())
    }
}

/// Resident set of this process, in bytes (`/proc/self/statm`, proc_pid_statm(5)).
pub(super) fn rss_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(u64::try_from(rustix::param::page_size()).ok()?)
}

fn used() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or(0),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_touched_is_resident() {
        const MORE: usize = 64 << 20;
        let before = rss_bytes().expect("/proc");
        let touched = vec![1_u8; MORE];
        let after = rss_bytes().expect("/proc");
        assert_eq!(std::hint::black_box(&touched).len(), MORE);
        // Other tests on other threads may give back some.
        assert!(after > before + (16 << 20), "{before}, then {after}");
    }

    #[test]
    fn work_shows_and_the_first_reading_says_nothing() {
        let mut usage = Usage::default();
        assert_eq!(usage.share(Duration::from_secs(1)), None);
        let mut sum = 0_u64;
        let busy = used() + Duration::from_millis(20);
        while used() < busy {
            sum = sum.wrapping_add(std::hint::black_box(1));
        }
        let share = usage
            .share(Duration::from_secs(2))
            .expect("a second reading");
        assert!(share >= 0.02, "{share} after {sum} rounds");
        assert_eq!(usage.share(Duration::from_secs(2)), None, "no time passed");
    }
}
