//! The sources of the eBPF object, as one hash.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// What is compiled into the object, besides crates that `Cargo.lock` pins.
const FOLDERS: [&str; 2] = ["portex-common", "portex-ebpf"];

/// SHA-256, in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 over names and contents of the sources, whatever order the folders list them in.
pub(super) fn hash(root: &Path) -> Result<String> {
    let mut files = Vec::new();
    for folder in FOLDERS {
        collect(&root.join(folder), &mut files)?;
    }
    let mut named = Vec::with_capacity(files.len());
    for file in files {
        let name = file.strip_prefix(root).unwrap_or(&file).to_path_buf();
        let content =
            fs::read(&file).with_context(|| format!("reading source {}", file.display()))?;
        named.push((name, content));
    }
    named.sort();
    let mut hash = Sha256::new();
    for (name, content) in named {
        // Lengths keep a name from running into a content, or one file into the next.
        let name = name.to_string_lossy();
        hash.update(format!("{} {} {}\n", name.len(), name, content.len()));
        hash.update(content);
    }
    Ok(hex(&hash.finalize()))
}

/// Rust sources, manifests and lock files below a folder; no build results, no editor's leftovers.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let context = || format!("listing sources in {}", folder.display());
    for entry in fs::read_dir(folder).with_context(context)? {
        let path = entry.with_context(context)?.path();
        let hidden = |name: &str| name.starts_with('.') || name == "target";
        if path.is_dir() {
            if !path
                .file_name()
                .is_some_and(|name| hidden(&name.to_string_lossy()))
            {
                collect(&path, files)?;
            }
        } else if path
            .extension()
            .is_some_and(|kind| kind == "rs" || kind == "toml" || kind == "lock")
        {
            files.push(path);
        }
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_is_the_standard_one() {
        assert_eq!(
            sha256(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn hash_sees_sources_and_nothing_else() -> Result<()> {
        let root = std::env::temp_dir().join(format!("xtask-sources-{}", std::process::id()));
        let write = |name: &str, content: &str| -> Result<()> {
            let path = root.join(name);
            fs::create_dir_all(path.parent().context("a file in a folder")?)?;
            Ok(fs::write(path, content)?)
        };
        write("portex-common/src/lib.rs", "1")?;
        write("portex-ebpf/Cargo.lock", "2")?;
        let before = hash(&root)?;
        write("portex-ebpf/target/release/build.rs", "3")?;
        write("portex-ebpf/main.rs~", "4")?;
        assert_eq!(hash(&root)?, before);
        write("portex-common/src/lib.rs", "5")?;
        assert_ne!(hash(&root)?, before);
        fs::remove_dir_all(&root)?;
        Ok(())
    }
}
