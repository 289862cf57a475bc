//! Paths of cgroups, from the ids that the kernel programs report.

use std::{
    collections::HashMap,
    fs::{self, File},
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::fs::MetadataExt as _,
    },
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, bail};

use super::processes::Directory;

/// `FILEID_KERNFS` (linux/exportfs.h): a file handle that is the 64-bit id of a kernfs node.
const FILEID_KERNFS: libc::c_int = 0xfe;
/// More than any host has alive; a full cache is emptied.
const CACHED: usize = 8_192;

/// Turns ids into paths within the unified hierarchy, `/` being its root.
pub struct Cgroups {
    /// Where the unified hierarchy is mounted.
    root: Option<(PathBuf, File)>,
    paths: HashMap<u64, Option<Arc<str>>>,
}

#[repr(C)]
struct FileHandle {
    bytes: libc::c_uint,
    kind: libc::c_int,
    id: [u8; 8],
}

impl Default for Cgroups {
    fn default() -> Self {
        Self::new()
    }
}

impl Cgroups {
    /// Looks for the unified hierarchy.
    pub fn new() -> Self {
        let root = fs::read_to_string("/proc/self/mountinfo")
            .ok()
            .and_then(|mounts| mount_point(&mounts))
            .and_then(|path| File::open(&path).ok().map(|file| (path, file)));
        Self {
            root,
            paths: HashMap::new(),
        }
    }

    /// The path of a cgroup. A process that is alive helps where the id alone does not (without
    /// CAP_DAC_READ_SEARCH, or in a cgroup namespace).
    pub fn path(&mut self, id: u64, pid: u32) -> Option<Arc<str>> {
        if id == 0 {
            return None;
        }
        if let Some(known) = self.paths.get(&id) {
            return known.clone();
        }
        let path = self
            .by_handle(id)
            .or_else(|| self.by_process(id, pid))
            .map(Arc::<str>::from);
        if self.paths.len() >= CACHED {
            self.paths.clear();
        }
        self.paths.insert(id, path.clone());
        path
    }

    fn by_handle(&self, id: u64) -> Option<String> {
        let (mounted, root) = self.root.as_ref()?;
        let mut handle = FileHandle {
            bytes: 8,
            kind: FILEID_KERNFS,
            id: id.to_ne_bytes(),
        };
        // SAFETY: the handle is laid out as struct file_handle with 8 bytes of content, and lives
        // through the call; the kernel checks what it says.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_open_by_handle_at,
                root.as_raw_fd(),
                &raw mut handle,
                libc::O_PATH | libc::O_CLOEXEC,
            )
        };
        let fd = i32::try_from(fd).ok().filter(|&fd| fd >= 0)?;
        // SAFETY: the kernel has just opened it for us.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let target = fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).ok()?;
        Some(within(mounted, &target))
    }

    /// From `/proc/PID/cgroup`, if the process is in that cgroup still.
    fn by_process(&self, id: u64, pid: u32) -> Option<String> {
        let (mounted, _) = self.root.as_ref()?;
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let path = unified_line(&text)?;
        let directory = mounted.join(path.trim_start_matches('/'));
        let same = fs::metadata(directory).is_ok_and(|metadata| metadata.ino() == id);
        same.then(|| path.to_owned())
    }
}

/// A cgroup as a user writes it, as a path within the unified hierarchy: `/system.slice`,
/// `system.slice` and `/sys/fs/cgroup/system.slice` are one. It must exist.
pub fn normalise(text: &str) -> anyhow::Result<String> {
    let mounted = fs::read_to_string("/proc/self/mountinfo")
        .ok()
        .and_then(|mounts| mount_point(&mounts))
        .context("cgroup2 is not mounted, so cgroups cannot be told apart")?;
    let given = Path::new(text);
    let inside = given
        .strip_prefix(&mounted)
        .unwrap_or_else(|_| given.strip_prefix("/").unwrap_or(given));
    let directory = mounted.join(inside);
    if !directory.is_dir() {
        bail!(
            "no cgroup {}: {} is no directory\n  what to do: systemd-cgls shows them",
            crate::escape::text(text.as_bytes()),
            crate::escape::text(directory.as_os_str().as_encoded_bytes())
        );
    }
    Ok(within(&mounted, &directory))
}

