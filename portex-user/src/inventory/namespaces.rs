//! Which network namespaces there are, and how to get into them.
//!
//! Only paths are kept, and one namespace at a time is open: there may be more of them than a
//! process may have descriptors, and none is to live longer because portex looked.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    os::{fd::AsFd as _, unix::fs::MetadataExt as _},
    sync::Arc,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::{
    cgroups, names, netns,
    processes::{self, Directory},
};

/// Where `ip netns add` and docker keep theirs. Only the former's names mean something to people.
const NAMED: &str = "/run/netns";
const DOCKER: &str = "/run/docker/netns";
/// The initial namespace on kernels that number it (`NET_NS_INIT_INO`, linux/nsfs.h, 6.18); older
/// ones give none below 0xf0000000.
const INITIAL: u32 = 0xefff_fff9;
/// The initial PID namespace (`PID_NS_INIT_INO`): outside of it process 1 is a container's.
const INITIAL_PID: u32 = 0xefff_fffc;
/// Paths kept of each: the first may be gone when it is opened.
const PATHS: usize = 8;

/// The namespaces found so far.
#[derive(Debug, Default)]
pub(super) struct Namespaces {
    known: BTreeMap<u32, Known>,
    /// The host's, where it may be seen.
    host: Option<u32>,
    /// Processes whose namespace may not be seen.
    hidden: u32,
}

#[derive(Debug, Default)]
struct Known {
    paths: Vec<String>,
    /// From `ip netns`.
    name: Option<String>,
    /// Of the process in it that began first: when, and what its cgroup is called.
    oldest: Option<(u64, Option<String>)>,
}

/// What became of the attempt to enter a namespace.
#[derive(Debug)]
pub(super) enum Entered {
    /// This thread is in it now.
    Yes,
    /// It has gone.
    Gone,
    /// It is there, but this process may not.
    Refused(io::Error),
}

impl Namespaces {
    /// Finds those that need no process: with names, and mounted.
    pub(super) fn look_at_files(&mut self) {
        for directory in [NAMED, DOCKER] {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                let Ok(Some(inode)) = netns::inode_of(&entry.path()) else {
                    continue;
                };
                let path = || entry.path().to_string_lossy().into_owned();
                let known = self.known_at(inode, path);
                if directory == NAMED && known.name.is_none() {
                    known.name = Some(entry.file_name().to_string_lossy().into_owned());
                }
            }
        }
        let mounts = fs::read("/proc/self/mountinfo").unwrap_or_default();
        for (inode, path) in String::from_utf8_lossy(&mounts).lines().filter_map(mount) {
            self.is_at(inode, || path);
        }
    }

    /// Finds those that a process and its threads are in.
    pub(super) fn look_at(&mut self, directory: &Directory) {
        let own = match directory.link("ns/net", "net") {
            Ok(Some(inode)) => inode,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.hidden += 1;
                return;
            }
            // Gone, or about to be.
            Ok(None) | Err(_) => return,
        };
        self.is_of_process(own, directory);
        if directory.threads() > 1 {
            let pid = directory.pid();
            // Threads that are gone meanwhile do not matter.
            let _ = directory.links("task", "/ns/net", |thread, target| {
                let inode = processes::inode(target, "net");
                if let Some(inode) = inode.filter(|&inode| inode != own) {
                    let thread = thread.to_string_lossy();
                    self.is_at(inode, || format!("/proc/{pid}/task/{thread}/ns/net"));
                }
            });
        }
    }

    fn is_of_process(&mut self, inode: u32, directory: &Directory) {
        let pid = directory.pid();
        let initial = || directory.link("ns/pid", "pid").ok().flatten() == Some(INITIAL_PID);
        if inode == INITIAL || (pid == 1 && initial()) {
            self.host = Some(inode);
        }
        let is_host = self.host == Some(inode);
        let known = self.known_at(inode, || format!("/proc/{pid}/ns/net"));
        if is_host || known.name.is_some() {
            return;
        }
        if let Ok(stat) = directory.stat()
            && known
                .oldest
                .as_ref()
                .is_none_or(|(start, _)| stat.start < *start)
        {
            let cgroups = cgroups::all_of_process(directory);
            let name = cgroups.iter().find_map(|path| names::from_cgroup(path));
            known.oldest = Some((stat.start, name));
        }
    }

    /// Notes a path to a namespace.
    pub(super) fn is_at(&mut self, inode: u32, path: impl FnOnce() -> String) {
        self.known_at(inode, path);
    }

    fn known_at(&mut self, inode: u32, path: impl FnOnce() -> String) -> &mut Known {
        let known = self.known.entry(inode).or_default();
        if known.paths.len() < PATHS {
            known.paths.push(path());
        }
        known
    }

    /// Their inode numbers, ascending.
    pub(super) fn inodes(&self) -> impl Iterator<Item = u32> + '_ {
        self.known.keys().copied()
    }

    /// Processes whose namespace may not be seen.
    pub(super) fn hidden(&self) -> u32 {
        self.hidden
    }

    /// What people call a namespace: `host`, the name of `ip netns`, or what the cgroup of the
    /// process in it that began first tells. Where the host's is not known, a unit of the host could
    /// give it its name, so cgroups give none.
    pub(super) fn name(&self, inode: u32) -> Option<Arc<str>> {
        if self.host == Some(inode) {
            return Some("host".into());
        }
        let known = self.known.get(&inode)?;
        let of_cgroup = || {
            self.host?;
            known.oldest.as_ref()?.1.clone()
        };
        known.name.clone().or_else(of_cgroup).map(Into::into)
    }

    /// Where a namespace can be opened, first those that need no process.
    pub(super) fn paths(&self, inode: u32) -> impl Iterator<Item = &String> {
        self.known
            .get(&inode)
            .into_iter()
            .flat_map(|known| &known.paths)
    }

    /// Moves this thread into a namespace.
    pub(super) fn enter(&self, inode: u32) -> Entered {
        let paths = self.known.get(&inode).map(|known| &known.paths);
        let mut outcome = Entered::Gone;
        for path in paths.into_iter().flatten() {
            match enter(path, inode) {
                Ok(true) => return Entered::Yes,
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    outcome = Entered::Refused(error);
                }
                Ok(false) | Err(_) => {}
            }
        }
        outcome
    }
}

