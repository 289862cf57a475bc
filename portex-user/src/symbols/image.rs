//! What a process has mapped, as far as it was seen.

use std::{
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    files::Files,
    maps::{self, Code, Mapping},
    process::Process,
    recent::Recent,
};

/// Names of threads that are remembered for one process.
const MOST_COMMS: usize = 16;
/// How often the mappings of a process are read anew at most, whatever makes it doubtful that they
/// are still the same.
const AGAIN: Duration = Duration::from_millis(5);
/// And no more than one part in so many of the time goes into it.
const SHARE: u32 = 20;
/// After this, they are read anew when a stack is seen for the first time: libraries come and go.
const OLD: Duration = Duration::from_secs(5);
/// Bytes of the mappings of all processes, of which one has some kilobytes as a rule: a million
/// mappings and their paths. The largest are given up when there is more.
pub(super) const MOST: u64 = 96 << 20;

/// A process, from an exec or a change of its mappings to the next.
pub(super) struct Image {
    /// No other one has it.
    pub(super) id: u64,
    /// Executable ones, by address.
    pub(super) maps: Vec<Mapping>,
    /// Why there are none, or only some.
    pub(super) gone: Option<Arc<str>>,
    /// An exec changes the name, as a rule.
    comms: Vec<Box<[u8]>>,
    /// Bytes of the mappings.
    size: u64,
    read: Instant,
    /// Reading it.
    took: Duration,
}

impl Image {
    /// Of a process that lives, holding its files.
    pub(super) fn read(
        process: (u32, u32),
        comm: &[u8],
        files: &mut Files,
        now: Instant,
    ) -> Result<Self, Arc<str>> {
        let ended = || Arc::from("the process had ended before its mappings were read");
        let begin = Instant::now();
        let process = Process::of(process).map_err(|_| ended())?;
        let maps = process
            .maps()
            .map_err(|error| Arc::from(format!("the mappings of the process: {error}")))?;
        let maps = maps::parse(&maps);
        if maps.is_empty() {
            return Err(ended());
        }
        files.hold(&process, &maps, now);
        Ok(Self {
            id: next(),
            size: maps::size(&maps),
            maps,
            gone: None,
            comms: vec![comm.into()],
            read: now,
            took: begin.elapsed(),
        })
    }

    /// Of one whose mappings are not known.
    pub(super) fn unknown(comm: &[u8], why: Arc<str>, now: Instant) -> Self {
        Self {
            id: next(),
            maps: Vec::new(),
            gone: Some(why),
            size: 0,
            comms: vec![comm.into()],
            read: now,
            took: Duration::ZERO,
        }
    }

    pub(super) fn knows(&self, comm: &[u8]) -> bool {
        self.comms.iter().any(|known| **known == *comm)
    }

    /// Whether there was time for something to change.
    pub(super) fn may_be_read(&self, now: Instant) -> bool {
        now.duration_since(self.read) >= AGAIN.max(self.took * SHARE)
    }

    pub(super) fn is_old(&self, now: Instant) -> bool {
        now.duration_since(self.read) >= OLD
    }

    /// Whether there is code at an address.
    pub(super) fn has(&self, address: u64) -> bool {
        maps::at(&self.maps, address).is_some()
    }

    /// Takes in what it is now.
    pub(super) fn renew(
        &mut self,
        new: Result<Self, Arc<str>>,
        comm: &[u8],
        now: Instant,
    ) -> Change {
        self.read = now;
        match new {
            Ok(new) if new.maps != self.maps => {
                let change = if self.is_before(&new) {
                    Change::Some
                } else {
                    Change::All
                };
                *self = new;
                return change;
            }
            Ok(new) => {
                self.gone = None;
                self.took = new.took;
            }
            // What was seen while it lived stays.
            Err(_) => {}
        }
        if !self.knows(comm) {
            if self.comms.len() >= MOST_COMMS {
                self.comms.clear();
            }
            self.comms.push(comm.into());
        }
        Change::None
    }

    /// Whether another one may be what became of it without an exec: that maps all files anew, at
    /// other addresses.
    fn is_before(&self, new: &Self) -> bool {
        let stays = |it: &Mapping| {
            let there = maps::at(&new.maps, it.start);
            matches!(it.code, Code::File(_)) && there.is_some_and(|there| there.code == it.code)
        };
        self.maps.is_empty() || self.maps.iter().any(stays)
    }

    /// Gives up the mappings.
    fn give_up(&mut self, why: Arc<str>) {
        self.id = next();
        self.maps = Vec::new();
        self.size = 0;
        self.gone = Some(why);
    }

    /// Adds what was concluded otherwise; what overlaps is left out.
    pub(super) fn add(&mut self, mappings: impl IntoIterator<Item = Mapping>) {
        for mapping in mappings {
            if self.maps.len() >= maps::MOST_MAPPINGS {
                break;
            }
            let at = self.maps.partition_point(|it| it.start < mapping.start);
            let before = at.checked_sub(1).and_then(|before| self.maps.get(before));
            let free = before.is_none_or(|before| before.end <= mapping.start)
                && (self.maps.get(at)).is_none_or(|after| mapping.end <= after.start);
            if free && mapping.start < mapping.end {
                self.maps.insert(at, mapping);
                self.id = next();
            }
        }
        self.size = maps::size(&self.maps);
    }
}

/// What became of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    None,
    Some,
    /// It is of another program.
    All,
}

/// Has the images with the most mappings give them up until all have no more than `most` bytes.
pub(super) fn shed<K: Clone + Eq + Hash>(images: &mut Recent<K, Image>, most: u64) {
    let why: Arc<str> = Arc::from(
        "the mappings of the process were given up: it had the most of all, and there were too many",
    );
    images.shed(
        most,
        |image| image.size,
        |image| image.give_up(Arc::clone(&why)),
    );
}

fn next() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
