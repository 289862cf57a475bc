//! Files that code is of, held open: a process that ends, or an upgrade that replaces them, does not
//! take the names away.

use std::{
    fs::File,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    elf::{Elf, Id},
    maps::{Code, FileId, Mapping},
    names::Names,
    process::{Process, own_vdso},
    recent::Recent,
    unwinder::Unwinder,
};

/// At least these files are held, at most twice as many: few next to the 1,024 descriptors that a
/// process may have open.
const HELD: usize = 128;
/// Files that are opened for one process.
const PER_PROCESS: usize = 96;
/// Bytes of all copies that names are found by. All are given up when there is more: a host where
/// programs with that much debug information fail has memory for one of them at a time.
const NAMES: u64 = 2 * super::slim::MOST;
/// Bytes of the unwind information of all files; the largest is given up when there is more.
const UNWIND: u64 = 256 << 20;
/// After this, a file that could not be opened, or whose unwind information was given up, is tried
/// again.
const AGAIN: Duration = Duration::from_secs(10);

/// One file.
pub(super) struct Held {
    file: File,
    path: Arc<str>,
    elf: Option<Elf>,
    unwind: Unwind,
    names: Option<Names>,
}

enum Unwind {
    NotRead,
    /// There is none that can be used.
    None,
    Held(Box<Unwinder>),
    /// Too much for all, at this time.
    GivenUp(Instant),
}

impl Held {
    fn new(file: File, path: Arc<str>) -> Self {
        Self {
            elf: Elf::read(&file),
            file,
            path,
            unwind: Unwind::NotRead,
            names: None,
        }
    }

    /// As the process that it was opened for had it. Untrusted.
    pub(super) fn path(&self) -> Arc<str> {
        Arc::clone(&self.path)
    }

    /// `None` when it is no 64-bit ELF file.
    pub(super) fn elf(&self) -> Option<&Elf> {
        self.elf.as_ref()
    }

    /// Whether there was unwind information that was too much to be held.
    pub(super) fn gave_up(&self) -> bool {
        matches!(self.unwind, Unwind::GivenUp(_))
    }

    /// `true` when unwind information was read.
    fn read_unwind(&mut self) -> bool {
        match self.unwind {
            Unwind::NotRead => {}
            Unwind::GivenUp(when) if when.elapsed() >= AGAIN => {}
            _ => return false,
        }
        let elf = self.elf.as_ref();
        self.unwind = match elf.and_then(|elf| Unwinder::new(&self.file, elf)) {
            Some(unwinder) => Unwind::Held(Box::new(unwinder)),
            None => Unwind::None,
        };
        true
    }

    /// Bytes of unwind information.
    fn unwind_size(&self) -> u64 {
        match &self.unwind {
            Unwind::Held(unwinder) => unwinder.size,
            _ => 0,
        }
    }
}

/// All files that are held.
pub(super) struct Files {
    held: Recent<FileId, Held>,
    /// What could not be opened, why, and when that was.
    missing: Recent<FileId, (Instant, Arc<str>)>,
    most_unwind: u64,
}

impl Files {
    pub(super) fn new() -> Self {
        Self {
            held: Recent::new(HELD),
            missing: Recent::new(4 * HELD),
            most_unwind: UNWIND,
        }
    }

    #[cfg(test)]
    pub(super) fn with_most_unwind(most_unwind: u64) -> Self {
        Self {
            most_unwind,
            ..Self::new()
        }
    }

    /// Bytes of the unwind information of all files.
    #[cfg(test)]
    pub(super) fn unwind_size(&mut self) -> u64 {
        let all = self.held.iter_mut();
        all.map(|(_, held)| held.unwind_size()).sum()
    }

    pub(super) fn get(&mut self, id: FileId) -> Option<&mut Held> {
        self.held.get(&id)
    }

    pub(super) fn insert(&mut self, id: FileId, file: File, path: Arc<str>) {
        self.missing.remove(&id);
        self.held.insert(id, Held::new(file, path));
    }

    /// Why a file is not held.
    pub(super) fn why(&mut self, id: FileId) -> Option<Arc<str>> {
        Some(Arc::clone(&self.missing.get(&id)?.1))
    }

    /// Opens the files that a process has mapped, while it lives.
    pub(super) fn hold(&mut self, process: &Process, maps: &[Mapping], now: Instant) {
        let mut room = PER_PROCESS;
        for mapping in maps {
            let Code::File(id) = mapping.code else {
                continue;
            };
            let lately = |missing: &mut (Instant, _)| now.duration_since(missing.0) < AGAIN;
            if self.held.get(&id).is_some() || self.missing.get(&id).is_some_and(lately) {
                continue;
            }
            if room == 0 {
                break;
            }
            room -= 1;
            let opened = if id.device == FileId::VDSO.device {
                own_vdso(id.inode)
            } else {
                process.mapped(mapping, id)
            };
            match opened {
                Ok(file) => self.insert(id, file, Arc::clone(&mapping.path)),
                Err(error) => self.missing.insert(id, (now, Arc::from(error.to_string()))),
            }
        }
    }

    /// A file that has a build id.
    pub(super) fn by_build_id(&mut self, wanted: &Id) -> Option<FileId> {
        let id = |held: &Held| held.elf.as_ref()?.build_id;
        let mut all = self.held.iter_mut();
        let (id, _) = all.find(|(_, held)| id(held).as_ref() == Some(wanted))?;
        Some(*id)
    }

    /// `None` without unwind information that can be used, or that there is room for.
    pub(super) fn unwinder(&mut self, id: FileId) -> Option<&mut Unwinder> {
        if self.held.get(&id)?.read_unwind() {
            let now = Instant::now();
            self.held.shed(self.most_unwind, Held::unwind_size, |held| {
                held.unwind = Unwind::GivenUp(now);
            });
        }
        match &mut self.held.get(&id)?.unwind {
            Unwind::Held(unwinder) => Some(unwinder),
            _ => None,
        }
    }

    /// The names of a file, read when they are first asked for; `None` when it is not held, or no ELF
    /// file.
    pub(super) fn names(&mut self, id: FileId) -> Option<&mut Names> {
        let held = self.held.get(&id)?;
        if held.names.is_none() {
            let names = Names::new(&held.file, held.elf.as_ref()?);
            let others = |(_, held): (_, &mut Held)| held.names.as_ref().map(|names| names.size);
            let sum: u64 = self.held.iter_mut().filter_map(others).sum();
            if sum.saturating_add(names.size) > NAMES {
                for (_, held) in self.held.iter_mut() {
                    held.names = None;
                }
            }
            self.held.get(&id)?.names = Some(names);
        }
        self.held.get(&id)?.names.as_mut()
    }
}
