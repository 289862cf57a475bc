//! Names of code that is compiled at run time, as the compiler lists them in `/tmp/perf-PID.map`:
//! lines of beginning and size in hexadecimal, and a name
//! (`tools/perf/Documentation/jit-interface.txt` of the kernel).

use std::{
    collections::BTreeMap,
    fs::File,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    sync::Arc,
    time::{Duration, Instant},
};

use super::stack::bounded;

/// The last bytes of a file that are read: the newest code is the likeliest to run.
const MOST_BYTES: u64 = 64 << 20;
/// Of one step of reading.
const CHUNK: usize = 1 << 20;
/// Bytes of all names, and how many there are: beyond, all are forgotten, as what comes later in the
/// file replaces what comes before.
const MOST_NAMES: usize = 64 << 20;
const MOST_ENTRIES: usize = 500_000;
/// How often a file is looked at for growth.
const AGAIN: Duration = Duration::from_secs(1);
/// And no more than one part in so many of the time goes into reading it.
const SHARE: u32 = 20;
/// About what an entry takes beside its name.
const ENTRY: usize = 64;

/// The names of one process.
pub(super) struct PerfMap {
    file: File,
    entries: Entries,
}

/// When something was done last, and how long that took.
#[derive(Clone, Copy, Default)]
pub(super) struct Pace(Option<(Instant, Duration)>);

impl Pace {
    pub(super) fn of(when: Instant, took: Duration) -> Self {
        Self(Some((when, took)))
    }

    /// Whether it may be done again.
    pub(super) fn is_due(self, now: Instant) -> bool {
        let waited = |(when, took)| now.duration_since(when) >= AGAIN.max(took * SHARE);
        self.0.is_none_or(waited)
    }
}

#[derive(Default)]
struct Entries {
    /// How far the file was read.
    read: u64,
    /// The beginning of a line that was not all there.
    rest: Vec<u8>,
    /// By beginning: the first address behind, and the name. They do not overlap.
    by_start: BTreeMap<u64, (u64, Arc<str>)>,
    bytes: usize,
}

impl PerfMap {
    pub(super) fn new(file: File) -> Self {
        Self {
            file,
            entries: Entries::default(),
        }
    }

    /// Reads what was added since.
    pub(super) fn read_on(&mut self) {
        self.entries.read_on(&self.file);
    }

    /// The name of the code at an address, as far as the file was read, and where that begins.
    pub(super) fn at(&self, address: u64) -> Option<(Arc<str>, u64)> {
        self.entries.at(address)
    }

    /// Whether a file is another one, and has something in it.
    pub(super) fn gives_way_to(&self, new: &File) -> bool {
        let (Ok(old), Ok(new)) = (self.file.metadata(), new.metadata()) else {
            return false;
        };
        (old.dev(), old.ino()) != (new.dev(), new.ino()) && new.len() > 0
    }

    /// Bytes of the names.
    pub(super) fn size(&self) -> u64 {
        let entries = &self.entries;
        let size = entries.bytes + entries.by_start.len() * ENTRY + entries.rest.len();
        u64::try_from(size).unwrap_or(u64::MAX)
    }

    /// Forgets the names; those that the file gets later are read.
    pub(super) fn forget(&mut self) {
        self.entries.by_start = BTreeMap::new();
        self.entries.bytes = 0;
    }
}

