//! bpf-linker: which one is here, and which LLVM it was built for.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{process, workspace::Workspace};

/// The version that `setup` installs.
pub(super) const VERSION: &str = "0.13.0";

/// A bpf-linker that starts.
#[derive(Clone, Debug)]
pub(super) struct Linker {
    pub(super) path: PathBuf,
    version: String,
    llvm: Option<String>,
}

impl Linker {
    /// Looks at one program; an error when it does not run (its libLLVM is gone, for one).
    fn look(path: &Path) -> Result<Self> {
        let version = process::output(Command::new(path).arg("--version"))
            .with_context(|| format!("{} does not run", path.display()))?;
        let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        Ok(Self {
            path: path.to_path_buf(),
            version: version.trim().to_owned(),
            llvm: llvm_of(&bytes),
        })
    }

    /// LLVM's major version, where the program tells it.
    pub(super) fn llvm_major(&self) -> Option<&str> {
        self.llvm.as_deref()?.split('.').next()
    }
}

impl fmt::Display for Linker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let llvm = self.llvm.as_deref().unwrap_or("unknown");
        write!(f, "{}, LLVM {llvm}", self.version)
    }
}

/// Every bpf-linker here: the one that `setup` installed, then the one in PATH. Those that do not
/// run are told in `rejected`.
pub(super) fn all(workspace: &Workspace, rejected: &mut Vec<String>) -> Vec<Linker> {
    let own = workspace.tools().join("bin/bpf-linker");
    let mut found = Vec::new();
    for path in own
        .is_file()
        .then_some(own)
        .into_iter()
        .chain(process::which("bpf-linker"))
    {
        match Linker::look(&path) {
            Ok(linker) => found.push(linker),
            Err(error) => rejected.push(format!("{error:#}")),
        }
    }
    found
}

/// Finds the LLVM version in a program's bytes: bpf-linker does not tell it otherwise. It is in the
/// name of the shared library, `libLLVM.so.22.1` or `libLLVM-19.so`, or when linked statically in
/// the producer's name that LLVM writes into bitcode, `LLVM22.1.4`.
fn llvm_of(program: &[u8]) -> Option<String> {
    const PREFIXES: [&[u8]; 3] = [b"libLLVM.so.", b"libLLVM-", b"\0LLVM"];
    PREFIXES.iter().find_map(|prefix| {
        program
            .windows(prefix.len())
            .enumerate()
            .filter(|(_, window)| window == prefix)
            .find_map(|(at, _)| version_at(&program[at + prefix.len()..]))
    })
}

fn version_at(bytes: &[u8]) -> Option<String> {
    let length = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit() || **byte == b'.')
        .count();
    let version = str::from_utf8(&bytes[..length]).ok()?.trim_end_matches('.');
    let major: u32 = version.split('.').next()?.parse().ok()?;
    // The producer's name is short: what follows has to look like a version of today's LLVM.
    (15..100).contains(&major).then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llvm_is_read_from_the_program() {
        let of = |bytes: &[u8]| llvm_of(bytes);
        assert_eq!(of(b"..libLLVM.so.22.1\0"), Some("22.1".into()));
        assert_eq!(of(b"..libLLVM-19.so\0"), Some("19".into()));
        assert_eq!(of(b"..\0LLVM22.1.4\0"), Some("22.1.4".into()));
        assert_eq!(
            of(b"\0LLVM\0\0LLVM0x\0\0LLVM21.1.0\0"),
            Some("21.1.0".into())
        );
        assert_eq!(of(b"no such thing"), None);
    }
}
