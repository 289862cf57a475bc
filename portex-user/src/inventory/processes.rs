//! Processes, from `/proc`.

use std::path::Path;

/// Whether there is a process (not a mere thread) with this id.
pub fn exists(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).is_dir()
}
