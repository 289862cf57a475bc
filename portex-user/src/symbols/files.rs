//! Files that code is of, held open: a process that ends, or an upgrade that replaces them, does not
//! take the names away.

use std::{
    cell::OnceCell,
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
/// After this, a file that could not be opened is tried again.
const AGAIN: Duration = Duration::from_secs(10);

/// One file.
pub(super) struct Held {
    file: File,
    path: Arc<str>,
    elf: Option<Elf>,
    unwinder: OnceCell<Option<Box<Unwinder>>>,
    names: Option<Names>,
}

impl Held {
    fn new(file: File, path: Arc<str>) -> Self {
        Self {
            elf: Elf::read(&file),
            file,
            path,
            unwinder: OnceCell::new(),
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

    /// `None` without unwind information that can be used.
    pub(super) fn unwinder(&mut self) -> Option<&mut Unwinder> {
        let elf = self.elf.as_ref()?;
        let new = || Unwinder::new(&self.file, elf).map(Box::new);
        self.unwinder.get_or_init(new);
        self.unwinder.get_mut()?.as_deref_mut()
    }
}

/// All files that are held.
pub(super) struct Files {
    held: Recent<FileId, Held>,
    /// What could not be opened, why, and when that was.
    missing: Recent<FileId, (Instant, Arc<str>)>,
}

impl Files {
    pub(super) fn new() -> Self {
        Self {
            held: Recent::new(HELD),
            missing: Recent::new(4 * HELD),
        }
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
