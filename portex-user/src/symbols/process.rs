//! What `/proc` gives of a process and its files, for the names of its code.
//!
//! Paths are followed in the process's own root. Nothing but regular files is opened, and none of
//! them waits for anybody: a FIFO of that name is not.

use std::{
    fs::File,
    io::{self, Read as _},
    os::{
        fd::{AsFd, AsRawFd as _, OwnedFd},
        unix::fs::{FileExt as _, MetadataExt as _},
    },
};

use rustix::fs::{CWD, MemfdFlags, Mode, OFlags, ResolveFlags, memfd_create, openat, openat2};

use super::maps::{self, FileId, Mapping};

/// Bytes that are read of files of some lines.
const LINES: u64 = 1 << 16;
/// The vdso has a few pages.
const MOST_VDSO: u64 = 1 << 16;

/// `/proc/PID`, held open: when the process ends, what is below it is gone, and never that of another
/// process of the same id.
pub(super) struct Process {
    directory: OwnedFd,
}

/// Of `/proc/PID/status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    /// Real and effective user.
    pub(super) users: (u32, u32),
    /// The process's id as it sees it itself.
    pub(super) own_pid: u32,
}

impl Process {
    pub(super) fn open(pid: u32) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(CWD, format!("/proc/{pid}"), flags, Mode::empty())?;
        Ok(Self { directory })
    }

    /// That of this id and start; a start of 0 is any.
    pub(super) fn of((pid, start): (u32, u32)) -> io::Result<Self> {
        let process = Self::open(pid)?;
        let started = process.start()?;
        if start == 0 || started == start {
            return Ok(process);
        }
        Err(io::ErrorKind::NotFound.into())
    }

    fn read(&self, name: &str, most: u64) -> io::Result<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let mut content = Vec::new();
        let file = openat(&self.directory, name, flags, Mode::empty())?;
        File::from(file).take(most).read_to_end(&mut content)?;
        Ok(content)
    }

    /// Clock ticks from boot to its start, cut to 32 bits (field 22 of `/proc/PID/stat`).
    pub(super) fn start(&self) -> io::Result<u32> {
        let stat = self.read("stat", LINES)?;
        start(&stat).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Its mappings; empty for a process that has ended, but was not waited for.
    pub(super) fn maps(&self) -> io::Result<Vec<u8>> {
        self.read("maps", maps::MOST_BYTES)
    }

    pub(super) fn status(&self) -> io::Result<Status> {
        let status = self.read("status", LINES)?;
        status_of(&status).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// The file of a mapping: by the mapping itself, which needs CAP_CHECKPOINT_RESTORE, else as the
    /// executable, else by its path, if that still leads to the same inode.
    pub(super) fn mapped(&self, mapping: &Mapping, id: FileId) -> io::Result<File> {
        let exact = format!("map_files/{:x}-{:x}", mapping.start, mapping.end);
        let path = OFlags::PATH | OFlags::CLOEXEC;
        if let Ok(file) = openat(&self.directory, exact, path, Mode::empty())
            && let Ok(file) = regular(file)
        {
            return Ok(file);
        }
        let same = |file: &File| file.metadata().is_ok_and(|it| it.ino() == id.inode);
        if let Ok(file) = openat(&self.directory, "exe", path, Mode::empty())
            && let Ok(file) = regular(file)
            && same(&file)
        {
            return Ok(file);
        }
        if mapping.deleted {
            return Err(io::Error::other("deleted"));
        }
        let file = self.in_root(&mapping.path)?;
        if same(&file) {
            return Ok(file);
        }
        Err(io::Error::other("replaced by another file since"))
    }

    /// `/tmp/perf-PID.map`, if it is of the process's user or root's.
    pub(super) fn perf_map(&self) -> io::Result<File> {
        let status = self.status()?;
        let file = self.in_root(&format!("/tmp/perf-{}.map", status.own_pid))?;
        let owner = file.metadata()?.uid();
        if [0, status.users.0, status.users.1].contains(&owner) {
            return Ok(file);
        }
        Err(io::Error::other("of another user"))
    }

    /// A regular file by its path in the process's root; no link at its end is followed.
    fn in_root(&self, path: &str) -> io::Result<File> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(&self.directory, "root", flags, Mode::empty())?;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        regular(openat2(&root, path, flags, Mode::empty(), resolve)?)
    }
}

