//! Connects that find no port, after all of them were used up.

use anyhow::{Context as _, Result, ensure};

use super::Shared;
use super::ends::Ends;

/// More ports than there are.
const MOST: usize = 65_536;

pub(super) fn run(shared: &Shared<'_>, ends: &Ends) -> Result<()> {
    let mut open = Vec::with_capacity(2048);
    for listener in &ends.listeners {
        loop {
            ensure!(
                open.len() < MOST * ends.listeners.len(),
                "ports without end"
            );
            let client = ends.open(false).context("socket")?;
            if !listener.connect(&client)? {
                shared.counter.failed();
                break;
            }
            open.push((client, listener.accept().context("accept")?));
        }
    }
    shared.counter.begin();
    for listener in ends.listeners.iter().cycle() {
        if !shared.goes_on() {
            break;
        }
        shared.pace();
        let client = ends.open(false).context("socket")?;
        if listener.connect(&client)? {
            // A TIME_WAIT has ended: that port is taken as well.
            shared.counter.connected();
            open.push((client, listener.accept().context("accept")?));
        } else {
            shared.counter.failed();
        }
    }
    Ok(())
}
