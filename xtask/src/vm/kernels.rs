//! The kernels of the matrix: which series, where they come from, which are in the cache.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, bail};

use super::{apt::Apt, package, version};
use crate::{
    setup::{self, Need},
    workspace::Workspace,
};

/// A line of kernels, and the Debian suite that carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Series {
    pub(super) name: &'static str,
    pub(super) suite: &'static str,
}

/// Name of the series without a number of its own.
const NEWEST: &str = "newest";

/// Oldest and newest supported, and the long-term kernels that people run between them.
pub(crate) const MATRIX: [Series; 5] = [
    Series::new("5.10", "bullseye"),
    Series::new("6.1", "bookworm"),
    Series::new("6.12", "trixie"),
    Series::new("6.18", "trixie-backports"),
    Series::new(NEWEST, "trixie-backports"),
];

impl Series {
    const fn new(name: &'static str, suite: &'static str) -> Self {
        Self { name, suite }
    }

    /// Finds a series by the name that a person gave.
    pub(super) fn named(name: &str) -> Result<Self> {
        let found = MATRIX.into_iter().find(|series| series.name == name);
        found.with_context(|| {
            let names = MATRIX.map(|series| series.name).join(", ");
            format!("no kernel series `{name}` in the matrix: it has {names}")
        })
    }

    fn number(self) -> Option<&'static str> {
        (self.name != NEWEST).then_some(self.name)
    }
}

/// A kernel that can be booted.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    pub(super) image: PathBuf,
    /// Folder of those of [`package::MODULES`] that the kernel has as modules.
    pub(super) modules: PathBuf,
    /// Debian's version, as in `6.12.117-1`.
    pub(super) version: String,
}

impl Kernel {
    /// The kernel in a folder of the cache, if all of it is there.
    fn read(folder: &Path) -> Option<Self> {
        let image = folder.join("vmlinuz");
        let modules = folder.join("modules");
        let version = fs::read_to_string(folder.join("version")).ok()?;
        (image.is_file() && modules.is_dir()).then(|| Self {
            image,
            modules,
            version: version.trim().to_owned(),
        })
    }
}

/// The kernel of a series, if it is in the cache.
pub(super) fn cached(workspace: &Workspace, series: Series) -> Option<Kernel> {
    Kernel::read(&workspace.kernels().join(series.name))
}

/// A kernel for each series, in their order: from the cache, else from the mirror. With `refresh`
/// all are looked up on the mirror.
pub(crate) fn obtain(
    workspace: &Workspace,
    wanted: &[Series],
    refresh: bool,
) -> Vec<Result<Kernel>> {
    let absent = |series: &Series| refresh || cached(workspace, *series).is_none();
    let fetched = if wanted.iter().any(absent) {
        fetch_all(workspace, wanted, refresh)
    } else {
        Ok(())
    };
    if refresh && let Err(error) = &fetched {
        eprintln!("kernels: not all could be refreshed: {error:#}");
    }
    wanted
        .iter()
        .map(|series| {
            cached(workspace, *series).ok_or_else(|| {
                let why = fetched
                    .as_ref()
                    .err()
                    .map_or_else(String::new, |error| format!("{error:#}"));
                anyhow!("no kernel {} (Debian {}): {why}", series.name, series.suite)
            })
        })
        .collect()
}

/// Fetches what is not there; the error is of all series that failed.
fn fetch_all(workspace: &Workspace, wanted: &[Series], refresh: bool) -> Result<()> {
    setup::ensure(workspace, Need::Kernels)?;
    let folder = workspace.kernels();
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    // Two runs at once would be in each other's way; the second finds the first one's kernels.
    let _lock = crate::workspace::lock(&folder.join("lock"))?;
    let wanted: Vec<_> = wanted
        .iter()
        .filter(|series| refresh || cached(workspace, **series).is_none())
        .collect();
    let mut suites: Vec<_> = wanted.iter().map(|series| series.suite).collect();
    suites.dedup();
    if suites.is_empty() {
        return Ok(());
    }
    eprintln!(
        "kernels: reading Debian's package lists of {}",
        suites.join(", ")
    );
    let (apt, trouble) = Apt::open(&folder.join("apt"), &suites)?;
    let candidates = apt.kernels();
    let mut failed = trouble.into_iter().collect::<Vec<_>>();
    match candidates {
        Ok(candidates) => {
            for series in wanted {
                let result = version::newest(&candidates, series.number())
                    .with_context(|| format!("Debian {} lists none now", series.suite))
                    .and_then(|package| fetch(&apt, package, &folder, series.name));
                failed.extend(
                    result
                        .err()
                        .map(|error| error.context(format!("kernel {}", series.name))),
                );
            }
        }
        Err(error) => failed.push(error),
    }
    if failed.is_empty() {
        return Ok(());
    }
    let texts: Vec<_> = failed.iter().map(|error| format!("{error:#}")).collect();
    bail!("{}", texts.join("; "))
}

fn fetch(apt: &Apt, kernel: &version::Candidate, folder: &Path, series: &str) -> Result<()> {
    let work = folder.join(format!("{series}.new"));
    if work.exists() {
        fs::remove_dir_all(&work).with_context(|| format!("removing {}", work.display()))?;
    }
    let tree = work.join("tree");
    let modules = work.join("modules");
    for path in [&tree, &modules] {
        fs::create_dir_all(path).with_context(|| format!("creating {}", path.display()))?;
    }
    for package in std::iter::once(kernel).chain(apt.modules(kernel)?.as_ref()) {
        eprintln!(
            "kernels: fetching {series}: {} {}",
            package.package, package.version
        );
        let archive = apt.download(package, &work)?;
        package::unpack(&archive, &tree)?;
        fs::remove_file(&archive).context("removing the package")?;
    }
    let image = package::image(&tree)
        .with_context(|| format!("package {} holds no vmlinuz", kernel.package))?;
    fs::rename(&image, work.join("vmlinuz")).context("taking vmlinuz out of its package")?;
    package::take_modules(&tree, &modules)?;
    fs::write(work.join("version"), format!("{}\n", kernel.version))
        .context("writing the kernel's version")?;
    fs::remove_dir_all(&tree).context("removing the unpacked package")?;
    // Into place at once, so that a run that is stopped leaves no half kernel.
    let place = folder.join(series);
    if place.exists() {
        fs::remove_dir_all(&place).context("removing the former kernel")?;
    }
    fs::rename(&work, &place).context("putting the kernel into the cache")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::scratch;

    #[test]
    fn unknown_series_are_answered_with_the_known() {
        assert_eq!(
            Series::named("6.12").map(|series| series.suite).ok(),
            Some("trixie")
        );
        let error = Series::named("4.19").unwrap_err().to_string();
        assert!(error.contains("5.10, 6.1, 6.12, 6.18, newest"), "{error}");
    }

    #[test]
    fn a_cached_kernel_has_a_folder_of_modules_though_it_may_be_empty() -> Result<()> {
        let folder = scratch::Folder::new("kernel")?;
        folder.write("vmlinuz", "image")?;
        folder.write("version", "6.12.117-1\n")?;
        assert!(Kernel::read(&folder).is_none());
        fs::create_dir(folder.join("modules"))?;
        let kernel = Kernel::read(&folder).context("all of it is there")?;
        assert_eq!(kernel.version, "6.12.117-1");
        Ok(())
    }
}