/// Opens for reading what was found, when it is a regular file. Finding (`O_PATH`) does nothing to a
/// device, as opening might.
fn regular(found: OwnedFd) -> io::Result<File> {
    let found = File::from(found);
    if !found.metadata()?.is_file() {
        return Err(io::Error::other("no regular file"));
    }
    let path = format!("/proc/self/fd/{}", found.as_fd().as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(File::from(openat(CWD, path, flags, Mode::empty())?))
}

/// A regular file of the host.
pub(super) fn of_host(path: impl rustix::path::Arg) -> io::Result<File> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    regular(openat(CWD, path, flags, Mode::empty())?)
}

/// A copy of the vdso, which the kernel maps into every process of the same kind: of our own, if that
/// has the same size.
pub(super) fn own_vdso(size: u64) -> io::Result<File> {
    let other = || io::Error::other("not that of portex itself");
    let text = std::fs::read("/proc/self/maps")?;
    let maps = maps::parse(&text);
    let own = maps.iter().find(|mapping| &*mapping.path == "[vdso]");
    let own = own.filter(|own| own.end - own.start == size && size <= MOST_VDSO);
    let own = own.ok_or_else(other)?;
    let mut content = vec![0; usize::try_from(size).map_err(|_| other())?];
    File::open("/proc/self/mem")?.read_exact_at(&mut content, own.start)?;
    let file = File::from(memfd_create("portex-vdso", MemfdFlags::CLOEXEC)?);
    file.write_all_at(&content, 0)?;
    Ok(file)
}

/// `PID (name) state …`: the name may hold anything, parentheses too.
fn start(stat: &[u8]) -> Option<u32> {
    let close = stat.iter().rposition(|&byte| byte == b')')?;
    let rest = str::from_utf8(stat.get(close + 1..)?).ok()?;
    // From field 3 on.
    let ticks: u64 = rest.split_ascii_whitespace().nth(22 - 3)?.parse().ok()?;
    let [a, b, c, d, ..] = ticks.to_le_bytes();
    Some(u32::from_le_bytes([a, b, c, d]))
}

fn status_of(status: &[u8]) -> Option<Status> {
    let field = |name: &str| {
        let lines = status.split(|&byte| byte == b'\n');
        let mut values = lines.filter_map(|line| line.strip_prefix(name.as_bytes()));
        let value = str::from_utf8(values.next()?).ok()?;
        Some(value.split_ascii_whitespace())
    };
    let mut users = field("Uid:")?;
    let users = (users.next()?.parse().ok()?, users.next()?.parse().ok()?);
    let pid = field("NSpid:").or_else(|| field("Pid:"))?;
    Some(Status {
        users,
        own_pid: pid.last()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_by_its_start() {
        let text = b"7 (a) R 1 (b)) S 3 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 4 0 4294968283 0 0\n";
        assert_eq!(start(text), Some(987));
        assert_eq!(start(b"7 (a) S 1"), None);
        assert_eq!(start(b")"), None);
        let own = Process::open(std::process::id()).expect("lives");
        assert!(own.start().expect("readable") > 0);
    }

    #[test]
    fn a_status_has_the_innermost_id() {
        let text = b"Name:\tx\nPid:\t70\nUid:\t1000\t0\t1000\t1000\nNSpid:\t70\t12\t3\n";
        let expected = Status {
            users: (1_000, 0),
            own_pid: 3,
        };
        assert_eq!(status_of(text), Some(expected));
        assert_eq!(status_of(b"Uid:\t\nPid:\t"), None);
    }

    #[test]
    fn devices_and_directories_are_not_opened() {
        assert!(of_host("/dev/null").is_err());
        assert!(of_host("/tmp").is_err());
        assert!(of_host("/proc/self/exe").is_ok());
    }

    #[test]
    fn the_vdso_is_an_elf_file() {
        let text = std::fs::read("/proc/self/maps").expect("readable");
        let maps = maps::parse(&text);
        let Some(vdso) = maps.iter().find(|mapping| &*mapping.path == "[vdso]") else {
            eprintln!("skipped: this kernel has no vdso");
            return;
        };
        let size = vdso.end - vdso.start;
        let file = own_vdso(size).expect("readable");
        assert!(crate::symbols::elf::Elf::read(&file).is_some());
        assert!(own_vdso(size + 4_096).is_err());
    }
}
