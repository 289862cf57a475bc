//! What a recording may say at most: nothing that could not have been seen.

use std::time::Duration;

use super::entry::Fault;
use crate::{
    event::{Event, Kind, Losses},
    found::{Found, Process},
};

/// No clock comes near: times can be added up without overflow, as nanoseconds too. 36 years.
const LATEST: Duration = Duration::from_nanos(1 << 60);
/// Longest path of a cgroup in bytes (`PATH_MAX`), and of any other text.
const LONGEST: usize = 4_096;
/// No loss counter comes near: their sum cannot overflow.
const MOST_LOST: u64 = 1 << 56;

const BEYOND: &str = "a time beyond all bounds";
const TOO_LONG: &str = "a text beyond all bounds";

/// A time or a duration.
pub(super) fn time(nanos: u64) -> Result<Duration, Fault> {
    let time = Duration::from_nanos(nanos);
    if time > LATEST {
        return Err(BEYOND.into());
    }
    Ok(time)
}

fn times<const N: usize>(times: [Option<Duration>; N]) -> Result<(), Fault> {
    if times.into_iter().flatten().any(|time| time > LATEST) {
        return Err(BEYOND.into());
    }
    Ok(())
}

/// Judges what was lost.
pub(super) fn losses(losses: &Losses) -> Result<(), Fault> {
    if losses.by_kind().iter().any(|(_, count)| *count > MOST_LOST) {
        return Err("more losses than there can be".into());
    }
    Ok(())
}

/// Judges a text.
pub(super) fn text(text: &str) -> Result<(), Fault> {
    if text.len() > LONGEST {
        return Err(TOO_LONG.into());
    }
    Ok(())
}

/// Judges an event.
pub(super) fn event(event: &Event) -> Result<(), Fault> {
    let (first, second) = match event.kind {
        Kind::Connect { search, .. } | Kind::ConnectFailed { search, .. } => (search, None),
        Kind::Released {
            held, time_wait, ..
        } => (Some(held), time_wait),
        Kind::BindFailed { .. } | Kind::State { .. } | Kind::TimeWait { .. } => (None, None),
    };
    times([Some(event.time), first, second])
}

/// Judges what was found.
pub(super) fn found(found: &Found) -> Result<(), Fault> {
    let times = match found {
        Found::Namespace(namespace) => {
            text(namespace.name.as_deref().unwrap_or_default())?;
            let rules = &namespace.rules;
            [Some(rules.tw_reuse_delay), Some(rules.fin_timeout)]
        }
        Found::Socket(socket) => {
            process(socket.process.as_deref())?;
            [socket.time_wait, None]
        }
        Found::UdpSocket(socket) => {
            process(socket.process.as_deref())?;
            [None, None]
        }
        Found::Unreadable(_) | Found::Blocked(_) | Found::NoTimestamps(_) => [None, None],
    };
    self::times(times)
}

fn process(process: Option<&Process>) -> Result<(), Fault> {
    let Some(process) = process else {
        return Ok(());
    };
    text(process.cgroup.as_deref().unwrap_or_default())?;
    if process.comm.len() > LONGEST {
        return Err(TOO_LONG.into());
    }
    Ok(())
}
