//! Folders for unit tests.

use std::{
    env, fs,
    ops::Deref,
    path::{Path, PathBuf},
    process,
};

use anyhow::{Context, Result};

/// An empty folder that goes with its value.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes one; the name is of one test only.
    pub(super) fn new(name: &str) -> Result<Self> {
        let path = env::temp_dir().join(format!("xtask-{name}-{}", process::id()));
        fs::create_dir(&path).with_context(|| format!("creating {}", path.display()))?;
        Ok(Self(path))
    }

    /// Writes a file of it, and the folders above that.
    pub(super) fn write(&self, name: &str, content: &str) -> Result<()> {
        let path = self.join(name);
        if let Some(above) = path.parent() {
            fs::create_dir_all(above).with_context(|| format!("creating {}", above.display()))?;
        }
        fs::write(&path, content).with_context(|| format!("writing {}", path.display()))
    }
}

impl Deref for Folder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left over is in nobody's way: the next run has another process id.
        let _ = fs::remove_dir_all(&self.0);
    }
}
