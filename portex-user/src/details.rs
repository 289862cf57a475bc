//! What can be looked up about a process beyond what the model knows; asked for when somebody wants to
//! see it.

use std::{sync::Arc, time::Duration};

/// A process, as `/proc` shows it. Everything textual is untrusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessDetails {
    /// Its id (TGID).
    pub pid: u32,
    /// Whether it was there still when it was looked up. If not, nothing else is known.
    pub alive: bool,
    /// Its executable (`/proc/PID/exe`), ` (deleted)` included; `None` when it may not be seen.
    pub exe: Option<Vec<u8>>,
    /// Arguments, cut after some kilobytes; empty for kernel threads.
    pub cmdline: Vec<Vec<u8>>,
    /// Its parent's id and name.
    pub parent: Option<(u32, Vec<u8>)>,
    /// Real user id, and that user's name where it is known (`/etc/passwd`).
    pub user: Option<(u32, Option<String>)>,
    /// Path of its cgroup in the unified hierarchy.
    pub cgroup: Option<Arc<str>>,
    /// The container or unit that the cgroup stands for.
    pub container: Option<String>,
    /// How long ago it began.
    pub age: Option<Duration>,
    /// Number of threads.
    pub threads: Option<u64>,
    /// Open file descriptors, and how many it may have (`RLIMIT_NOFILE`, soft).
    pub files: Option<(u64, u64)>,
}
