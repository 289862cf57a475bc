//! The perf maps of processes that compile at run time, held open.

use std::{
    fs::File,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    image::Image,
    maps::Code,
    perf_map::{Pace, PerfMap},
    process::Process,
    recent::Recent,
};

/// Perf maps that are held open, at least; at most twice as many.
const PERF_MAPS: usize = 32;
/// Bytes of the names of all of them; the largest forgets its names when there is more.
const MOST: u64 = 256 << 20;
/// After this, one that was not there is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// The perf maps of processes that compile at run time.
pub(super) struct Jits {
    maps: Recent<(u32, u32), Jit>,
}

struct Jit {
    map: Option<PerfMap>,
    tried: Instant,
    /// When and how long maps were read: a new one is not read sooner than the old one would be.
    pace: Pace,
}

impl Jits {
    pub(super) fn new() -> Self {
        Self {
            maps: Recent::new(PERF_MAPS),
        }
    }

    /// Holds the perf map of a process that has code compiled at run time. One that is held already
    /// stays, unless there is another file by now.
    pub(super) fn keep(&mut self, process: (u32, u32), image: Option<&mut Image>, now: Instant) {
        let compiles = |image: &mut Image| image.maps.iter().any(|it| it.code == Code::Jit);
        if image.is_some_and(compiles) {
            let open = || Process::of(process).and_then(|process| process.perf_map());
            self.keep_with(process, now, || open().ok());
        }
    }

    fn keep_with(
        &mut self,
        process: (u32, u32),
        now: Instant,
        open: impl FnOnce() -> Option<File>,
    ) {
        let Some(jit) = self.maps.get(&process) else {
            let jit = Jit {
                map: open().map(PerfMap::new),
                tried: now,
                pace: Pace::default(),
            };
            self.maps.insert(process, jit);
            return;
        };
        let due = match &jit.map {
            // Its names are of use until those of another may be read.
            Some(_) => jit.pace.is_due(now),
            None => true,
        };
        if !due || now.duration_since(jit.tried) < AGAIN {
            return;
        }
        jit.tried = now;
        if let Some(file) = open()
            && jit.map.as_ref().is_none_or(|map| map.gives_way_to(&file))
        {
            jit.map = Some(PerfMap::new(file));
        }
    }

    /// Forgets the perf map of a process that executes another program now; not when it was read.
    pub(super) fn begin_anew(&mut self, process: (u32, u32)) {
        if let Some(jit) = self.maps.get(&process) {
            jit.map = None;
        }
    }

    /// Whether a process has a perf map.
    pub(super) fn has(&mut self, process: (u32, u32), now: Instant) -> bool {
        if !self.holds(process) {
            let open = || Process::of(process).and_then(|process| process.perf_map());
            self.keep_with(process, now, || open().ok());
        }
        self.holds(process)
    }

    fn holds(&mut self, process: (u32, u32)) -> bool {
        let jit = self.maps.get(&process);
        jit.is_some_and(|jit| jit.map.is_some())
    }

    /// The name of the code at an address of a process whose perf map is held, and where it begins.
    pub(super) fn at(
        &mut self,
        process: (u32, u32),
        address: u64,
        now: Instant,
    ) -> Option<(Arc<str>, u64)> {
        let jit = self.maps.get(&process)?;
        let map = jit.map.as_mut()?;
        if jit.pace.is_due(now) {
            let begin = Instant::now();
            map.read_on();
            jit.pace = Pace::of(now, begin.elapsed());
            let size = |jit: &Jit| jit.map.as_ref().map_or(0, PerfMap::size);
            self.maps.shed(MOST, size, |jit| {
                if let Some(map) = &mut jit.map {
                    map.forget();
                }
            });
        }
        self.maps.get(&process)?.map.as_ref()?.at(address)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::symbols::tests::program::Directory;

    const PROCESS: (u32, u32) = (7, 7);

    fn open(path: &Path) -> Option<File> {
        File::open(path).ok()
    }

    fn name(jits: &mut Jits, address: u64, now: Instant) -> Option<String> {
        let found = jits.at(PROCESS, address, now);
        found.map(|(name, _)| name.to_string())
    }

    #[test]
    fn what_is_held_stays_until_there_is_another_file() {
        let directory = Directory::new();
        let path = directory.0.join("perf.map");
        fs::write(&path, "100 10 one\n").expect("has room");
        let mut jits = Jits::new();
        let begin = Instant::now();
        let at = |minutes: u64| begin + Duration::from_secs(60 * minutes);
        jits.keep_with(PROCESS, at(0), || open(&path));
        assert_eq!(name(&mut jits, 0x100, at(0)).as_deref(), Some("one"));
        // The same file: nothing is read anew, what was added is read on.
        fs::write(&path, "100 10 two\n200 10 new\n").expect("has room");
        jits.keep_with(PROCESS, at(1), || open(&path));
        assert_eq!(name(&mut jits, 0x100, at(1)).as_deref(), Some("one"));
        assert_eq!(name(&mut jits, 0x200, at(1)).as_deref(), Some("new"));
        // Gone, or made anew, but with nothing in it yet: what was kept is used.
        fs::remove_file(&path).expect("was there");
        jits.keep_with(PROCESS, at(2), || open(&path));
        assert_eq!(name(&mut jits, 0x100, at(2)).as_deref(), Some("one"));
        File::create(&path).expect("may be made");
        jits.keep_with(PROCESS, at(3), || open(&path));
        assert_eq!(name(&mut jits, 0x100, at(3)).as_deref(), Some("one"));
        fs::write(&path, "100 10 other\n").expect("has room");
        jits.keep_with(PROCESS, at(4), || open(&path));
        assert_eq!(name(&mut jits, 0x100, at(4)).as_deref(), Some("other"));
        assert_eq!(name(&mut jits, 0x200, at(4)), None);
    }

    #[test]
    fn another_file_is_not_read_before_the_old_one_would_be() {
        let directory = Directory::new();
        let paths = ["a", "b"].map(|name| directory.0.join(name));
        for path in &paths {
            let text = format!("100 10 {}\n", path.display());
            fs::write(path, text).expect("has room");
        }
        let mut jits = Jits::new();
        let begin = Instant::now();
        jits.keep_with(PROCESS, begin, || open(&paths[0]));
        let first = name(&mut jits, 0x100, begin);
        assert!(first.is_some());
        for millis in (0..1_000).step_by(5) {
            let now = begin + Duration::from_millis(millis);
            jits.keep_with(PROCESS, now, || panic!("asked for at {millis} ms"));
            assert_eq!(name(&mut jits, 0x100, now), first);
        }
        // Nor after an exec, whose names are others.
        jits.begin_anew(PROCESS);
        let soon = begin + Duration::from_millis(999);
        jits.keep_with(PROCESS, soon, || panic!("asked for"));
        assert_eq!(name(&mut jits, 0x100, soon), None);
        let late = begin + Duration::from_secs(60);
        jits.keep_with(PROCESS, late, || open(&paths[1]));
        let second = name(&mut jits, 0x100, late);
        assert!(second.is_some() && second != first);
    }

    #[test]
    fn what_takes_long_is_done_seldom() {
        let now = Instant::now();
        let pace = Pace::of(now, Duration::from_secs(1));
        assert!(!pace.is_due(now + Duration::from_secs(19)));
        assert!(pace.is_due(now + Duration::from_secs(20)));
        let pace = Pace::of(now, Duration::ZERO);
        assert!(!pace.is_due(now + Duration::from_millis(999)));
        assert!(pace.is_due(now + Duration::from_secs(1)));
    }
}
