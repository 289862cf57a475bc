//! Where things are: the checkout, its build folders and the cache outside it.

use std::{
    env,
    ffi::OsString,
    fs::File,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};

/// The checkout that the commands work on, and the user's cache.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    cache: PathBuf,
}

impl Workspace {
    /// Finds the checkout from what cargo tells of this crate, and the cache from the environment.
    pub(crate) fn find() -> Result<Self> {
        let manifest =
            env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&manifest)
            .parent()
            .context("the folder of xtask has no parent: run it as `cargo xtask`")?
            .to_path_buf();
        let cache = cache_dir(|name| env::var_os(name)).context(
            "no folder for downloads: set PORTEX_CACHE to one, or HOME to your home folder",
        )?;
        Ok(Self { root, cache })
    }

    /// The top of the checkout.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A folder of build results that is in no other cargo invocation's way.
    pub(crate) fn target(&self, name: &str) -> PathBuf {
        self.root.join("target").join(name)
    }

    /// Root of the programs that `setup` installs by cargo (they are in its `bin`).
    pub(crate) fn tools(&self) -> PathBuf {
        self.cache.join("tools")
    }

    /// Kernels and the private apt folder that they come through.
    pub(crate) fn kernels(&self) -> PathBuf {
        self.cache.join("kernels")
    }

    /// The folder of the compiled eBPF objects.
    pub(crate) fn objects(&self) -> PathBuf {
        self.root.join("portex-user").join("bpf")
    }
}

/// Waits until no other run holds this lock; it is let go when the file is dropped.
pub(crate) fn lock(path: &Path) -> Result<File> {
    let file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        eprintln!("waiting for another run that holds {}", path.display());
        flock(&file, FlockOperation::LockExclusive)
            .with_context(|| format!("locking {}", path.display()))?;
    }
    Ok(file)
}

/// `$PORTEX_CACHE`, else `$XDG_CACHE_HOME/portex`, else `~/.cache/portex`. Empty counts as unset.
fn cache_dir(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    path("PORTEX_CACHE")
        .or_else(|| Some(path("XDG_CACHE_HOME")?.join("portex")))
        .or_else(|| Some(path("HOME")?.join(".cache/portex")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Option<PathBuf> {
        cache_dir(|name| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.into())
        })
    }

    #[test]
    fn cache_follows_the_environment() {
        assert_eq!(with(&[]), None);
        assert_eq!(
            with(&[("HOME", "/h")]),
            Some(PathBuf::from("/h/.cache/portex"))
        );
        assert_eq!(
            with(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]),
            Some(PathBuf::from("/x/portex"))
        );
        assert_eq!(
            with(&[("HOME", "/h"), ("PORTEX_CACHE", "/p")]),
            Some(PathBuf::from("/p"))
        );
        assert_eq!(
            with(&[("HOME", "/h"), ("PORTEX_CACHE", "")]),
            Some(PathBuf::from("/h/.cache/portex"))
        );
    }
}