impl Entries {
    /// Reads what was added since. A file that is shorter than before is another one.
    fn read_on(&mut self, file: &File) {
        let Ok(length) = file.metadata().map(|metadata| metadata.len()) else {
            return;
        };
        if length < self.read {
            *self = Self::default();
        }
        if length - self.read > MOST_BYTES {
            self.rest.clear();
            self.read = length - MOST_BYTES;
        }
        let mut chunk = vec![0; CHUNK.min(usize::try_from(length - self.read).unwrap_or(CHUNK))];
        while self.read < length {
            match file.read_at(&mut chunk, self.read) {
                Ok(count @ 1..) => {
                    self.read += count as u64;
                    self.take(chunk.get(..count).unwrap_or_default());
                }
                _ => return,
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let mut lines = bytes.split_inclusive(|&byte| byte == b'\n');
        if !self.rest.is_empty()
            && let Some(first) = lines.next()
        {
            let mut line = std::mem::take(&mut self.rest);
            line.extend(first);
            self.line_or_rest(&line);
        }
        for line in lines {
            self.line_or_rest(line);
        }
    }

    fn line_or_rest(&mut self, line: &[u8]) {
        match line.strip_suffix(b"\n") {
            Some(line) => {
                self.line(line);
            }
            None if line.len() < CHUNK => self.rest = line.to_vec(),
            None => {}
        }
    }

    fn line(&mut self, line: &[u8]) -> Option<()> {
        let mut fields = line.splitn(3, |&byte| byte == b' ');
        let (start, size) = (hex(fields.next()?)?, hex(fields.next()?)?);
        let end = start.checked_add(size).filter(|&end| end > start)?;
        let name = bounded(&String::from_utf8_lossy(fields.next()?.trim_ascii()));
        if self.by_start.len() >= MOST_ENTRIES || self.bytes + name.len() > MOST_NAMES {
            self.by_start.clear();
            self.bytes = 0;
        }
        // The memory of code that went is used anew.
        let before = self.by_start.range(..start).next_back();
        let before = before.filter(|(_, (end, _))| *end > start);
        let over: Vec<u64> = before
            .into_iter()
            .chain(self.by_start.range(start..end))
            .map(|(&start, _)| start)
            .collect();
        for start in over {
            if let Some((_, name)) = self.by_start.remove(&start) {
                self.bytes -= name.len();
            }
        }
        self.bytes += name.len();
        self.by_start.insert(start, (end, name));
        Some(())
    }

    fn at(&self, address: u64) -> Option<(Arc<str>, u64)> {
        let (&start, (end, name)) = self.by_start.range(..=address).next_back()?;
        (address < *end).then(|| (Arc::clone(name), start))
    }
}

fn hex(text: &[u8]) -> Option<u64> {
    let text = str::from_utf8(text).ok()?;
    u64::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn name(entries: &Entries, address: u64) -> Option<String> {
        entries.at(address).map(|(name, _)| name.to_string())
    }

    #[test]
    fn lines_of_node_and_java_are_read() {
        let mut entries = Entries::default();
        entries
            .take(b"7f00 20 LazyCompile:*dial /app/main.js:4:14\n0x8000 0x10 Lapp/Main;::dial\n");
        let js = "LazyCompile:*dial /app/main.js:4:14";
        assert_eq!(name(&entries, 0x7eff), None);
        assert_eq!(name(&entries, 0x7f1f).as_deref(), Some(js));
        assert_eq!(name(&entries, 0x7f20), None);
        assert_eq!(name(&entries, 0x8000).as_deref(), Some("Lapp/Main;::dial"));
    }

    #[test]
    fn later_code_replaces_what_was_there() {
        let mut entries = Entries::default();
        entries.take(b"100 20 a\n120 20 b\n140 20 c\n110 38 d\n");
        let names: Vec<_> = [0x100, 0x118, 0x130, 0x147, 0x148]
            .map(|at| name(&entries, at))
            .into();
        let d = Some(String::from("d"));
        assert_eq!(names, [None, d.clone(), d.clone(), d, None]);
        assert_eq!(entries.bytes, 1);
    }

    #[test]
    fn a_file_that_grows_is_read_on_and_one_that_shrinks_anew() {
        let path = std::env::temp_dir().join(format!("portex-perf-map-{}", std::process::id()));
        let mut file = File::create(&path).expect("may be made");
        file.write_all(b"100 10 one\n200 1").expect("has room");
        let mut map = PerfMap::new(File::open(&path).expect("readable"));
        let mut at = |address| {
            map.read_on();
            map.at(address).map(|(name, _)| name.to_string())
        };
        assert_eq!(at(0x100).as_deref(), Some("one"));
        assert_eq!(at(0x200), None);
        file.write_all(b"0 two\n").expect("has room");
        assert_eq!(at(0x20f).as_deref(), Some("two"));
        file.set_len(0).expect("may be cut");
        assert_eq!(at(0x200), None);
        std::fs::remove_file(&path).expect("was there");
    }

    proptest! {
        #[test]
        fn any_text_is_read_in_any_pieces(
            text in proptest::collection::vec("[0-9a-f]{1,3} [0-9a-f]{1,2} [a-z]{0,3}|.{0,20}", 0..20),
            cut in 1..40_usize,
        ) {
            let text = text.join("\n");
            let (mut whole, mut pieces) = (Entries::default(), Entries::default());
            whole.take(text.as_bytes());
            for piece in text.as_bytes().chunks(cut) {
                pieces.take(piece);
            }
            prop_assert_eq!(&whole.by_start, &pieces.by_start);
            let mut last = 0;
            for (&start, &(end, _)) in &whole.by_start {
                prop_assert!(start >= last && end > start);
                last = end;
            }
        }
    }
}
