//! One connection after the other, each closed at once, or kept for a while.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use anyhow::{Context as _, Result};

use super::Shared;
use super::ends::Ends;

pub(super) fn run(shared: &Shared<'_>, ends: &Ends) -> Result<()> {
    let hold = shared.args.hold;
    let mut open: VecDeque<(OwnedFd, OwnedFd)> = VecDeque::with_capacity(hold + 1);
    shared.counter.begin();
    for listener in ends.listeners.iter().cycle() {
        if !shared.goes_on() {
            break;
        }
        shared.pace();
        let client = ends.open(false).context("socket")?;
        if !listener.connect(&client)? {
            shared.counter.failed();
            continue;
        }
        let server = listener.accept().context("accept")?;
        shared.counter.connected();
        open.push_back((client, server));
        if open.len() > hold
            && let Some((client, server)) = open.pop_front()
        {
            ends.close(client, Some(server)).context("close")?;
        }
    }
    for (client, server) in open {
        ends.close(client, Some(server)).context("close")?;
    }
    Ok(())
}
