//! Code of a process that had gone before it was looked at, by the build ids that the kernel gave
//! with its stack.

use std::{
    fs::File,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::event::{BuildId, Capture};

use super::{
    elf::{Elf, Id},
    files::Files,
    image::Image,
    maps::{Code, FileId, Mapping},
    names::by_build_id,
    process::of_host,
    recent::Recent,
};

/// Build ids of which is remembered where their file is, or that there is none.
const KNOWN: usize = 512;
const PAGE: u64 = 4_096;

/// Where programs are, for those called as the process was.
const PROGRAMS: [&str; 6] = [
    "/usr/bin",
    "/usr/sbin",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/bin",
    "/sbin",
];
/// Where some distributions have links to files, by build id.
const LINKS: [&str; 2] = ["/usr/lib/debug/.build-id", "/usr/lib/.build-id"];
const LIBRARIES: [&str; 4] = ["/lib/x86_64-linux-gnu", "/lib64", "/usr/lib", "/lib"];
/// What nearly every failing call comes through.
const LIBRARY_NAMES: [&str; 4] = [
    "libc.so.6",
    "ld-linux-x86-64.so.2",
    "libpthread.so.0",
    "ld-musl-x86_64.so.1",
];

/// A file that is held, and its path.
type Found = (FileId, Arc<str>);

/// Finds files by build id.
pub(super) struct Host {
    known: Recent<(Id, Box<[u8]>), Option<Found>>,
}

impl Host {
    pub(super) fn new() -> Self {
        Self {
            known: Recent::new(KNOWN),
        }
    }

    /// Completes an image by what a capture says of its frames. A file counts only when it has the
    /// very build id.
    pub(super) fn complete(
        &mut self,
        image: &mut Image,
        capture: &Capture,
        comm: &[u8],
        files: &mut Files,
    ) {
        for (&address, BuildId { id, offset }) in capture.user.iter().zip(&capture.build_ids) {
            let Some(id) = id else {
                continue;
            };
            if image.has(address) {
                continue;
            }
            if let Some((file, path)) = self.find(id, comm, files)
                && let Some(elf) = files.get(file).and_then(|held| held.elf())
                && let Some(mappings) = mappings(elf, file, &path, address, *offset)
            {
                image.add(mappings);
            }
        }
    }

    fn find(&mut self, id: &Id, comm: &[u8], files: &mut Files) -> Option<Found> {
        let key = (*id, Box::from(comm));
        if let Some(known) = self.known.get(&key) {
            // It may have been given up meanwhile.
            let found = known.clone();
            if found
                .as_ref()
                .is_none_or(|(file, _)| files.get(*file).is_some())
            {
                return found;
            }
        }
        let found = search(id, comm, files);
        self.known.insert(key, found.clone());
        found
    }
}

fn search(id: &Id, comm: &[u8], files: &mut Files) -> Option<Found> {
    if let Some(file) = files.by_build_id(id) {
        let path = files.get(file)?.path();
        return Some((file, path));
    }
    candidates(id, comm).into_iter().find_map(|path| {
        let file = of_host(&path).ok()?;
        let elf = Elf::read(&file)?;
        (elf.build_id.as_ref() == Some(id)).then_some(())?;
        let id = identity(&file)?;
        let path = real(&path);
        files.insert(id, file, Arc::clone(&path));
        Some((id, path))
    })
}

fn candidates(id: &Id, comm: &[u8]) -> Vec<PathBuf> {
    let links = LINKS.iter().map(|directory| by_build_id(directory, id, ""));
    let name = str::from_utf8(comm).ok();
    let name =
        name.filter(|name| !name.is_empty() && !name.contains('/') && !name.starts_with('.'));
    let programs = name.into_iter().flat_map(|name| {
        let paths = PROGRAMS.iter();
        paths.map(move |directory| Path::new(directory).join(name))
    });
    let libraries = LIBRARIES.iter().flat_map(|directory| {
        let names = LIBRARY_NAMES.iter();
        names.map(move |name| Path::new(directory).join(name))
    });
    links.chain(programs).chain(libraries).collect()
}

/// Without links, as maps would have it.
fn real(path: &Path) -> Arc<str> {
    let real = path.canonicalize();
    let real = real.as_deref().unwrap_or(path);
    Arc::from(real.to_string_lossy())
}

fn identity(file: &File) -> Option<FileId> {
    let metadata = file.metadata().ok()?;
    let device = metadata.dev();
    Some(FileId {
        device: u64::from(rustix::fs::major(device)) << 32 | u64::from(rustix::fs::minor(device)),
        inode: metadata.ino(),
    })
}

/// Where a file must have been mapped, when what lies at `offset` in it was at `address`.
fn mappings(
    elf: &Elf,
    file: FileId,
    path: &Arc<str>,
    address: u64,
    offset: u64,
) -> Option<Vec<Mapping>> {
    let moved = address.checked_sub(elf.address(offset)?)?;
    let one = |(range, offset): (std::ops::Range<u64>, u64)| {
        let before = range.start % PAGE;
        Some(Mapping {
            start: range.start.checked_add(moved)? - before,
            end: range
                .end
                .checked_add(moved)?
                .checked_next_multiple_of(PAGE)?,
            offset: offset.checked_sub(before)?,
            code: Code::File(file),
            path: Arc::clone(path),
            deleted: false,
        })
    };
    Some(elf.executable().filter_map(one).collect())
}
