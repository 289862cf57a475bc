//! What ties a process of the demo to the one that started it.
//!
//! Two ropes: the kernel kills it when its parent dies, and it ends when its standard input closes,
//! which covers a parent that died before the kernel was asked. And an hour is the longest it lasts.

use std::{io, os::fd::AsFd as _, time::Duration};

use anyhow::{Context as _, ensure};
use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use tokio::{io::AsyncReadExt as _, net::unix::pipe::Receiver, select, time::sleep};

/// A process of the demo ends by itself after this long, whatever its parent does.
const LONGEST: Duration = Duration::from_secs(3600);

/// Asks the kernel to kill this process when its parent ends (`PR_SET_PDEATHSIG`).
pub(super) fn die_with_parent() -> anyhow::Result<()> {
    let parent = getppid();
    set_parent_process_death_signal(Some(Signal::KILL)).context("tying the demo to its parent")?;
    // Whoever ended before that sends no signal.
    ensure!(getppid() == parent, "the demo's parent has gone");
    Ok(())
}

/// Standard input: a pipe whose other end the parent has.
pub(super) struct Tether(Receiver);

impl Tether {
    /// Call it in a runtime.
    pub(super) fn hold() -> anyhow::Result<Self> {
        let own = || -> io::Result<Receiver> {
            let pipe = io::stdin().as_fd().try_clone_to_owned()?;
            Receiver::from_owned_fd(pipe)
        };
        Ok(Self(own().context("listening to who started the demo")?))
    }

    /// Waits for the word to begin; false when the parent has gone instead.
    pub(super) async fn go(&mut self) -> bool {
        matches!(self.0.read(&mut [0; 8]).await, Ok(1..))
    }

    /// Works until the work is done, the parent has gone, or the time is over.
    pub(super) async fn work(&mut self, job: impl Future<Output = ()>) {
        select! {
            () = job => {}
            () = self.closed() => {}
            () = sleep(LONGEST) => {}
        }
    }

    async fn closed(&mut self) {
        while let Ok(1..) = self.0.read(&mut [0; 8]).await {}
    }
}
