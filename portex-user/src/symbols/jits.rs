//! The perf maps of processes that compile at run time, held open.

use std::time::{Duration, Instant};

use super::{image::Image, maps::Code, perf_map::PerfMap, process::Process, recent::Recent};

/// Perf maps that are held open, at least; at most twice as many.
const PERF_MAPS: usize = 32;
/// After this, one that was not there is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// The perf maps of processes that compile at run time.
pub(super) struct Jits {
    maps: Recent<(u32, u32), Jit>,
}

struct Jit {
    map: Option<PerfMap>,
    tried: Instant,
}

impl Jits {
    pub(super) fn new() -> Self {
        Self {
            maps: Recent::new(PERF_MAPS),
        }
    }

    /// Holds the perf map of a process that has code compiled at run time.
    pub(super) fn keep(&mut self, process: (u32, u32), image: Option<&mut Image>, now: Instant) {
        let compiles = |image: &mut Image| image.maps.iter().any(|it| it.code == Code::Jit);
        self.maps.remove(&process);
        if image.is_some_and(compiles) {
            self.get(process, now);
        }
    }

    /// The perf map of a process, if it has one.
    pub(super) fn get(&mut self, process: (u32, u32), now: Instant) -> Option<&mut PerfMap> {
        let tried = |jit: &mut Jit| jit.map.is_some() || now.duration_since(jit.tried) < AGAIN;
        if !self.maps.get(&process).is_some_and(tried) {
            let file = Process::of(process).and_then(|process| process.perf_map());
            let jit = Jit {
                map: file.ok().map(PerfMap::new),
                tried: now,
            };
            self.maps.insert(process, jit);
        }
        self.maps.get(&process)?.map.as_mut()
    }
}
