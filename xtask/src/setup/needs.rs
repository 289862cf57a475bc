//! What the commands need beyond a Rust toolchain, each with its test and its remedy.

use std::{fmt, path::Path, process::Command};

use super::{Missing, Step};
use crate::{bench, ebpf, process, vm, workspace::Workspace};

/// The cargo-deny to install. A later one may want a later compiler.
const DENY_VERSION: &str = "0.20.2";

/// A need of one or more commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// rustfmt and clippy.
    Lints,
    /// cargo-deny.
    Deny,
    /// Compiler and linker for eBPF.
    Ebpf,
    /// tmux, in which the scenarios of the screen run portex.
    Terminal,
    /// What portex is measured against.
    Peers,
    /// QEMU.
    Qemu,
    /// What fetches and unpacks Debian's kernels.
    Kernels,
}

impl Need {
    /// Every need, cheap ones first.
    pub(crate) const ALL: [Self; 7] = [
        Self::Lints,
        Self::Terminal,
        Self::Peers,
        Self::Qemu,
        Self::Kernels,
        Self::Ebpf,
        Self::Deny,
    ];

    /// How often installing may reveal that more is missing.
    pub(super) const STAGES: usize = 2;

    /// What is missing for this need, if anything.
    pub(crate) fn missing(self, workspace: &Workspace) -> Option<Missing> {
        match self {
            Self::Lints => lints(),
            Self::Deny => deny(workspace),
            Self::Ebpf => ebpf::missing(workspace),
            Self::Terminal => terminal(),
            Self::Peers => peers(),
            Self::Qemu => qemu(),
            Self::Kernels => kernels(),
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lints => "rustfmt and clippy",
            Self::Deny => "cargo-deny",
            Self::Ebpf => "eBPF toolchain",
            Self::Terminal => "tmux",
            Self::Peers => "peers of the benchmark",
            Self::Qemu => "QEMU",
            Self::Kernels => "kernel packages",
        })
    }
}

fn lints() -> Option<Missing> {
    let works = |tool| process::output(process::cargo().args([tool, "--version"])).is_ok();
    if works("fmt") && works("clippy") {
        return None;
    }
    let install = ["rustup", "component", "add", "rustfmt", "clippy"];
    Some(Missing::new(
        "no rustfmt or no clippy",
        vec![Step::Run(Vec::new(), install.map(String::from).to_vec())],
    ))
}

fn deny(workspace: &Workspace) -> Option<Missing> {
    let works = |mut command: Command| process::output(command.arg("--version")).is_ok();
    if works(deny_command(workspace)) {
        return None;
    }
    // It checks for some seconds and compiles for minutes: less optimized is sooner done.
    let variables = [
        ("CARGO_PROFILE_RELEASE_LTO", "off"),
        ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
    ];
    Some(Missing::new(
        "no cargo-deny",
        vec![cargo_install(
            workspace,
            &["cargo-deny", "--version", DENY_VERSION, "--locked"],
            variables
                .map(|(name, value)| (name, value.to_owned()))
                .to_vec(),
        )],
    ))
}

/// cargo-deny: the one that `setup` installed, else the one in PATH.
pub(crate) fn deny_command(workspace: &Workspace) -> Command {
    let own = workspace.tools().join("bin/cargo-deny");
    if own.is_file() {
        Command::new(own)
    } else {
        Command::new("cargo-deny")
    }
}

fn terminal() -> Option<Missing> {
    process::which("tmux").is_none().then(|| {
        Missing::new("no tmux", vec![Step::Packages(vec!["tmux".into()])])
            .otherwise("install tmux 3.2 or later")
    })
}

fn peers() -> Option<Missing> {
    let packages = bench::missing_packages();
    (!packages.is_empty()).then(|| {
        Missing::new(
            format!("no {}", packages.join(", no ")),
            vec![Step::Packages(packages)],
        )
        .otherwise("install bpftrace, libbpf-tools, iproute2 and net-tools")
    })
}

fn qemu() -> Option<Missing> {
    process::which(vm::QEMU).is_none().then(|| {
        Missing::new(
            format!("no {}", vm::QEMU),
            vec![Step::Packages(vec!["qemu-system-x86".into()])],
        )
        .otherwise("install QEMU's emulator of x86-64")
    })
}

fn kernels() -> Option<Missing> {
    let mut packages = Vec::new();
    if process::which("dpkg-deb").is_none() {
        packages.push("dpkg".into());
    }
    if process::which("apt-get").is_none() || process::which("apt-cache").is_none() {
        packages.push("apt".into());
    }
    if process::which("xz").is_none() {
        packages.push("xz-utils".into());
    }
    if !Path::new(vm::KEYRING).is_file() {
        packages.push("debian-archive-keyring".into());
    }
    (!packages.is_empty()).then(|| {
        Missing::new(
            format!("no {}", packages.join(", no ")),
            vec![Step::Packages(packages)],
        )
        .otherwise("run it in a Debian container, or copy a filled cache here (PORTEX_CACHE)")
    })
}

/// `cargo install` into the tools folder of the cache, whatever toolchain the caller uses.
pub(crate) fn cargo_install(
    workspace: &Workspace,
    arguments: &[&str],
    variables: Vec<(&'static str, String)>,
) -> Step {
    let root = workspace.tools().to_string_lossy().into_owned();
    let words = ["cargo", "install", "--root", &root].map(String::from);
    let arguments = arguments.iter().map(ToString::to_string);
    Step::Run(variables, words.into_iter().chain(arguments).collect())
}
