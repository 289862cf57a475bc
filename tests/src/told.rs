//! What a portex has told so far, line by line, and whether the lines keep the contract.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::event::Event;

/// Where nobody listens: connects to it mark a place in the stream.
pub(crate) const FENCE_PORT: u16 = 7;

/// What has arrived so far, and a bell that rings for more.
#[derive(Default)]
pub(crate) struct Told {
    so_far: Mutex<SoFar>,
    more: Condvar,
}

#[derive(Default)]
pub(crate) struct SoFar {
    pub(crate) events: Vec<Event>,
    /// Those of the output for people.
    pub(crate) lines: Vec<String>,
    /// Lines that break the contract, whatever the scenario is about.
    problems: Vec<String>,
    pub(crate) stderr: Vec<String>,
    /// How many of the two pipes are at their end.
    ended: usize,
}

impl Told {
    pub(crate) fn lock(&self) -> MutexGuard<'_, SoFar> {
        self.so_far.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut SoFar)) {
        change(&mut self.lock());
        self.more.notify_all();
    }

    /// Waits for something to have arrived.
    pub(crate) fn wait(
        &self,
        limit: Duration,
        mut ready: impl FnMut(&SoFar) -> bool,
    ) -> Result<()> {
        let end = Instant::now() + limit;
        let mut so_far = self.lock();
        while !ready(&so_far) {
            let stderr = || so_far.stderr.join("\n");
            ensure!(so_far.ended < 2, "portex has ended:\n{}", stderr());
            let left = end.saturating_duration_since(Instant::now());
            ensure!(
                !left.is_zero(),
                "not within {limit:?}; portex says:\n{}",
                stderr()
            );
            let woken = self.more.wait_timeout(so_far, left);
            so_far = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }
}

impl SoFar {
    /// The events that came since the last look. Who waits is woken by every line: looking at all of
    /// them each time would hold up the reader, and with it portex, until it loses events.
    pub(crate) fn events_from(&self, looked_at: &mut usize) -> impl Iterator<Item = &Event> {
        let from = std::mem::replace(looked_at, self.events.len());
        self.events.iter().skip(from)
    }

    pub(crate) fn check(&self) -> Result<()> {
        if let Some(first) = self.problems.first() {
            bail!("{} bad lines, the first: {first}", self.problems.len());
        }
        Ok(())
    }

    /// Takes a line of standard error, or its end.
    pub(crate) fn read_stderr(&mut self, line: Option<&[u8]>) {
        match line {
            Some(line) => self.stderr.push(String::from_utf8_lossy(line).into_owned()),
            None => self.ended += 1,
        }
    }

    /// Takes a line of standard output, or its end.
    pub(crate) fn read(&mut self, line: Option<&[u8]>, json: bool) {
        let Some(line) = line else {
            self.ended += 1;
            return;
        };
        let text = match check_text(line) {
            Ok(text) if json => text,
            Ok(text) => return self.lines.push(text.to_owned()),
            Err(error) => return self.problems.push(format!("{error:#}")),
        };
        match Event::parse(text) {
            Ok(event) => {
                if let Some(last) = self.events.last().filter(|last| last.time() > event.time()) {
                    let (last, line) = (last.text("time"), event.line());
                    self.problems
                        .push(format!("time goes back from {last}: {line}"));
                }
                self.events.push(event);
            }
            Err(error) => self.problems.push(format!("{error:#}")),
        }
    }
}

/// Nothing that a terminal would obey may be in the output.
pub(crate) fn check_text(line: &[u8]) -> Result<&str> {
    let text =
        std::str::from_utf8(line).with_context(|| format!("not UTF-8: {}", line.escape_ascii()))?;
    ensure!(
        !text.chars().any(char::is_control),
        "control character: {}",
        text.escape_debug()
    );
    Ok(text)
}

pub(crate) fn is_fence(event: &Event) -> bool {
    event.number("dst_port") == Some(FENCE_PORT.into())
}

pub(crate) fn is_of(event: &Event, netns: u64) -> bool {
    event.number("netns") == Some(netns) && !is_fence(event)
}
