//! A private apt: other suites than the machine's own, from the machine's own mirror, in a folder
//! of the cache. The machine's packages and lists are not touched.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use super::version::{self, Candidate};
use crate::process;

/// The keys that Debian signs its archives with.
pub(crate) const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Addresses of the archives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Mirror {
    main: String,
    security: Option<String>,
}

/// A private apt folder.
#[derive(Debug)]
pub(super) struct Apt {
    folder: PathBuf,
}

impl Apt {
    /// Sets the folder up for some suites and fetches their package lists. A suite that is gone
    /// does not stop the others; what went wrong is returned beside.
    pub(super) fn open(folder: &Path, suites: &[&str]) -> Result<(Self, Option<anyhow::Error>)> {
        let apt = Self {
            folder: folder.to_path_buf(),
        };
        for part in ["lists/partial", "cache/archives/partial"] {
            let path = folder.join(part);
            fs::create_dir_all(&path).with_context(|| format!("creating {}", path.display()))?;
        }
        let targets = process::output(Command::new("apt-get").args([
            "indextargets",
            "--format",
            "$(CREATED_BY) $(SITE) $(RELEASE)",
        ]))?;
        let mirror = parse_targets(&targets)
            .context("apt on this machine has no Debian archive among its sources")?;
        for (name, text) in [
            ("sources.list", sources(&mirror, suites)),
            ("status", String::new()),
        ] {
            let path = folder.join(name);
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        }
        let update = process::output(apt.command("apt-get").args(["-q", "update"]));
        Ok((apt, update.err()))
    }

    /// Every version of every kernel package in the lists.
    pub(super) fn kernels(&self) -> Result<Vec<Candidate>> {
        let mut names = Vec::new();
        for prefix in ["linux-image-", "linux-binary-"] {
            let list = process::output(self.command("apt-cache").args(["pkgnames", prefix]))?;
            names.extend(
                list.lines()
                    .filter(|name| version::is_kernel(name))
                    .map(String::from),
            );
        }
        ensure!(!names.is_empty(), "the mirror lists no kernel packages");
        let list = process::output(self.command("apt-cache").arg("madison").args(names))?;
        Ok(version::parse_madison(&list))
    }

    /// The package with the modules of a kernel, where they are in one of their own.
    pub(super) fn modules(&self, kernel: &Candidate) -> Result<Option<Candidate>> {
        let Some(modules) = version::modules_package(kernel) else {
            return Ok(None);
        };
        // An unknown name is no error to madison, and gives an empty list.
        let list = process::output(
            self.command("apt-cache")
                .args(["madison", &modules.package]),
        )?;
        Ok(version::parse_madison(&list)
            .into_iter()
            .find(|listed| *listed == modules))
    }

    /// Downloads one package into a folder that holds no other; its path.
    pub(super) fn download(&self, package: &Candidate, folder: &Path) -> Result<PathBuf> {
        process::output(
            self.command("apt-get")
                .current_dir(folder)
                .args(["-q", "download"])
                .arg(format!("{}={}", package.package, package.version)),
        )?;
        fs::read_dir(folder)
            .with_context(|| format!("listing {}", folder.display()))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.extension().is_some_and(|kind| kind == "deb"))
            .context("apt-get download left no package")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let mut option = |name: &str, value: &str| {
            command.arg("-o").arg(format!("{name}={value}"));
        };
        let path = |name: &str| self.folder.join(name).to_string_lossy().into_owned();
        option("Dir::Etc::SourceList", &path("sources.list"));
        option("Dir::Etc::SourceParts", "/dev/null");
        option("Dir::Etc::Preferences", "/dev/null");
        option("Dir::Etc::PreferencesParts", "/dev/null");
        option("Dir::State", &path("."));
        option("Dir::State::Lists", &path("lists"));
        option("Dir::State::Status", &path("status"));
        option("Dir::Cache", &path("cache"));
        option("APT::Architecture", "amd64");
        // Only the lists of packages: no translations, no descriptions of applications.
        option("Acquire::Languages", "none");
        option(
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled",
            "false",
        );
        // apt's own user cannot write into a home folder's cache.
        option("APT::Sandbox::User", "root");
        command
    }
}

/// The archives' addresses, out of lines of `CREATED_BY SITE RELEASE`.
fn parse_targets(targets: &str) -> Option<Mirror> {
    let mut main = None;
    let mut security = None;
    for line in targets.lines() {
        let mut words = line.split_whitespace();
        let (Some("Packages"), Some(site), Some(release)) =
            (words.next(), words.next(), words.next())
        else {
            continue;
        };
        // Other vendors' sources stand beside Debian's; its archives end so on every mirror.
        let name = site.trim_end_matches('/').rsplit('/').next();
        if release.ends_with("-security") {
            security.get_or_insert_with(|| site.to_owned());
        } else if name == Some("debian") {
            main.get_or_insert_with(|| site.to_owned());
        }
    }
    Some(Mirror {
        main: main?,
        security,
    })
}

/// The sources list: each suite, and its security updates unless it is one of backports.
fn sources(mirror: &Mirror, suites: &[&str]) -> String {
    let mut text = String::new();
    let mut add = |site: &str, suite: &str| {
        // A suite past its support is not signed anew; its packages still are Debian's.
        let options = format!("signed-by={KEYRING} check-valid-until=no");
        // Writing to a String does not fail.
        let _ = writeln!(text, "deb [{options}] {site} {suite} main");
    };
    for suite in suites {
        add(&mirror.main, suite);
        if let Some(security) = &mirror.security
            && !suite.ends_with("-backports")
        {
            add(security, &format!("{suite}-security"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGETS: &str = "Packages https://vendor.example/deb nodistro
        Packages http://mirror.example/debian bookworm
        DEP-11 http://mirror.example/debian bookworm
        Packages http://mirror.example/debian bookworm-updates
        Packages http://mirror.example/debian-security bookworm-security";

    #[test]
    fn mirror_is_the_machines_own() {
        assert_eq!(
            parse_targets(TARGETS),
            Some(Mirror {
                main: "http://mirror.example/debian".into(),
                security: Some("http://mirror.example/debian-security".into()),
            })
        );
        assert_eq!(parse_targets("Packages https://vendor.example/deb x"), None);
        assert_eq!(parse_targets(""), None);
    }

    #[test]
    fn sources_have_security_updates_where_there_are_any() {
        let mirror = parse_targets(TARGETS).unwrap_or_default();
        let text = sources(&mirror, &["bullseye", "trixie-backports"]);
        let suites: Vec<_> = text
            .lines()
            .filter_map(|line| line.split_once("] "))
            .map(|(_, source)| source)
            .collect();
        assert_eq!(
            suites,
            [
                "http://mirror.example/debian bullseye main",
                "http://mirror.example/debian-security bullseye-security main",
                "http://mirror.example/debian trixie-backports main",
            ]
        );
    }
}
