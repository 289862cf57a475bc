//! Compilers that can make eBPF here: rustup's with the library's source, or the distribution's.

use std::{
    fmt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::{
    linker::{self, Linker},
    stamp::Identity,
};
use crate::{process, workspace::Workspace};

/// Where a Debian-like system puts its own compiler; PATH may have rustup's in front of it.
const DISTRIBUTION: &str = "/usr/bin/rustc";

/// A Rust compiler with the source of its `core`, which the eBPF target is built from.
#[derive(Clone, Debug)]
pub(super) struct Compiler {
    /// How a person calls it: `rustup toolchain nightly-...`, or a path.
    name: String,
    pub(super) cargo: PathBuf,
    pub(super) rustc: PathBuf,
    pub(super) sysroot: PathBuf,
    /// First line of `rustc -vV`.
    version: String,
    /// As in `22.1.8`.
    llvm: String,
}

impl Compiler {
    fn look(name: String, cargo: PathBuf, rustc: PathBuf) -> Result<Self> {
        let verbose = process::output(Command::new(&rustc).arg("-vV"))?;
        let (version, llvm) = parse_version(&verbose)
            .with_context(|| format!("{name}: `rustc -vV` names no LLVM version"))?;
        let sysroot = process::output(Command::new(&rustc).args(["--print", "sysroot"]))?;
        let sysroot = PathBuf::from(sysroot.trim());
        let source = sysroot.join("lib/rustlib/src/rust/library/core");
        anyhow::ensure!(source.is_dir(), "{name}: no source of the standard library");
        Ok(Self {
            name,
            cargo,
            rustc,
            sysroot,
            version,
            llvm,
        })
    }

    pub(super) fn llvm_major(&self) -> &str {
        self.llvm.split('.').next().unwrap_or(&self.llvm)
    }

    fn is_nightly(&self) -> bool {
        self.version.contains("nightly")
    }
}

/// A compiler and a linker that go together.
#[derive(Clone, Debug)]
pub(super) struct Toolchain {
    pub(super) compiler: Compiler,
    pub(super) linker: Linker,
}

impl Toolchain {
    pub(super) fn identity(&self) -> Identity {
        Identity {
            rustc: self.compiler.version.clone(),
            llvm: self.compiler.llvm.clone(),
            linker: self.linker.to_string(),
        }
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.compiler.name, self.identity())
    }
}

/// What [`find`] came to.
pub(super) enum Found {
    Toolchain(Box<Toolchain>),
    /// No pair goes together; the reasons.
    Nothing(Vec<String>),
}

/// The first compiler that has a matching linker, in the order of [`compilers`].
pub(super) fn find(workspace: &Workspace, preferred: Option<&Identity>) -> Found {
    let mut rejected = Vec::new();
    let compilers = compilers(preferred, &mut rejected);
    let linkers = linker::all(workspace, &mut rejected);
    for compiler in compilers {
        for linker in &linkers {
            match mismatch(compiler.llvm_major(), linker.llvm_major()) {
                Some(why) => rejected.push(format!(
                    "{} with {}: {why}",
                    compiler.name,
                    linker.path.display()
                )),
                None => {
                    return Found::Toolchain(Box::new(Toolchain {
                        compiler,
                        linker: linker.clone(),
                    }));
                }
            }
        }
        if linkers.is_empty() {
            rejected.push(format!("{}: there is no bpf-linker", compiler.name));
        }
    }
    Found::Nothing(rejected)
}

/// Every usable compiler: the preferred one, then rustup's nightlies, its others, Debian's.
pub(super) fn compilers(preferred: Option<&Identity>, rejected: &mut Vec<String>) -> Vec<Compiler> {
    let mut found = Vec::new();
    let mut consider = |compiler: Result<Compiler>| match compiler {
        Ok(compiler) => found.push(compiler),
        Err(error) => rejected.push(format!("{error:#}")),
    };
    for name in rustup_toolchains() {
        consider(rustup_compiler(&name));
    }
    if Path::new(DISTRIBUTION).is_file() {
        consider(Compiler::look(
            DISTRIBUTION.to_owned(),
            process::cargo_path().into(),
            DISTRIBUTION.into(),
        ));
    }
    // Stable: keeps the order above among equals.
    found.sort_by_key(|compiler| {
        let is_preferred = preferred.is_some_and(|identity| identity.rustc == compiler.version);
        (!is_preferred, !compiler.is_nightly())
    });
    found
}

fn rustup_toolchains() -> Vec<String> {
    // Without rustup there are none: Debian's compiler needs none either.
    process::output(Command::new("rustup").args(["toolchain", "list"]))
        .map(|list| parse_toolchains(&list))
        .unwrap_or_default()
}

fn rustup_compiler(name: &str) -> Result<Compiler> {
    let path = |program| {
        process::output(Command::new("rustup").args(["which", "--toolchain", name, program]))
            .map(|path| PathBuf::from(path.trim()))
    };
    Compiler::look(
        format!("rustup toolchain {name}"),
        path("cargo")?,
        path("rustc")?,
    )
}

/// Names out of lines such as `stable-x86_64-unknown-linux-gnu (active, default)`.
fn parse_toolchains(list: &str) -> Vec<String> {
    list.lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "no") // "no installed toolchains"
        .map(ToOwned::to_owned)
        .collect()
}

/// First line and LLVM version of `rustc -vV`.
fn parse_version(verbose: &str) -> Option<(String, String)> {
    let llvm = verbose
        .lines()
        .find_map(|line| line.strip_prefix("LLVM version: "))?;
    Some((verbose.lines().next()?.to_owned(), llvm.trim().to_owned()))
}

/// Why a linker cannot take this compiler's bitcode. A linker that does not tell its LLVM is let
/// through: the link itself then shows.
fn mismatch(compiler: &str, linker: Option<&str>) -> Option<String> {
    let linker = linker.filter(|linker| *linker != compiler)?;
    Some(format!(
        "the compiler writes bitcode of LLVM {compiler}, the linker was built for LLVM {linker}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_rustc_and_rustup() {
        let verbose = "rustc 1.96.0 (ac68faa20 2026-05-25)\nbinary: rustc\nLLVM version: 22.1.8\n";
        assert_eq!(
            parse_version(verbose),
            Some((
                "rustc 1.96.0 (ac68faa20 2026-05-25)".into(),
                "22.1.8".into()
            ))
        );
        assert_eq!(parse_version("rustc 1.96.0\n"), None);
        assert_eq!(
            parse_toolchains("stable-x86_64 (active, default)\nnightly-x86_64\n"),
            ["stable-x86_64", "nightly-x86_64"]
        );
        assert!(parse_toolchains("no installed toolchains\n").is_empty());
    }

    #[test]
    fn linker_must_be_of_the_same_llvm() {
        assert_eq!(mismatch("22", Some("22")), None);
        assert_eq!(mismatch("22", None), None);
        assert!(mismatch("22", Some("21")).is_some());
        assert!(mismatch("22", Some("23")).is_some());
    }
}
