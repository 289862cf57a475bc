//! Makes tracefs visible where it is not mounted, without mounting anything for others.
//!
//! A tracepoint is opened by the number in its `id` file, and that file is in tracefs, which many
//! hosts leave unmounted. A thread with a mount namespace of its own mounts it for itself; the mount
//! goes with the thread.

use std::{fs, io, path::Path, thread};

use rustix::{
    mount::{MountFlags, MountPropagationFlags, mount, mount_change},
    thread::{UnshareFlags, unshare_unsafe},
};

const PLACES: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// Why tracefs cannot be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unreachable {
    /// Nobody has mounted it, and mounting it privately failed.
    NotMounted(String),
    /// It is there, for others.
    NotReadable(String),
}

impl std::fmt::Display for Unreachable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotMounted(cause) => write!(
                f,
                "tracefs is not mounted, and cannot be mounted privately ({cause}); what to do: \
                 mount -t tracefs tracefs {}",
                PLACES[0]
            ),
            Self::NotReadable(cause) => write!(
                f,
                "tracefs is mounted, but may not be read ({cause}); what to do: run as root, or \
                 grant CAP_DAC_READ_SEARCH"
            ),
        }
    }
}

fn is_mounted() -> bool {
    PLACES
        .iter()
        .any(|place| Path::new(place).join("events").is_dir())
}

/// It is for root only, unless mounted otherwise.
fn denial() -> Option<Unreachable> {
    PLACES.iter().find_map(|place| {
        let error = fs::metadata(Path::new(place).join("events")).err()?;
        (error.kind() == io::ErrorKind::PermissionDenied)
            .then(|| Unreachable::NotReadable(error.to_string()))
    })
}

/// Runs `work` where tracefs is mounted; tells it when it cannot be.
pub(super) fn with<T: Send>(work: impl FnOnce(Result<(), Unreachable>) -> T + Send) -> T {
    if is_mounted() {
        return work(Ok(()));
    }
    if let Some(denial) = denial() {
        return work(Err(denial));
    }
    thread::scope(|scope| {
        let worker = scope.spawn(|| work(mount_privately()));
        worker
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Mounts tracefs in a new mount namespace of this thread.
fn mount_privately() -> Result<(), Unreachable> {
    let failed =
        |what: &str, error: rustix::io::Errno| Unreachable::NotMounted(format!("{what}: {error}"));
    // SAFETY: only the calling thread is moved to a mount namespace of its own; no file descriptor
    // table is unshared, which is what could go wrong.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::FS) }
        .map_err(|error| failed("unshare", error))?;
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .map_err(|error| failed("making mounts private", error))?;
    mount("tracefs", PLACES[0], "tracefs", MountFlags::empty(), None)
        .map_err(|error| failed("mount", error))?;
    if is_mounted() {
        Ok(())
    } else {
        Err(Unreachable::NotMounted("it has no events".into()))
    }
}
