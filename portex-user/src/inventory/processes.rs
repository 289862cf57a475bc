//! Processes, from `/proc`.

use std::{
    ffi::CStr,
    fs::{self, File},
    io::{self, Read as _},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::MetadataExt as _,
    },
};

use rustix::fs::{Mode, OFlags, RawDir, openat, readlinkat_raw};

/// Room for entries of a directory.
const ENTRIES: usize = 16 << 10;
/// Longer than any link to a socket or namespace; longer ones are cut.
const LINK: usize = 64;
/// As long as the kernel makes the target of any link (`PATH_MAX`).
const PATH: usize = 4_096;

/// The process that a thread belongs to; its own id when it is a process. `None` when there is no
/// such thread: `/proc/ID` is there for threads too, though not listed.
pub fn process_of(id: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
    line.trim().parse().ok()
}

/// The ids of all processes that are listed.
pub(super) fn all() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// `/proc/PID`, held open: when the process ends, what is below it is gone, and never that of
/// another process of the same id.
pub(super) struct Directory {
    pid: u32,
    fd: OwnedFd,
}

impl Directory {
    /// Of a process.
    pub(super) fn open(pid: u32) -> io::Result<Self> {
        let fd = open_directory(rustix::fs::CWD, &format!("/proc/{pid}"))?;
        Ok(Self { pid, fd })
    }

    /// Its id.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// The content of a file in it.
    pub(super) fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let mut content = Vec::with_capacity(1_024);
        let file = openat(&self.fd, name, flags, Mode::empty())?;
        File::from(file).read_to_end(&mut content)?;
        Ok(content)
    }

    /// The first bytes of a file in it, `most` of them.
    pub(super) fn read_beginning(&self, name: &str, most: u64) -> io::Result<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let mut content = Vec::new();
        let file = openat(&self.fd, name, flags, Mode::empty())?;
        File::from(file).take(most).read_to_end(&mut content)?;
        Ok(content)
    }

    /// Where a link in it leads to, such as `exe`.
    pub(super) fn target(&self, name: &str) -> io::Result<Vec<u8>> {
        let mut buffer = [MaybeUninit::uninit(); PATH];
        let (target, _) = readlinkat_raw(&self.fd, name, &mut buffer)?;
        Ok(target.to_vec())
    }

    /// How many entries a directory of it has, such as `fd`; stops at `most`.
    pub(super) fn count(&self, name: &str, most: u64) -> io::Result<u64> {
        let directory = open_directory(&self.fd, name)?;
        let mut entries = [MaybeUninit::uninit(); ENTRIES];
        let mut entries = RawDir::new(&directory, &mut entries);
        let mut count = 0;
        while count < most
            && let Some(entry) = entries.next()
        {
            count += u64::from(!entry?.file_name().to_bytes().starts_with(b"."));
        }
        Ok(count)
    }

    /// The number in a link such as `net:[4026531840]`, of which `net` is the kind; `None` when it
    /// links to something else.
    pub(super) fn link(&self, name: &str, kind: &str) -> io::Result<Option<u32>> {
        let mut buffer = [MaybeUninit::uninit(); LINK];
        let (target, _) = readlinkat_raw(&self.fd, name, &mut buffer)?;
        Ok(inode(target, kind))
    }

    /// Calls `each` with the name and the target of every link in a directory of it, such as `fd`.
    /// `below` is the link's path within each entry. What is gone by then, or may not be seen, is
    /// left out.
    pub(super) fn links(
        &self,
        name: &str,
        below: &str,
        mut each: impl FnMut(&CStr, &[u8]),
    ) -> io::Result<()> {
        let directory = open_directory(&self.fd, name)?;
        let mut entries = [MaybeUninit::uninit(); ENTRIES];
        let mut entries = RawDir::new(&directory, &mut entries);
        let mut path = Vec::new();
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_bytes().starts_with(b".") {
                continue;
            }
            path.clear();
            path.extend(name.to_bytes());
            path.extend(below.as_bytes());
            let mut buffer = [MaybeUninit::uninit(); LINK];
            if let Ok((target, _)) = readlinkat_raw(&directory, path.as_slice(), &mut buffer) {
                each(name, target);
            }
        }
        Ok(())
    }

    /// How many threads it has: `task` has a link for each, beside its own two.
    pub(super) fn threads(&self) -> u64 {
        let task = fs::metadata(format!("/proc/{}/task", self.pid));
        task.map_or(0, |task| task.nlink().saturating_sub(2))
    }

    /// Name, parent, threads, start.
    pub(super) fn stat(&self) -> io::Result<Stat> {
        Stat::parse(&self.read("stat")?).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

fn open_directory(at: impl AsFd, name: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(openat(at, name, flags, Mode::empty())?)
}

/// The number in the target of a link, such as 7 in `socket:[7]`. No other file can have such a
/// target: paths begin with a slash.
pub(super) fn inode(target: &[u8], kind: &str) -> Option<u32> {
    let number = target.strip_prefix(kind.as_bytes())?.strip_prefix(b":[")?;
    str::from_utf8(number.strip_suffix(b"]")?)
        .ok()?
        .parse()
        .ok()
}

/// Of `/proc/PID/stat` (proc_pid_stat(5)), what matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// Its name. Untrusted.
    pub(super) comm: Vec<u8>,
    /// Its parent's id; 0 for none that can be seen from here.
    pub(super) parent: u32,
    /// Number of threads.
    pub(super) threads: u64,
    /// When it began, in clock ticks since boot.
    pub(super) start: u64,
}

