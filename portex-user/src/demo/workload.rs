//! The process that makes the demo's namespace and starts what runs in it.

use std::{
    future,
    io::{self, Write as _},
};

use anyhow::{Context as _, ensure};
use rustix::thread::set_name;
use tokio::runtime::{Builder, Runtime};

use super::{
    child::Child,
    namespace,
    roles::Role,
    tether::{Tether, die_with_parent},
};

/// The child's side: makes the namespace, starts the processes, says the inode number of the
/// namespace, waits for the word, lets them run. With a role: is one of these processes.
///
/// # Errors
/// A role that does not exist; what went wrong before the word. Nothing is said after it: the screen
/// may be in use.
pub fn main(role: Option<&str>) -> anyhow::Result<()> {
    die_with_parent()?;
    match role {
        Some(name) => Role::named(name)
            .context("the demo has no such role")?
            .main(&runtime()?),
        None => start_all(),
    }
}

/// On this thread alone: its name is the process's.
fn runtime() -> anyhow::Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the demo")
}

fn start_all() -> anyhow::Result<()> {
    set_name(c"demo-workload").context("naming the demo's process")?;
    let netns = namespace::enter()?;
    let mut children = Vec::new();
    for role in Role::ALL {
        let (child, ready) = Child::start(role.name(), Some(role.name()))?;
        ensure!(!ready.is_empty(), "{} of the demo ended", role.name());
        children.push(child);
    }
    runtime()?.block_on(async {
        let mut tether = Tether::hold()?;
        say(&netns.to_string())?;
        if tether.go().await {
            for child in &mut children {
                child.go()?;
            }
            tether.work(future::pending()).await;
        }
        Ok(())
    })
}

/// A line for the parent.
pub(super) fn say(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}
