//! `build-ebpf`: compiles portex-ebpf into the object that is committed, and checks that object.

mod compile;
mod install;
mod linker;
mod sources;
mod stamp;
mod toolchain;
mod wrapper;

use std::fs;

use anyhow::{Context, Result, bail};

use self::{
    stamp::Stamp,
    toolchain::{Found, Toolchain},
};
use crate::{counts::Counts, workspace::Workspace};

pub(crate) use self::{install::missing, wrapper::become_rustc};

const OBJECT: &str = "portex-x86_64.o";
const STAMP: &str = "portex-x86_64.stamp";

/// Arguments of `cargo xtask build-ebpf`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Compare the committed object with its stamp and with a fresh build; write nothing.
    #[arg(long)]
    check: bool,
}

/// Runs the command.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<Counts> {
    if args.check {
        check_stamp(workspace)?;
        return Ok(Counts::PASSED + check_rebuild(workspace)?);
    }
    build(workspace)
}

fn build(workspace: &Workspace) -> Result<Counts> {
    // The compiler of the last build first, so that a change of source is a change of source only.
    let toolchain = take(workspace, read_stamp(workspace).ok().as_ref())?;
    let target = workspace.target("ebpf");
    let object = compile::build(workspace, &toolchain, &target)?;
    let stamp = Stamp {
        toolchain: toolchain.identity(),
        flags: compile::flags(),
        sources: sources::hash(workspace.root())?,
        object: sources::sha256(&object),
    };
    let folder = workspace.objects();
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    write(&folder.join(OBJECT), &object)?;
    write(&folder.join(STAMP), stamp.to_string().as_bytes())?;
    println!("portex-user/bpf/{OBJECT}: {} bytes", object.len());
    Ok(Counts::PASSED)
}

/// The committed object is the stamp's, and the sources are those that the stamp was made of.
/// Needs no eBPF toolchain.
pub(crate) fn check_stamp(workspace: &Workspace) -> Result<()> {
    let stamp = read_stamp(workspace)?;
    let mut wrong = Vec::new();
    if sources::hash(workspace.root())? != stamp.sources {
        wrong.push("the sources of portex-ebpf or portex-common changed since it was made");
    }
    if sources::sha256(&read_object(workspace)?) != stamp.object {
        wrong.push("it is not the object that its stamp was written for");
    }
    if compile::flags() != stamp.flags {
        wrong.push("it was made with other compiler flags than xtask uses now");
    }
    if !wrong.is_empty() {
        bail!(
            "portex-user/bpf/{OBJECT} is stale: {}; run `cargo xtask build-ebpf` and commit both files",
            wrong.join("; ")
        );
    }
    println!("portex-user/bpf/{OBJECT}: matches its stamp and the sources");
    Ok(())
}

/// A fresh build gives the committed object, byte for byte; skipped where another toolchain is.
pub(crate) fn check_rebuild(workspace: &Workspace) -> Result<Counts> {
    let stamp = read_stamp(workspace)?;
    let toolchain = take(workspace, Some(&stamp))?;
    let here = toolchain.identity();
    if here != stamp.toolchain {
        println!(
            "rebuild skipped: the toolchain here differs from the one of the committed object\n  \
             here:   {here}\n  object: {}",
            stamp.toolchain
        );
        return Ok(Counts::SKIPPED);
    }
    let target = workspace.target("ebpf-check");
    compile::forget(&target)?;
    let fresh = compile::build(workspace, &toolchain, &target)?;
    let committed = read_object(workspace)?;
    if fresh != committed {
        let kept = target.join(OBJECT);
        write(&kept, &fresh)?;
        bail!(
            "portex-user/bpf/{OBJECT} is not what its sources give with the same toolchain \
             ({} bytes committed, {} built, kept as {}); run `cargo xtask build-ebpf`",
            committed.len(),
            fresh.len(),
            kept.display()
        );
    }
    println!("portex-user/bpf/{OBJECT}: a fresh build gives the same bytes");
    Ok(Counts::PASSED)
}

fn take(workspace: &Workspace, stamp: Option<&Stamp>) -> Result<Toolchain> {
    let preferred = stamp.map(|stamp| &stamp.toolchain);
    let toolchain = match toolchain::find(workspace, preferred) {
        Found::Toolchain(toolchain) => *toolchain,
        Found::Nothing(_) => install::install(workspace, preferred)?,
    };
    println!("compiling eBPF with {toolchain}");
    Ok(toolchain)
}

fn read_stamp(workspace: &Workspace) -> Result<Stamp> {
    let path = workspace.objects().join(STAMP);
    fs::read_to_string(&path)
        .map_err(anyhow::Error::from)
        .and_then(|text| text.parse())
        .with_context(|| format!("reading {}: run `cargo xtask build-ebpf`", path.display()))
}

fn read_object(workspace: &Workspace) -> Result<Vec<u8>> {
    let path = workspace.objects().join(OBJECT);
    fs::read(&path)
        .with_context(|| format!("reading {}: run `cargo xtask build-ebpf`", path.display()))
}

fn write(path: &std::path::Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
}
