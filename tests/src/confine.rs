//! Runs a command in a world with something missing, or too much of it: `portex-tests confine … -- COMMAND`.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, anyhow, bail};
use rustix::mount::MountFlags;
use rustix::process::{Gid, Resource, Rlimit, Uid};
use rustix::thread::CapabilitySet;

use crate::{named, sys};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Become this user and lose all capabilities.
    #[arg(long)]
    uid: Option<u32>,
    /// Capabilities to lose for good.
    #[arg(long, value_delimiter = ',')]
    drop_cap: Vec<String>,
    /// Directories to cover with an empty one.
    #[arg(long)]
    hide: Vec<PathBuf>,
    /// A file to show in the place of another: SOURCE:TARGET.
    #[arg(long)]
    replace: Option<String>,
    /// How many network namespaces with names there are to be.
    #[arg(long)]
    namespaces: Option<usize>,
    /// Let uname say 2.6.
    #[arg(long)]
    old_kernel: bool,
    /// Hard limit of locked memory, in bytes.
    #[arg(long)]
    memlock: Option<u64>,
    #[arg(last = true, required = true)]
    command: Vec<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    change_mounts(args).context("cannot change the mounts")?;
    if let Some(bytes) = args.memlock {
        let limit = Rlimit {
            current: Some(bytes),
            maximum: Some(bytes),
        };
        rustix::process::setrlimit(Resource::Memlock, limit).context("setrlimit")?;
    }
    if args.old_kernel {
        sys::pretend_old_kernel().context("personality")?;
    }
    drop_capabilities(&args.drop_cap)?;
    if let Some(uid) = args.uid {
        become_user(uid)?;
    }
    let (program, arguments) = args.command.split_first().context("no command")?;
    Err(Command::new(program).args(arguments).exec()).with_context(|| program.display().to_string())
}

fn change_mounts(args: &Args) -> Result<()> {
    if args.hide.is_empty() && args.replace.is_none() && args.namespaces.is_none() {
        return Ok(());
    }
    sys::enter_private_mounts()?;
    for directory in &args.hide {
        rustix::mount::mount("none", directory, "tmpfs", MountFlags::empty(), None)?;
    }
    if let Some(pair) = &args.replace {
        let (source, target) = pair
            .split_once(':')
            .context("--replace wants SOURCE:TARGET")?;
        rustix::mount::mount_bind(source, target)?;
    }
    if let Some(count) = args.namespaces {
        named::make(count).context("named network namespaces")?;
    }
    Ok(())
}

/// Out of the bounding set as well, from which root would get them back at the exec.
fn drop_capabilities(names: &[String]) -> Result<()> {
    let mut sets = rustix::thread::capabilities(None)?;
    for name in names {
        let capability = CapabilitySet::from_name(&name.to_uppercase())
            .ok_or_else(|| anyhow!("no capability {name}"))?;
        // A kernel that does not know a newer one has it not to give.
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            Err(error) => bail!("cannot drop {name}: {error}"),
        }
        sets.inheritable.remove(capability);
    }
    Ok(rustix::thread::set_capabilities(None, sets)?)
}

/// A change from root to another user clears the capabilities.
pub(crate) fn become_user(uid: u32) -> Result<()> {
    rustix::thread::set_thread_groups(&[]).context("setgroups")?;
    rustix::thread::set_thread_gid(Gid::from_raw(uid)).context("setgid")?;
    rustix::thread::set_thread_uid(Uid::from_raw(uid)).context("setuid")
}
