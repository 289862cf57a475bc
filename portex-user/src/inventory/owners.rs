//! Which process has which socket open.
//!
//! Found before the sockets are: whoever opens one meanwhile is not known as its owner. Threads that
//! do not share their process's descriptors (`CLONE_FILES`) are not looked at.

use std::{io, sync::Arc};

use rustc_hash::FxHashMap;

use super::{
    cgroups,
    namespaces::Namespaces,
    processes::{self, Directory},
};
use crate::found::Process;

/// Owners of sockets, by the inode number of the socket; of any kind of socket, as only the kernel's
/// tables tell which are TCP.
#[derive(Debug, Default)]
pub(super) struct Owners {
    holders: FxHashMap<u32, Holder>,
    /// Processes whose descriptors may not be looked at.
    hidden: u32,
    /// Sockets of the process at hand.
    open: Vec<u32>,
}

#[derive(Debug)]
struct Holder {
    /// In clock ticks since boot, whole.
    start: u64,
    process: Arc<Process>,
}

impl Owners {
    /// The process that has a socket open; of several the one that began first.
    pub(super) fn of(&self, inode: u32) -> Option<Arc<Process>> {
        if inode == 0 {
            return None; // a TIME_WAIT, or an orphan
        }
        let holder = self.holders.get(&inode)?;
        Some(Arc::clone(&holder.process))
    }

    /// Processes whose descriptors could not be looked at.
    pub(super) fn hidden(&self) -> u32 {
        self.hidden
    }

    /// Looks at the descriptors of a process: at its sockets, and at the namespaces that it keeps
    /// alive.
    pub(super) fn look_at(&mut self, directory: &Directory, namespaces: &mut Namespaces) {
        self.open.clear();
        let pid = directory.pid();
        let looked = directory.links("fd", "", |fd, target| {
            if let Some(socket) = processes::inode(target, "socket") {
                self.open.push(socket);
            } else if let Some(netns) = processes::inode(target, "net") {
                let path = || format!("/proc/{pid}/fd/{}", fd.to_string_lossy());
                namespaces.is_at(netns, path);
            }
        });
        if looked.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied) {
            self.hidden += 1;
        }
        if self.open.is_empty() {
            return;
        }
        // A process that ends now has no sockets any more.
        if let Ok(holder) = Holder::read(directory) {
            for inode in self.open.drain(..) {
                insert(&mut self.holders, inode, &holder);
            }
        }
    }
}

fn insert(holders: &mut FxHashMap<u32, Holder>, inode: u32, new: &Holder) {
    let new = Holder {
        start: new.start,
        process: Arc::clone(&new.process),
    };
    let since = |holder: &Holder| (holder.start, holder.process.pid);
    holders
        .entry(inode)
        .and_modify(|known| {
            if since(&new) < since(known) {
                known.start = new.start;
                known.process = Arc::clone(&new.process);
            }
        })
        .or_insert(new);
}

impl Holder {
    fn read(directory: &Directory) -> io::Result<Self> {
        let stat = directory.stat()?;
        let uid = real_uid(&directory.read("status")?);
        let [.., a, b, c, d] = stat.start.to_be_bytes();
        Ok(Self {
            start: stat.start,
            process: Arc::new(Process {
                pid: directory.pid(),
                start: u32::from_be_bytes([a, b, c, d]),
                uid: uid.ok_or(io::ErrorKind::InvalidData)?,
                comm: stat.comm,
                cgroup: cgroups::of_process(directory).map(Into::into),
            }),
        })
    }
}

/// In `/proc/PID/status` the first number behind `Uid:`. Names before it cannot pretend to be that
/// line: the kernel escapes their newlines.
pub(super) fn real_uid(status: &[u8]) -> Option<u32> {
    let line = status
        .split(|&byte| byte == b'\n')
        .find_map(|line| line.strip_prefix(b"Uid:"))?;
    let mut numbers = str::from_utf8(line).ok()?.split_ascii_whitespace();
    numbers.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, os::unix::fs::MetadataExt as _};

    use super::*;

    #[test]
    fn the_real_uid_is_the_first() {
        let status = b"Name:\ta\nUmask:\t0022\nUid:\t1000\t0\t0\t0\nGid:\t5\t5\t5\t5\n";
        assert_eq!(real_uid(status), Some(1000));
        assert_eq!(real_uid(b"Name:\ta\n"), None);
        assert_eq!(real_uid(b"Uid:\t-1\n"), None);
    }

    #[test]
    fn the_own_sockets_have_this_process_as_owner() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let fd = std::os::fd::AsRawFd::as_raw_fd(&listener);
        let metadata = std::fs::metadata(format!("/proc/self/fd/{fd}")).expect("open");
        let inode = u32::try_from(metadata.ino()).expect("sockfs numbers are of 32 bits");
        let mut owners = Owners::default();
        let own = Directory::open(std::process::id()).expect("alive");
        owners.look_at(&own, &mut Namespaces::default());
        let owner = owners.of(inode).expect("open");
        assert_eq!(owner.pid, std::process::id());
        assert_eq!(owner.uid, rustix::process::getuid().as_raw());
        let comm = std::fs::read("/proc/self/comm").expect("readable");
        assert_eq!(Some(owner.comm.as_slice()), comm.strip_suffix(b"\n"));
        assert_eq!(owners.of(0), None);
        assert_eq!(owners.hidden(), 0);
    }

    #[test]
    fn of_several_holders_the_first_to_begin_counts() {
        let holder = |start, pid| Holder {
            start,
            process: Arc::new(Process {
                pid,
                start: 0,
                uid: 0,
                comm: Vec::new(),
                cgroup: None,
            }),
        };
        let mut owners = Owners::default();
        for (start, pid, owner) in [(20, 3, 3), (10, 9, 9), (10, 4, 4), (10, 5, 4), (30, 1, 4)] {
            insert(&mut owners.holders, 7, &holder(start, pid));
            assert_eq!(owners.of(7).expect("known").pid, owner);
        }
    }
}