impl Stat {
    /// `PID (name) state …`: the name may hold anything, parentheses too.
    fn parse(text: &[u8]) -> Option<Self> {
        let open = text.iter().position(|&byte| byte == b'(')?;
        let close = text.iter().rposition(|&byte| byte == b')')?;
        let rest = str::from_utf8(text.get(close + 1..)?).ok()?;
        // From the state on, which is field 3.
        let mut fields = rest.split_ascii_whitespace();
        let parent = fields.nth(4 - 3)?;
        let threads = fields.nth(20 - 4 - 1)?;
        let start = fields.nth(22 - 20 - 1)?;
        Some(Self {
            comm: text.get(open + 1..close)?.to_vec(),
            parent: parent.parse().ok()?,
            threads: threads.parse().ok()?,
            start: start.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_thread_belongs_to_its_process() {
        let own = std::process::id();
        assert_eq!(process_of(own), Some(own));
        let thread = std::thread::spawn(|| {
            let id = rustix::thread::gettid().as_raw_nonzero().get();
            process_of(id.cast_unsigned())
        });
        assert_eq!(thread.join().expect("no panic"), Some(own));
    }

    #[test]
    fn what_is_not_there_belongs_to_none() {
        assert_eq!(process_of(u32::MAX), None);
    }

    #[test]
    fn a_name_cannot_pretend_to_be_a_stat() {
        let text = b"7 (a) R 1 (b)) S 3 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 4 0 987 0 0\n";
        let stat = Stat::parse(text).expect("well formed");
        assert_eq!(stat.comm, b"a) R 1 (b)");
        assert_eq!((stat.parent, stat.threads, stat.start), (3, 4, 987));
        assert_eq!(Stat::parse(b")("), None);
        assert_eq!(Stat::parse(b"7 (a) S 1"), None);
    }

    #[test]
    fn links_to_inodes_are_told_from_paths() {
        assert_eq!(inode(b"socket:[7]", "socket"), Some(7));
        assert_eq!(inode(b"net:[7]", "socket"), None);
        assert_eq!(inode(b"/tmp/socket:[7]", "socket"), None);
        assert_eq!(inode(b"socket:[7", "socket"), None);
        assert_eq!(inode(b"socket:[99999999999]", "socket"), None);
    }

    #[test]
    fn the_own_process_can_be_read() {
        let own = Directory::open(std::process::id()).expect("alive");
        assert!(all().any(|pid| pid == own.pid()));
        assert!(own.threads() >= 1);
        assert!(own.stat().expect("readable").start > 0);
        assert!(own.link("ns/net", "net").expect("readable").is_some());
        let mut threads = 0;
        own.links("task", "/ns/net", |_, target| {
            threads += u32::from(inode(target, "net").is_some());
        })
        .expect("readable");
        assert!(threads >= 1);
    }

    #[test]
    fn what_is_read_is_bounded() {
        let own = Directory::open(std::process::id()).expect("alive");
        let beginning = own.read_beginning("status", 7).expect("readable");
        assert_eq!(beginning.len(), 7);
        assert!(
            own.read("status")
                .expect("readable")
                .starts_with(&beginning)
        );
        let all = own.count("fd", u64::MAX).expect("readable");
        assert!(all >= 3, "{all}");
        assert_eq!(own.count("fd", 2).expect("readable"), 2);
        let exe = std::env::current_exe().expect("known");
        let target = own.target("exe").expect("readable");
        assert_eq!(target, exe.as_os_str().as_encoded_bytes());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Stat::parse(&bytes);
            let _ = inode(&bytes, "net");
        }
    }
}
