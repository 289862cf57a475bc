//! How spaces were before now: what the sparklines show.
//!
//! Bounded: a ring of [`SAMPLES`] for each of at most [`KEPT`] spaces.

use std::{collections::VecDeque, time::Duration};

use rustc_hash::FxHashMap;

use crate::attribution::snapshot::{Snapshot, Space, SpaceKey};

/// Spaces that are followed, the most endangered first.
const SPACES: usize = 1_024;
/// Tracks that are kept, those of spaces that are not followed now included.
const KEPT: usize = SPACES + 256;
/// Samples of a track.
const SAMPLES: usize = 300;
/// A track is grown by so many samples at a time: doubling would waste half of the last step.
const STEP: usize = 60;
/// For so long a track is kept when its space is not followed any more.
const GONE: Duration = Duration::from_secs(60);

/// How spaces were before now.
#[derive(Debug, Default)]
pub(super) struct History {
    tracks: FxHashMap<SpaceKey, Track>,
    /// When the latest snapshot was taken, by `CLOCK_MONOTONIC`.
    now: Duration,
}

impl History {
    /// Takes a snapshot in: the most endangered spaces, and the one that is looked at. To be called
    /// once per frame; a snapshot that is older than the one before begins a new history.
    pub(super) fn note(&mut self, snapshot: &Snapshot, focus: Option<&SpaceKey>) {
        if snapshot.time < self.now {
            self.tracks.clear();
        }
        self.now = snapshot.time;
        let followed = snapshot.spaces.iter().take(SPACES);
        let focused = focus.and_then(|focus| {
            let others = snapshot.spaces.iter().skip(SPACES);
            others.into_iter().find(|space| space.key() == *focus)
        });
        for space in followed.chain(focused) {
            self.tracks
                .entry(space.key())
                .or_insert_with(|| Track::new(snapshot.time))
                .push(snapshot.time, space);
        }
        self.forget(focus);
    }

    /// How a space was; `None` when it was not followed.
    pub(super) fn of(&self, key: &SpaceKey) -> Option<&Track> {
        self.tracks.get(key)
    }

    fn forget(&mut self, focus: Option<&SpaceKey>) {
        let now = self.now;
        self.tracks
            .retain(|key, track| focus == Some(key) || now.saturating_sub(track.latest) < GONE);
        let Some(excess) = self.tracks.len().checked_sub(KEPT).filter(|&more| more > 0) else {
            return;
        };
        let mut oldest: Vec<(Duration, SpaceKey)> = self
            .tracks
            .iter()
            .filter(|(key, _)| focus != Some(*key))
            .map(|(key, track)| (track.latest, *key))
            .collect();
        oldest.sort_unstable_by_key(|(latest, _)| *latest);
        for (_, key) in oldest.iter().take(excess) {
            self.tracks.remove(key);
        }
    }
}

/// How one space was.
#[derive(Debug)]
pub(super) struct Track {
    start: Duration,
    latest: Duration,
    samples: VecDeque<Sample>,
    /// Samples that the ring has lost.
    lost: usize,
}

/// A space at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    /// Milliseconds since the first sample of the track, lost ones included.
    time: u32,
    /// Share of the capacity that connects could not get, 0 to 1.
    pub(super) fill: f32,
    /// Ports held.
    pub(super) used: u32,
    /// Of these, in TIME_WAIT.
    pub(super) time_wait: u32,
    /// Ports allocated per second; 0 where that was not watched.
    pub(super) connects: f32,
    /// Failed allocations per second; 0 where that was not watched.
    pub(super) failures: f32,
}

impl Sample {
    /// Time since the first sample of the track.
    pub(super) fn time(&self) -> Duration {
        Duration::from_millis(u64::from(self.time))
    }

    /// Share of the ports held that were in TIME_WAIT, 0 to 1.
    pub(super) fn waiting(&self) -> f32 {
        match self.used {
            0 => 0.0,
            used => single(f64::from(self.time_wait) / f64::from(used)),
        }
    }

    /// Whether no port was left.
    pub(super) fn is_full(&self) -> bool {
        self.fill >= 1.0
    }
}

impl Track {
    fn new(start: Duration) -> Self {
        Self {
            start,
            latest: start,
            samples: VecDeque::new(),
            lost: 0,
        }
    }

    fn push(&mut self, now: Duration, space: &Space) {
        let rates = space.rates.unwrap_or_default();
        let sample = Sample {
            time: u32::try_from(now.saturating_sub(self.start).as_millis()).unwrap_or(u32::MAX),
            fill: single(space.fill),
            used: space.used,
            time_wait: space.time_wait,
            connects: single(rates.connects),
            failures: single(rates.failures),
        };
        // The same snapshot again, after a pause say, is no new sample.
        if now == self.latest {
            self.samples.pop_back();
        }
        self.latest = now;
        if self.samples.len() >= SAMPLES {
            self.samples.pop_front();
            self.lost += 1;
        } else if self.samples.len() == self.samples.capacity() {
            self.samples.reserve_exact(STEP);
        }
        self.samples.push_back(sample);
    }

    /// From the oldest to the latest, each with its number: the first one ever was 0.
    pub(super) fn samples(&self) -> impl DoubleEndedIterator<Item = (usize, &Sample)> {
        let numbered = self.samples.iter().enumerate();
        numbered.map(|(at, sample)| (self.lost + at, sample))
    }

    /// Number of samples.
    pub(super) fn len(&self) -> usize {
        self.samples.len()
    }

    /// The latest sample.
    pub(super) fn last(&self) -> Option<&Sample> {
        self.samples.back()
    }

    /// For how long the space has been full up to now, and whether it was so all the time that is
    /// known; `None` when it is not full.
    pub(super) fn full_for(&self) -> Option<(Duration, bool)> {
        let latest = self.last()?;
        let full = self
            .samples
            .iter()
            .rev()
            .take_while(|sample| sample.is_full());
        let first = full.clone().last()?;
        let always = full.count() == self.samples.len();
        Some((latest.time().saturating_sub(first.time()), always))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a column of a sparkline needs no more digits"
)]
fn single(number: f64) -> f32 {
    number as f32
}

#[cfg(test)]
mod tests;