/// The inode number of the namespace that this thread is in.
pub(super) fn own() -> io::Result<u32> {
    let inode = fs::metadata("/proc/thread-self/ns/net")?.ino();
    u32::try_from(inode).map_err(io::Error::other)
}

/// Moves this thread to the namespace at a path, if it is the one meant.
fn enter(path: &str, inode: u32) -> io::Result<bool> {
    let file = File::open(path)?;
    if file.metadata()?.ino() != u64::from(inode) {
        return Ok(false);
    }
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
    Ok(true)
}

/// Inode number and mount point, from a line of `/proc/self/mountinfo` (proc_pid_mountinfo(5)) that
/// is a network namespace: the fourth field is `net:[INODE]`, the fifth the mount point.
fn mount(line: &str) -> Option<(u32, String)> {
    let (fields, rest) = line.split_once(" - ")?;
    let mut fields = rest
        .starts_with("nsfs ")
        .then(|| fields.split(' ').skip(3))?;
    let inode = processes::inode(fields.next()?.as_bytes(), "net")?;
    Some((inode, unescape(fields.next()?)))
}

/// The kernel writes blanks, newlines and backslashes in mount points as `\040` (`mangle_path`).
fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let byte = part.get(..3).and_then(|n| u8::from_str_radix(n, 8).ok());
        match (byte, part.get(3..)) {
            (Some(byte), Some(rest)) => plain.extend([char::from(byte).to_string().as_str(), rest]),
            _ => plain.extend(["\\", part]),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::process;

    use super::*;

    fn own_process() -> Directory {
        Directory::open(process::id()).expect("alive")
    }

    #[test]
    fn the_own_namespace_is_that_of_the_own_process() {
        let mut namespaces = Namespaces::default();
        namespaces.look_at(&own_process());
        let own = own().expect("readable");
        assert_eq!(namespaces.inodes().collect::<Vec<_>>(), [own]);
        assert_eq!(namespaces.hidden(), 0);
    }

    #[test]
    fn what_has_gone_is_not_entered() {
        let mut namespaces = Namespaces::default();
        let own = own().expect("readable");
        assert!(matches!(namespaces.enter(own), Entered::Gone), "no path");
        namespaces.is_at(own, || "/no/such/path".to_owned());
        namespaces.is_at(own, || format!("/proc/{}/ns/net", u32::MAX));
        assert!(matches!(namespaces.enter(own), Entered::Gone), "no file");
        // A path where another file has taken the place.
        namespaces.is_at(own, || "/proc/self/status".to_owned());
        assert!(matches!(namespaces.enter(own), Entered::Gone), "other file");
        // The next path is tried. Entering takes privileges; being refused is an answer as well.
        namespaces.is_at(own, || "/proc/self/ns/net".to_owned());
        assert!(!matches!(namespaces.enter(own), Entered::Gone));
    }

    #[test]
    fn the_host_s_name_goes_before_others() {
        let mut namespaces = Namespaces::default();
        let cgroup = Some((5, Some("a.service".to_owned())));
        namespaces.known_at(7, String::new).oldest = cgroup;
        assert_eq!(namespaces.name(7), None, "it may be the host's");
        namespaces.host = Some(8);
        assert_eq!(namespaces.name(7).as_deref(), Some("a.service"));
        namespaces.known_at(7, String::new).name = Some("blue".to_owned());
        assert_eq!(namespaces.name(7).as_deref(), Some("blue"));
        namespaces.host = Some(7);
        assert_eq!(namespaces.name(7).as_deref(), Some("host"));
        assert_eq!(namespaces.name(9), None);
    }

    #[test]
    fn mounted_namespaces_are_told_from_other_mounts() {
        let line = "93 25 0:4 net:[4026532212] /run/my\\040ns rw shared:5 - nsfs nsfs rw";
        let expected = (4_026_532_212, "/run/my ns".to_owned());
        assert_eq!(mount(line), Some(expected));
        assert_eq!(mount(&line.replace("net:", "mnt:")), None);
        assert_eq!(mount("25 30 0:23 / /sys rw - sysfs sysfs rw"), None);
        assert_eq!(mount("93 25 0:4 net:[4026532212] - nsfs nsfs rw"), None);
        assert_eq!(mount(""), None);
    }

    #[test]
    fn escapes_that_are_none_stay() {
        assert_eq!(unescape("a\\134b\\"), "a\\b\\");
        assert_eq!(unescape("\\9é\\04"), "\\9é\\04");
    }
}
