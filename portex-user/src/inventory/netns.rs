//! Network namespaces: from what a user writes to the inode number that the kernel programs see.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use crate::escape;

/// Where `ip netns add` keeps its names.
const NAMED: &str = "/run/netns";
/// `NSFS_MAGIC` (linux/magic.h): the filesystem of namespace files.
const NSFS_MAGIC: u64 = 0x6e73_6673;

/// Why a namespace is not known.
#[derive(Debug, thiserror::Error)]
pub enum NetnsError {
    /// Nothing at that path.
    #[error(
        "no network namespace {}: {}: {cause}\n  what to do: ip netns list shows the names, lsns \
         -t net the inode numbers",
        shown(name.as_ref()),
        shown(path)
    )]
    Path {
        /// As it was given.
        name: String,
        /// Where it was looked for.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
    /// Something else is there.
    #[error("{} is no namespace file\n  what to do: give something like /proc/PID/ns/net", shown(.0))]
    NotANamespace(PathBuf),
    /// No process is in it, and it has no name.
    #[error("no network namespace has the inode number {0}\n  what to do: lsns -t net shows them")]
    Inode(u32),
}

/// Resolves an inode number, a name of `ip netns`, or a path such as `/proc/1/ns/net`.
pub fn resolve(text: &str) -> Result<u32, NetnsError> {
    if let Ok(inode) = text.parse() {
        if exists(inode) {
            return Ok(inode);
        }
        // A name can be made of digits too.
        return match inode_of(&Path::new(NAMED).join(text)) {
            Ok(Some(named)) => Ok(named),
            _ => Err(NetnsError::Inode(inode)),
        };
    }
    let path = if text.contains('/') {
        PathBuf::from(text)
    } else {
        Path::new(NAMED).join(text)
    };
    match inode_of(&path) {
        Ok(Some(inode)) => Ok(inode),
        Ok(None) => Err(NetnsError::NotANamespace(path)),
        Err(cause) => Err(NetnsError::Path {
            name: text.to_owned(),
            path,
            cause,
        }),
    }
}

fn shown(path: &Path) -> String {
    escape::text(path.as_os_str().as_encoded_bytes())
}

/// The inode number of a namespace file; `None` when the file is another.
pub(super) fn inode_of(path: &Path) -> io::Result<Option<u32>> {
    let metadata = fs::metadata(path)?;
    let filesystem = rustix::fs::statfs(path)?.f_type;
    if u64::try_from(filesystem) != Ok(NSFS_MAGIC) {
        return Ok(None);
    }
    Ok(u32::try_from(metadata.ino()).ok())
}

/// Whether something keeps a namespace alive: a process, a name, a mount, a thread or an open file,
/// looked for in this order, as the last two take long.
fn exists(inode: u32) -> bool {
    let processes = || entries(Path::new("/proc")).filter(|path| is_process(path));
    let name = format!("net:[{inode}]");
    let is_it =
        |path: PathBuf| fs::read_link(path).is_ok_and(|target| target.as_os_str() == name.as_str());
    let mounted =
        || fs::read_to_string("/proc/self/mountinfo").is_ok_and(|mounts| mounts.contains(&name));
    let below = |directory: &'static str| {
        processes().flat_map(move |process| entries(&process.join(directory)))
    };
    processes().any(|process| is_it(process.join("ns/net")))
        || entries(Path::new(NAMED)).any(|path| inode_of(&path).is_ok_and(|i| i == Some(inode)))
        || mounted()
        || below("task").any(|thread| is_it(thread.join("ns/net")))
        || below("fd").any(is_it)
}

fn is_process(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.as_encoded_bytes().iter().all(u8::is_ascii_digit))
}

/// What is in a directory; nothing when it cannot be read, or is gone by now.
fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_namespace_is_found_by_path_and_by_inode() {
        let inode = resolve("/proc/self/ns/net").expect("every process has one");
        assert_eq!(resolve(&inode.to_string()).expect("in use"), inode);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let message = |text: &str| resolve(text).expect_err(text).to_string();
        assert!(message("no-such-namespace").contains("/run/netns/no-such-namespace"));
        assert!(message("/proc/self/status").contains("no namespace file"));
        assert!(message("1").contains("inode number 1"));
        assert!(message("/no/such/path").contains("/no/such/path"));
    }
}