/// The path within the hierarchy of a directory below its mount point.
fn within(mounted: &Path, directory: &Path) -> String {
    let inside = directory.strip_prefix(mounted).unwrap_or(directory);
    let text = format!("/{}", inside.to_string_lossy());
    without_deleted(text)
}

/// The kernel's mark on a path that is gone is no part of it.
fn without_deleted(path: String) -> String {
    match path.strip_suffix(" (deleted)") {
        Some(before) => before.to_owned(),
        None => path,
    }
}

/// The cgroup of a process in the unified hierarchy; `None` without one, or when it has ended.
pub(super) fn of_process(directory: &Directory) -> Option<String> {
    let text = directory.read("cgroup").ok()?;
    let path = unified_line(&String::from_utf8_lossy(&text))?.to_owned();
    Some(without_deleted(path))
}

/// The cgroups of a process in all hierarchies, the unified one first: where the others are in use
/// still, a container may be in those only.
pub(super) fn all_of_process(directory: &Directory) -> Vec<String> {
    let text = directory.read("cgroup").unwrap_or_default();
    all_lines(&String::from_utf8_lossy(&text))
}

fn all_lines(text: &str) -> Vec<String> {
    let others = text
        .lines()
        .filter(|line| !line.starts_with("0::"))
        .filter_map(|line| line.splitn(3, ':').nth(2));
    let paths = unified_line(text).into_iter().chain(others);
    paths.map(|path| without_deleted(path.to_owned())).collect()
}

/// In `/proc/PID/cgroup` the line of the unified hierarchy is `0::/path`.
fn unified_line(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::"))
}

/// Where cgroup2 is mounted, by `/proc/self/mountinfo` (proc(5)): the filesystem type follows a
/// lone hyphen, the mount point is the fifth field.
fn mount_point(mounts: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (fields, rest) = line.split_once(" - ")?;
        if !rest.starts_with("cgroup2 ") {
            return None;
        }
        fields.split(' ').nth(4).map(PathBuf::from)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unified_hierarchy_is_found_among_the_mounts() {
        let mounts = "25 30 0:23 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n\
                      26 25 0:24 / /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw\n";
        assert_eq!(
            mount_point(mounts),
            Some(PathBuf::from("/sys/fs/cgroup/unified"))
        );
        assert_eq!(mount_point("1 2 0:1 / / rw - ext4 /dev/vda rw"), None);
    }

    #[test]
    fn paths_begin_at_the_root_of_the_hierarchy() {
        let mounted = Path::new("/sys/fs/cgroup");
        assert_eq!(within(mounted, Path::new("/sys/fs/cgroup")), "/");
        assert_eq!(
            within(mounted, Path::new("/sys/fs/cgroup/system.slice/a.service")),
            "/system.slice/a.service"
        );
        assert_eq!(
            within(mounted, Path::new("/sys/fs/cgroup/gone (deleted)")),
            "/gone"
        );
    }

    #[test]
    fn of_several_hierarchies_the_unified_one_counts() {
        assert_eq!(
            unified_line("12:cpu:/old\n0::/user.slice\n"),
            Some("/user.slice")
        );
        assert_eq!(unified_line("12:cpu:/old\n"), None);
    }

    #[test]
    fn other_hierarchies_come_after_the_unified_one() {
        let text = "9:name=systemd:/docker/a\n8:pids:/b:c (deleted)\nodd\n0::/user.slice\n";
        assert_eq!(all_lines(text), ["/user.slice", "/docker/a", "/b:c"]);
        assert!(all_lines("").is_empty());
    }

    #[test]
    fn the_unknown_id_has_no_path() {
        assert_eq!(Cgroups::new().path(0, 1), None);
    }
}
