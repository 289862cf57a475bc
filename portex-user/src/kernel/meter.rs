//! Run time of the attached programs, by the kernel's BPF statistics.
//!
//! While statistics are on, the kernel reads the clock twice for each run of any program (40 to 80 ns), and
//! switching them patches code on all processors (`static_key_slow_inc`). So they are on for a sample now and
//! then only, by a file descriptor: the kernel switches them off with it, however portex ends.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use aya::{
    programs::ProgramFd,
    sys::{Stats, enable_stats},
};
use log::debug;

use super::{attach::chain, fdinfo, program_info};
use crate::{cost::Sampled, privileges};

/// How long a sample is.
const SAMPLE: Duration = Duration::from_millis(50);

/// Between samples: statistics are on for a twentieth of the time.
const PAUSE: Duration = Duration::from_millis(950);

/// Maps are asked for with every so many samples: that means to look at every open file, and they are
/// hardly ever other than before.
const MAPS: u32 = 8;

/// 1 where somebody has statistics on for good.
const SYSCTL: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// What was measured so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metered {
    /// All samples; `None` where the kernel does not let portex count, or not any more.
    pub sampled: Option<Sampled>,
    /// Memory of this process's maps, in bytes: the kernel's count in `/proc/self/fdinfo` (`memlock`);
    /// `None` where that cannot be read.
    pub map_bytes: Option<u64>,
}

/// A thread that measures, until this is dropped.
pub struct Meter {
    /// Never used: the thread ends when it is gone.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    metered: Arc<Mutex<Metered>>,
}

impl Meter {
    /// Starts with a sample. The thread keeps, of the capabilities that the calling thread has now, what
    /// statistics need: `BPF_ENABLE_STATS` is for CAP_SYS_ADMIN only (`bpf_enable_stats`).
    pub(super) fn start(programs: &[&ProgramFd]) -> io::Result<Self> {
        let own = |program: &&ProgramFd| program.as_fd().try_clone_to_owned();
        let programs: Vec<OwnedFd> = programs.iter().map(own).collect::<Result<_, _>>()?;
        let metered = Arc::<Mutex<Metered>>::default();
        let shared = Arc::clone(&metered);
        let (stop, stopped) = channel();
        let thread = thread::Builder::new()
            .name("portex-meter".into())
            .spawn(move || {
                privileges::keep_for_statistics();
                run(&programs, &stopped, &shared);
            })?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
            metered,
        })
    }

    /// What was measured so far.
    pub fn metered(&self) -> Metered {
        *lock(&self.metered)
    }
}

impl Drop for Meter {
    /// Ends it, and statistics with it: file descriptors of programs must not outlive these.
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            debug!("the thread that measures the programs has panicked");
        }
    }
}

fn lock(metered: &Mutex<Metered>) -> MutexGuard<'_, Metered> {
    metered.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes samples until nobody wants them any more.
fn run(programs: &[OwnedFd], stopped: &Receiver<()>, metered: &Mutex<Metered>) {
    let mut refused = None;
    let mut sum = Sampled::default();
    let mut map_bytes = None;
    for number in 0_u32.. {
        if number.is_multiple_of(MAPS) {
            map_bytes = fdinfo::map_bytes();
        }
        match sample(programs, stopped) {
            Ok(Some(sampled)) => {
                sum = sum.and(sampled);
                refused = None;
                *lock(metered) = Metered {
                    sampled: Some(sum),
                    map_bytes,
                };
            }
            Ok(None) => return,
            Err(cause) => {
                if refused.as_ref() != Some(&cause) {
                    debug!("run time of the kernel programs is not known: {cause}");
                    refused = Some(cause);
                }
                *lock(metered) = Metered {
                    sampled: None,
                    map_bytes,
                };
            }
        }
        if stops_within(PAUSE, stopped) {
            return;
        }
    }
}

/// One sample; `None`: there is none, since it is to stop.
fn sample(programs: &[OwnedFd], stopped: &Receiver<()>) -> Result<Option<Sampled>, String> {
    // Off again when it is dropped.
    let _statistics = match enable_stats(Stats::RunTime) {
        Ok(statistics) => Some(statistics),
        Err(_) if are_on() => None,
        Err(error) => return Err(chain(&error)),
    };
    let began = Instant::now();
    let before = read(programs);
    if stops_within(SAMPLE, stopped) {
        return Ok(None);
    }
    let time = began.elapsed();
    let after = read(programs);
    let (run_time, runs) = grown(&before, &after);
    Ok(Some(Sampled {
        time,
        run_time: Duration::from_nanos(run_time),
        runs,
    }))
}

/// Whether it is to stop, in this time or before.
fn stops_within(time: Duration, stopped: &Receiver<()>) -> bool {
    !matches!(stopped.recv_timeout(time), Err(RecvTimeoutError::Timeout))
}

/// Whether statistics are on without portex.
fn are_on() -> bool {
    std::fs::read(SYSCTL).is_ok_and(|text| text.trim_ascii() == b"1")
}

/// Run time in nanoseconds and runs of a program, since it was loaded.
type Counters = (u64, u64);

/// Those of each program; `None` when they could not be read. Unlike access to maps, this keeps no
/// program from running (`bpf_disable_instrumentation`): `bpf_prog_get_info_by_fd` only sums up.
fn read(programs: &[OwnedFd]) -> Vec<Option<Counters>> {
    let counters = |program: &OwnedFd| {
        let info = program_info::read(program.as_fd()).ok()?;
        Some((info.run_time_ns, info.run_cnt))
    };
    programs.iter().map(counters).collect()
}

/// By how much they have grown, of the programs of which both are known. A counter that is smaller than
/// before has not.
fn grown(before: &[Option<Counters>], after: &[Option<Counters>]) -> Counters {
    let both = before.iter().zip(after).filter_map(|(before, after)| {
        let ((time_before, runs_before), (time, runs)) = ((*before)?, (*after)?);
        Some((
            time.saturating_sub(time_before),
            runs.saturating_sub(runs_before),
        ))
    });
    both.fold((0, 0), |(time, runs), (more_time, more_runs)| {
        (
            time.saturating_add(more_time),
            runs.saturating_add(more_runs),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_compared_program_by_program() {
        let before = [Some((100, 1)), Some((5_000, 50)), None, Some((7, 7))];
        let after = [Some((350, 4)), Some((5_000, 50)), Some((9, 9)), None];
        assert_eq!(grown(&before, &after), (250, 3));
        assert_eq!(grown(&[], &[]), (0, 0));
    }

    #[test]
    fn a_counter_that_went_back_counts_nothing() {
        let before = [Some((100, 10)), Some((100, 10))];
        let after = [Some((40, 4)), Some((160, 12))];
        assert_eq!(grown(&before, &after), (60, 2));
    }

    #[test]
    fn the_end_is_heard_while_it_waits() {
        let (stop, stopped) = channel::<()>();
        assert!(!stops_within(Duration::from_millis(1), &stopped));
        drop(stop);
        // Else this test takes an hour.
        assert!(stops_within(Duration::from_secs(3_600), &stopped));
        assert!(matches!(sample(&[], &stopped), Ok(None) | Err(_)));
    }
}
