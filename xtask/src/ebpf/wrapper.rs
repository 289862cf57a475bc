//! rustc as cargo calls it for the kernel programs, made blind to where the sources are.
//!
//! Cargo gives each crate a hash (`-C metadata`) that becomes part of its symbols' names and of the
//! order of its functions. For a crate outside the workspace's folder, as portex-common is for
//! portex-ebpf, that hash covers its absolute path; for every crate it covers cargo's own version.
//! This wrapper gives one of name and version instead. Names of files keep cargo's hash.

use std::{
    env,
    ffi::{OsStr, OsString},
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::Command,
};

use anyhow::{Context, Result};

/// Set for the compilers that are to go through the wrapper.
const VARIABLE: &str = "PORTEX_XTASK_AS_RUSTC";

/// Lets cargo call this program in rustc's place.
pub(super) fn install(cargo: &mut Command) -> Result<&mut Command> {
    let own: PathBuf = env::current_exe().context("finding the path of xtask")?;
    Ok(cargo.env("RUSTC_WRAPPER", own).env(VARIABLE, "1"))
}

/// Becomes rustc, if this process was started in its place; returns only when it was not, or with
/// the reason why rustc did not start.
pub(crate) fn become_rustc() -> Option<anyhow::Error> {
    env::var_os(VARIABLE)?;
    let mut words = env::args_os().skip(1);
    let rustc = words.next()?;
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let error = Command::new(&rustc)
        .args(arguments(words.collect(), &version))
        .exec();
    Some(anyhow::Error::new(error).context(format!("starting {}", rustc.display())))
}

/// Rustc's arguments with the hash replaced; all others as they are.
fn arguments(mut words: Vec<OsString>, version: &str) -> Vec<OsString> {
    let name = words
        .windows(2)
        .find(|pair| pair[0] == "--crate-name")
        .map(|pair| pair[1].to_string_lossy().into_owned());
    let Some(name) = name else {
        return words;
    };
    let is_hash = |word: &OsStr| word.as_encoded_bytes().starts_with(b"metadata=");
    for at in 1..words.len() {
        if words[at - 1] == "-C" && is_hash(&words[at]) {
            words[at] = format!("metadata={name}-{version}").into();
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(line: &str) -> String {
        let words = line.split(' ').map(OsString::from).collect();
        arguments(words, "1.2.3")
            .join(OsStr::new(" "))
            .to_string_lossy()
            .into_owned()
    }

    #[test]
    fn only_the_hash_is_replaced() {
        assert_eq!(
            replaced("--crate-name aya src/lib.rs -C metadata=01ab -C extra-filename=-01ab"),
            "--crate-name aya src/lib.rs -C metadata=aya-1.2.3 -C extra-filename=-01ab"
        );
        assert_eq!(replaced("-vV"), "-vV");
        assert_eq!(
            replaced("--crate-name x --cfg metadata=y"),
            "--crate-name x --cfg metadata=y"
        );
    }
}
