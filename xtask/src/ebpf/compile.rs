//! One compilation of portex-ebpf, in a way that gives the same bytes on every machine.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use super::{
    toolchain::{Compiler, Toolchain},
    wrapper,
};
use crate::{process, workspace::Workspace};

const TARGET: &str = "bpfel-unknown-none";

/// Debug information is what BTF is made of.
const FLAGS: [&str; 6] = [
    "-C",
    "debuginfo=2",
    "-C",
    "link-arg=--btf",
    "--cfg",
    "bpf_target_arch=\"x86_64\"",
];

/// The flags as the stamp has them.
pub(super) fn flags() -> String {
    FLAGS.join(" ")
}

/// Compiles in `target`, strips what only a debugger reads, and returns the object.
pub(super) fn build(
    workspace: &Workspace,
    toolchain: &Toolchain,
    target: &Path,
) -> Result<Vec<u8>> {
    let compiler = &toolchain.compiler;
    let linker_folder = toolchain
        .linker
        .path
        .parent()
        .context("bpf-linker is in no folder")?;
    let cargo = || {
        let mut command = Command::new(&compiler.cargo);
        command.current_dir(workspace.root().join("portex-ebpf"));
        command
    };
    // Their folders have to be there to be given other names.
    process::run(cargo().args(["fetch", "--quiet"]))
        .context("fetching the crates of portex-ebpf")?;
    let machine = machine_paths(workspace.root(), compiler)?;
    let mut compiling = cargo();
    process::run(
        wrapper::install(&mut compiling)?
            .args(["build", "--release", "--target", TARGET])
            .args(["-Z", "build-std=core", "--target-dir"])
            .arg(target)
            .env("RUSTC", &compiler.rustc)
            // Lets a stable compiler take -Z; a nightly takes it anyway.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("PATH", process::path_with(linker_folder)?)
            .env("CARGO_ENCODED_RUSTFLAGS", encoded_flags(&machine))
            .env_remove("RUSTFLAGS")
            .env_remove("RUSTC_WORKSPACE_WRAPPER"),
    )
    .context("compiling portex-ebpf")?;

    let built = target.join(TARGET).join("release/portex");
    let stripped = target.join("portex.stripped.o");
    process::run(
        Command::new(objcopy(compiler)?)
            .arg("--strip-debug")
            .args([&built, &stripped]),
    )?;
    let object = fs::read(&stripped).with_context(|| format!("reading {}", stripped.display()))?;
    verify(&object, &machine)?;
    Ok(object)
}

/// Removes whatever an earlier build left that could get into the next object; macros and build
/// scripts, which run on this machine, stay.
pub(super) fn forget(target: &Path) -> Result<()> {
    let folder = target.join(TARGET);
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    Ok(())
}

/// Folders whose names would differ on another machine, and what the object calls them instead.
fn machine_paths(root: &Path, compiler: &Compiler) -> Result<Vec<(PathBuf, &'static str)>> {
    let library = compiler.sysroot.join("lib/rustlib/src/rust");
    // On Debian a link to where the source package has it; both names get into the object.
    let real = fs::canonicalize(&library)
        .with_context(|| format!("finding the library's source in {}", library.display()))?;
    let cargo_home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")))
        .context("neither CARGO_HOME nor HOME is set: where are the sources of crates?")?;
    let registries = cargo_home.join("registry/src");
    let mut paths = vec![
        (cargo_home, "/cargo"),
        (real, "/rust"),
        (library, "/rust"),
        (root.to_path_buf(), "/portex"),
    ];
    // The last that fits is taken. A registry's folder is named after its host.
    for entry in fs::read_dir(&registries)
        .with_context(|| format!("listing the sources of crates in {}", registries.display()))?
    {
        let entry = entry.context("listing the sources of crates")?;
        paths.push((entry.path(), "/crates"));
    }
    Ok(paths)
}

/// Flags in cargo's own encoding, which lets a path contain spaces.
fn encoded_flags(machine: &[(PathBuf, &str)]) -> OsString {
    let remaps = machine.iter().map(|(from, to)| {
        let mut flag = OsString::from("--remap-path-prefix=");
        flag.push(from);
        flag.push("=");
        flag.push(to);
        flag
    });
    FLAGS
        .iter()
        .map(OsString::from)
        .chain(remaps)
        .collect::<Vec<_>>()
        .join(OsStr::new("\u{1f}"))
}

/// llvm-objcopy, of the compiler's own LLVM where it is installed.
fn objcopy(compiler: &Compiler) -> Result<PathBuf> {
    let major = compiler.llvm_major();
    let packaged = PathBuf::from(format!("/usr/lib/llvm-{major}/bin/llvm-objcopy"));
    packaged
        .is_file()
        .then_some(packaged)
        .or_else(|| process::which(&format!("llvm-objcopy-{major}")))
        .or_else(|| process::which("llvm-objcopy"))
        .or_else(|| process::which("rust-objcopy"))
        .with_context(|| {
            format!("no llvm-objcopy: install the package llvm-{major} or cargo-binutils")
        })
}

/// Holds every build to the promise: type information inside, nothing of this machine.
fn verify(object: &[u8], machine: &[(PathBuf, &str)]) -> Result<()> {
    for section in [".BTF\0", ".BTF.ext\0"] {
        ensure!(
            contains(object, section.as_bytes()),
            "the object has no section {}: was bpf-linker run with --btf?",
            section.trim_matches('\0')
        );
    }
    let home = env::var_os("HOME").map(PathBuf::from);
    let paths = machine.iter().map(|(path, _)| path).chain(&home);
    for path in paths {
        // "/" or "" would be found in any object.
        if path.components().count() > 1 && contains(object, path.as_os_str().as_bytes()) {
            bail!(
                "the object contains the path {}, so another machine would build another object; \
                 find what refers to it (a panic message?) or add a --remap-path-prefix",
                path.display()
            );
        }
    }
    Ok(())
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_paths_are_refused() {
        let machine = [(PathBuf::from("/somewhere/portex"), "/portex")];
        let good = b"\0.BTF\0.BTF.ext\0\0.BTF.ext\0/portex/src/main.rs";
        assert!(verify(good, &machine).is_ok());
        let bad = [good.as_slice(), b"/somewhere/portex/src/main.rs"].concat();
        let error = verify(&bad, &machine).unwrap_err().to_string();
        assert!(error.contains("/somewhere/portex"), "{error}");
        assert!(verify(b"\0.symtab\0", &machine).is_err());
    }

    #[test]
    fn flags_keep_paths_with_spaces_whole() {
        let machine = [(PathBuf::from("/a b"), "/portex")];
        let flags = encoded_flags(&machine);
        assert_eq!(
            flags.to_string_lossy().split('\u{1f}').next_back(),
            Some("--remap-path-prefix=/a b=/portex")
        );
    }
}
