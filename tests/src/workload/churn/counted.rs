//! What threads count while they run, and what is told of it.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// The counts of one thread, on a cache line of its own: only that thread writes.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct Counter {
    connects: AtomicU64,
    failures: AtomicU64,
    ready: AtomicBool,
    finished: AtomicBool,
}

impl Counter {
    pub(super) fn connected(&self) {
        add_one(&self.connects);
    }

    pub(super) fn failed(&self) {
        add_one(&self.failures);
    }

    /// Calls of connect so far that came to an end.
    pub(super) fn all(&self) -> u64 {
        self.connects.load(Ordering::Relaxed) + self.failures.load(Ordering::Relaxed)
    }

    /// What had to be done before has been done.
    pub(super) fn begin(&self) {
        self.ready.store(true, Ordering::Release);
    }

    pub(super) fn ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    pub(super) fn finish(&self) {
        self.finished.store(true, Ordering::Release);
    }

    pub(super) fn finished(&self) -> bool {
        self.finished.load(Ordering::Acquire)
    }
}

/// Not `fetch_add`, whose bus lock is not needed with one writer.
fn add_one(count: &AtomicU64) {
    count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// All counts at one time.
pub(super) struct Reading {
    at: Instant,
    cpu: Duration,
    connects: u64,
    failures: u64,
}

impl Reading {
    pub(super) fn take(counters: &[Counter]) -> Self {
        let sum = |count: fn(&Counter) -> &AtomicU64| {
            let counts = counters.iter().map(|c| count(c).load(Ordering::Relaxed));
            counts.sum()
        };
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        Self {
            at: Instant::now(),
            cpu: Duration::try_from(cpu).unwrap_or_default(),
            connects: sum(|c| &c.connects),
            failures: sum(|c| &c.failures),
        }
    }
}

/// The line at the end. Counts and times are those between warm-up and end, but for the totals.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pid: u32,
    connects: u64,
    failures: u64,
    seconds: f64,
    connects_per_s: f64,
    failures_per_s: f64,
    /// Of the whole process, user and system.
    cpu_s: f64,
    total_connects: u64,
    total_failures: u64,
    /// In the namespace, when all was closed.
    time_wait: u64,
}

impl Report {
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    pub(super) fn of(first: &Reading, last: &Reading, counters: &[Counter]) -> Result<Self> {
        let seconds = (last.at - first.at).as_secs_f64();
        let connects = last.connects - first.connects;
        let failures = last.failures - first.failures;
        let total = Reading::take(counters);
        Ok(Self {
            pid: std::process::id(),
            connects,
            failures,
            seconds,
            connects_per_s: connects as f64 / seconds,
            failures_per_s: failures as f64 / seconds,
            cpu_s: last.cpu.saturating_sub(first.cpu).as_secs_f64(),
            total_connects: total.connects,
            total_failures: total.failures,
            time_wait: time_wait()?,
        })
    }
}

fn time_wait() -> Result<u64> {
    let path = "/proc/thread-self/net/sockstat";
    let text = fs::read_to_string(path).context(path)?;
    time_wait_in(&text).with_context(|| format!("{path} has no number of TIME_WAIT"))
}

/// `tw` of the line `TCP: inuse 4 orphan 0 tw 17 ...`.
fn time_wait_in(sockstat: &str) -> Option<u64> {
    let tcp = sockstat
        .lines()
        .find_map(|line| line.strip_prefix("TCP:"))?;
    let mut words = tcp.split_whitespace();
    words.find(|word| *word == "tw")?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::time_wait_in;

    #[test]
    fn time_wait_is_found_in_sockstat() {
        let text =
            "sockets: used 9\nTCP: inuse 4 orphan 0 tw 17 alloc 6 mem 1\nUDP: inuse 0 mem 0\n";
        assert_eq!(time_wait_in(text), Some(17));
        assert_eq!(time_wait_in("TCP: inuse 4\n"), None);
        assert_eq!(time_wait_in("UDP: tw 3\n"), None);
    }
}
