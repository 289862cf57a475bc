//! The stamp beside a compiled object: which toolchain made it, from what.

use std::{fmt, str::FromStr};

use anyhow::{Context, Result};

/// What decides the bytes that a toolchain makes: two with equal identity make equal objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// First line of `rustc -vV`.
    pub(super) rustc: String,
    /// The compiler's LLVM, as in `22.1.8`.
    pub(super) llvm: String,
    /// bpf-linker's version and its LLVM.
    pub(super) linker: String,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, LLVM {}, {}", self.rustc, self.llvm, self.linker)
    }
}

/// The stamp, a text file of `name: value` lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) toolchain: Identity,
    /// Compiler flags, without those that only remove the machine's paths.
    pub(super) flags: String,
    /// SHA-256 of everything that is compiled in.
    pub(super) sources: String,
    /// SHA-256 of the object.
    pub(super) object: String,
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# Written by `cargo xtask build-ebpf`.")?;
        writeln!(f, "rustc: {}", self.toolchain.rustc)?;
        writeln!(f, "llvm: {}", self.toolchain.llvm)?;
        writeln!(f, "linker: {}", self.toolchain.linker)?;
        writeln!(f, "flags: {}", self.flags)?;
        writeln!(f, "sources: {}", self.sources)?;
        writeln!(f, "object: {}", self.object)
    }
}

impl FromStr for Stamp {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let value = |name: &str| {
            text.lines()
                .filter_map(|line| line.split_once(": "))
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.trim().to_owned())
                .with_context(|| format!("the stamp has no line `{name}: ...`"))
        };
        Ok(Self {
            toolchain: Identity {
                rustc: value("rustc")?,
                llvm: value("llvm")?,
                linker: value("linker")?,
            },
            flags: value("flags")?,
            sources: value("sources")?,
            object: value("object")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let stamp = Stamp {
            toolchain: Identity {
                rustc: "rustc 1.96.0 (ac68faa20 2026-05-25) (a: b)".into(),
                llvm: "22.1.8".into(),
                linker: "bpf-linker 0.13.0, LLVM 22.1".into(),
            },
            flags: "-C debuginfo=2".into(),
            sources: "ab".into(),
            object: "cd".into(),
        };
        assert_eq!(stamp.to_string().parse::<Stamp>().unwrap(), stamp);
    }

    #[test]
    fn names_the_line_that_is_missing() {
        let error = "rustc: 1\nllvm: 2\n".parse::<Stamp>().unwrap_err();
        assert!(error.to_string().contains("`linker: ...`"));
    }
}
