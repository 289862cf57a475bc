//! What is missing to compile eBPF here, and where it comes from.

use anyhow::{Context, Result, bail};

use super::{
    linker,
    stamp::Identity,
    toolchain::{self, Found, Toolchain},
};
use crate::{
    setup::{self, Missing, Need, Step},
    workspace::Workspace,
};

/// What is missing for a compiler and a linker that go together.
pub(crate) fn missing(workspace: &Workspace) -> Option<Missing> {
    let Found::Nothing(rejected) = toolchain::find(workspace, None) else {
        return None;
    };
    let why = format!("nothing here compiles eBPF ({})", rejected.join("; "));
    let Some(compiler) = toolchain::compilers(None, &mut Vec::new())
        .into_iter()
        .next()
    else {
        // Debian names them for its web browsers: they are newer than its `rustc`.
        let packages = ["rustc-web", "rust-web-src"].map(String::from).to_vec();
        return Some(
            Missing::new(why, vec![Step::Packages(packages)])
                .otherwise("rustup toolchain install nightly --component rust-src"),
        );
    };
    let major = compiler.llvm_major();
    let llvm = format!("llvm-{major}");
    let packages = [
        &format!("{llvm}-dev"),
        "zlib1g-dev",
        "libzstd-dev",
        "libxml2-dev",
    ];
    let install = setup::cargo_install(
        workspace,
        &[
            "bpf-linker",
            "--version",
            linker::VERSION,
            "--no-default-features",
            "--features",
            &llvm,
            "--locked",
            // One that is there was refused.
            "--force",
        ],
        vec![("LLVM_PREFIX", format!("/usr/lib/{llvm}"))],
    );
    Some(
        Missing::new(
            why,
            vec![Step::Packages(packages.map(String::from).to_vec()), install],
        )
        .otherwise("install a release of bpf-linker built for the compiler's LLVM into PATH"),
    )
}

/// Installs a toolchain and returns it.
pub(super) fn install(workspace: &Workspace, preferred: Option<&Identity>) -> Result<Toolchain> {
    setup::ensure(workspace, Need::Ebpf).context("no toolchain for eBPF")?;
    match toolchain::find(workspace, preferred) {
        Found::Toolchain(toolchain) => Ok(*toolchain),
        Found::Nothing(rejected) => bail!("no toolchain for eBPF: {}", rejected.join("; ")),
    }
}
