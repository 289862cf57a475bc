//! Names of the code of one file, by symbols and debug information.

use std::{
    collections::HashMap,
    fmt::Write as _,
    fs::File,
    os::{fd::AsRawFd as _, unix::fs::MetadataExt as _},
    panic::{self, AssertUnwindSafe},
    path::PathBuf,
    sync::Arc,
};

use blazesym::{
    helper::ElfResolver,
    symbolize::{CodeInfo, FindSymOpts, ResolvedSym, Symbolize as _},
};

use super::{
    demangle::demangle,
    elf::{Elf, Id},
    slim,
    stack::bounded,
};

/// Addresses of a file whose names are remembered; all are forgotten when there are more, as programs
/// fail in few places, and only made up ones in many.
const MOST_KNOWN: usize = 8_192;
/// Functions that are inlined into one another at one address.
const MOST_INLINED: usize = 32;

/// A function that has an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) function: Arc<str>,
    /// Where it begins, as the file has it.
    pub(super) start: u64,
    pub(super) inlined: bool,
    pub(super) file: Option<Arc<str>>,
    pub(super) line: Option<u32>,
}

/// Finds the names.
pub(super) struct Names {
    /// Where they are looked for, the best first.
    sources: Vec<ElfResolver>,
    known: HashMap<u64, Arc<[Named]>>,
    pub(super) size: u64,
    /// What is missing.
    pub(super) note: Option<&'static str>,
}

impl Names {
    /// Of a file, with the debug information that the host has for it.
    pub(super) fn new(file: &File, elf: &Elf) -> Self {
        let separate = elf.build_id.as_ref().and_then(debug_file);
        let slim = slim::copy(file, elf);
        let size = slim.as_ref().map_or(0, |slim| slim.size);
        let note = match &slim {
            Some(slim) if slim.without_debug => Some("has too much debug information to be read"),
            _ => None,
        };
        let own = slim.and_then(|slim| {
            // The resolver has mapped it when this returns.
            let path = format!("/proc/self/fd/{}", slim.file.as_raw_fd());
            guarded(|| ElfResolver::open_with_debug_dirs(path, [""; 0]).ok())
        });
        Self {
            sources: separate.into_iter().chain(own).collect(),
            known: HashMap::new(),
            size,
            note,
        }
    }

    /// The functions at an address of the file, innermost first; none when it has no name.
    pub(super) fn at(&mut self, address: u64) -> Arc<[Named]> {
        if let Some(names) = self.known.get(&address) {
            return Arc::clone(names);
        }
        let mut names = Vec::new();
        self.sources.retain(|source| {
            if !names.is_empty() {
                return true;
            }
            let found = panic::catch_unwind(AssertUnwindSafe(|| look(source, address)));
            if let Ok(found) = &found {
                names.clone_from(found);
            }
            // One that panicked may be in any state.
            found.is_ok()
        });
        let names: Arc<[Named]> = Arc::from(names);
        if self.known.len() >= MOST_KNOWN {
            self.known.clear();
        }
        self.known.insert(address, Arc::clone(&names));
        names
    }
}

fn look(source: &ElfResolver, address: u64) -> Vec<Named> {
    let found = source.find_sym(address, &FindSymOpts::CodeInfoAndInlined);
    let Ok(Ok(symbol)) = found else {
        return Vec::new();
    };
    if symbol.name.is_empty() {
        return Vec::new();
    }
    named(&symbol)
}

fn named(symbol: &ResolvedSym<'_>) -> Vec<Named> {
    let one = |name: &str, code: Option<&CodeInfo<'_>>, inlined| Named {
        function: demangle(name),
        start: symbol.addr,
        inlined,
        file: code.map(|code| bounded(&code.to_path().to_string_lossy())),
        line: code.and_then(|code| code.line).filter(|&line| line > 0),
    };
    let inlined = symbol.inlined.iter().rev().take(MOST_INLINED);
    let inlined = inlined.map(|it| one(&it.name, it.code_info.as_ref(), true));
    let outer = one(symbol.name, symbol.code_info.as_deref(), false);
    inlined.chain([outer]).collect()
}

/// The crates that read what others wrote are not to take portex down, should they panic.
fn guarded<T>(work: impl FnOnce() -> Option<T>) -> Option<T> {
    panic::catch_unwind(AssertUnwindSafe(work)).ok().flatten()
}

/// Debug information that was installed for a build id. Of root alone: it is mapped, and followed to
/// what it shares with other files.
fn debug_file(id: &Id) -> Option<ElfResolver> {
    let path = by_build_id("/usr/lib/debug/.build-id", id, ".debug");
    let file = File::open(&path).ok()?;
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() || metadata.uid() != 0 || metadata.mode() & 0o022 != 0 {
        return None;
    }
    if Elf::read(&file)?.build_id.as_ref() != Some(id) {
        return None;
    }
    guarded(|| ElfResolver::open(&path).ok())
}

/// `DIRECTORY/ab/cdef…SUFFIX`; the zeros that fill an id up are none of it.
pub(super) fn by_build_id(directory: &str, id: &Id, suffix: &str) -> PathBuf {
    let length = id
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |at| at + 1);
    // Ids have 8, 16 or 20 bytes; one of them may end in a zero.
    let length = [8, 16, 20].into_iter().find(|&usual| length <= usual);
    let mut path = String::from(directory);
    for (index, byte) in id.iter().take(length.unwrap_or(20)).enumerate() {
        if index < 2 {
            path.push('/');
        }
        // Writing to a String cannot fail.
        let _ok = write!(path, "{byte:02x}");
    }
    path.push_str(suffix);
    PathBuf::from(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_information_lies_by_build_id() {
        let mut id = [0xab; 20];
        let path = by_build_id("/d", &id, ".debug");
        let expected = format!("/d/ab/{}.debug", "ab".repeat(19));
        assert_eq!(path, PathBuf::from(expected));
        id[7..].fill(0);
        let path = by_build_id("/d", &id, "");
        assert_eq!(path, PathBuf::from("/d/ab/abababababab00"));
    }
}
