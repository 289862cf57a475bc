//! What the tables of a snapshot show in each column.

use std::net::SocketAddr;

use super::{
    names::{self, Names},
    numbers::{brief, percent, rate, share},
    table::Cell,
};
use crate::{
    attribution::snapshot::{BindPool, FailedCall, Failure, Owner, Process, Space},
    event::Proto,
    fields::{FailureColumn, PoolColumn, ProcessColumn, SpaceColumn},
    views::{
        errno_name,
        trace::{RED, human},
    },
};

const YELLOW: &str = "\x1b[33m";
/// From this share on, what is full is red.
const CRITICAL: f64 = 0.95;
/// From this share on, it is yellow.
pub(super) const WARNING: f64 = 0.8;

/// Where there is nothing to say.
pub(in crate::views) const NOTHING: &str = "-";

/// A cell of the table of spaces.
pub(in crate::views) fn space(space: &Space, column: SpaceColumn, names: &Names<'_>) -> Cell {
    let text = match column {
        SpaceColumn::Netns => names.shown(space.netns),
        SpaceColumn::Source => names::source(space),
        SpaceColumn::Destination => SocketAddr::new(space.dst, space.dst_port).to_string(),
        SpaceColumn::Used => space.used.to_string(),
        SpaceColumn::TimeWait => space.time_wait.to_string(),
        SpaceColumn::Blocked => space.blocked.to_string(),
        SpaceColumn::Free => free(space.free, space.exact),
        SpaceColumn::Fill => percent(space.fill),
        SpaceColumn::Connects => or_nothing(space.rates.map(|rates| rate(rates.connects))),
        SpaceColumn::Failures => or_nothing(space.rates.map(|rates| rate(rates.failures))),
        SpaceColumn::Exhausts => exhausts(space),
        SpaceColumn::Owner => top_owner(&space.owners),
    };
    let color = match column {
        SpaceColumn::Free | SpaceColumn::Fill => alarm(space.fill),
        SpaceColumn::Failures if space.failures.is_some_and(|count| count > 0) => RED,
        _ => "",
    };
    Cell::from(text).colored(color)
}

/// A cell of the table of processes.
pub(in crate::views) fn process(
    process: &Process,
    column: ProcessColumn,
    names: &Names<'_>,
) -> Cell {
    let holder = &process.holder;
    let failures = process.failures;
    let text = match column {
        ProcessColumn::Pid => or_nothing(holder.pid.map(|pid| pid.to_string())),
        ProcessColumn::Comm => names::safe(&holder.comm),
        ProcessColumn::Netns => names.shown(process.netns),
        ProcessColumn::Ports => process.ports.to_string(),
        ProcessColumn::TimeWait => process.time_wait.to_string(),
        ProcessColumn::Connects => or_nothing(process.rates.map(|rates| rate(rates.connects))),
        ProcessColumn::Failures => or_nothing(failures.map(|count| count.to_string())),
        ProcessColumn::Search => or_nothing(process.search.map(|times| human(times.p99))),
        ProcessColumn::Destination => {
            let top = process
                .top
                .map(|top| SocketAddr::new(top.dst, top.dst_port));
            or_nothing(top.map(|top| top.to_string()))
        }
    };
    let failed = column == ProcessColumn::Failures && failures.is_some_and(|count| count > 0);
    Cell::from(text).colored(if failed { RED } else { "" })
}

/// A cell of the table of the latest failures; `time` says when it was.
pub(in crate::views) fn failure(
    failure: &Failure,
    column: FailureColumn,
    names: &Names<'_>,
    time: impl FnOnce() -> jiff::Zoned,
) -> Cell {
    let holder = &failure.holder;
    let text = match column {
        FailureColumn::Time => time().strftime("%H:%M:%S%.3f").to_string(),
        FailureColumn::Pid => or_nothing(holder.pid.map(|pid| pid.to_string())),
        FailureColumn::Comm => names::safe(&holder.comm),
        FailureColumn::Netns => names.shown(failure.netns),
        FailureColumn::Source => names::failed_source(failure),
        FailureColumn::Call => call(failure),
        FailureColumn::Destination if failure.call != FailedCall::Connect => NOTHING.to_owned(),
        FailureColumn::Destination => SocketAddr::new(failure.dst, failure.dst_port).to_string(),
        FailureColumn::Errno => errno_name(failure.errno),
        FailureColumn::Cause => failure.cause.name().to_owned(),
        FailureColumn::Search => or_nothing(failure.search.map(human)),
    };
    let exhausted = column == FailureColumn::Cause && failure.cause.is_exhaustion();
    Cell::from(text).colored(if exhausted { RED } else { "" })
}

/// A cell of the table of bind pools.
pub(in crate::views) fn pool(pool: &BindPool, column: PoolColumn, names: &Names<'_>) -> Cell {
    let fill = share(pool.capacity, pool.free);
    let text = match column {
        PoolColumn::Netns => names.shown(pool.netns),
        PoolColumn::Proto => pool.proto.name().to_owned(),
        PoolColumn::Address => pool.src.to_string(),
        PoolColumn::Capacity => pool.capacity.to_string(),
        PoolColumn::Used => pool.used.to_string(),
        PoolColumn::Bound => pool.bound.to_string(),
        PoolColumn::Free => free(pool.free, pool.exact),
        PoolColumn::Fill => percent(fill),
        PoolColumn::Failures => or_nothing(pool.failures.map(|count| count.to_string())),
        PoolColumn::Owner => top_owner(&pool.owners),
    };
    let color = match column {
        PoolColumn::Free | PoolColumn::Fill => alarm(fill),
        PoolColumn::Failures if pool.failures.is_some_and(|count| count > 0) => RED,
        _ => "",
    };
    Cell::from(text).colored(color)
}

/// A call that failed: `connect`, `bind`, `udp autobind`.
pub(in crate::views) fn call(failure: &Failure) -> String {
    let call = failure.call.name();
    match failure.proto {
        Proto::Tcp => call.to_owned(),
        Proto::Udp => format!("udp {call}"),
    }
}

fn top_owner(owners: &[Owner]) -> String {
    let first = owners.first();
    or_nothing(first.map(|owner| names::holder(&owner.holder)))
}

fn alarm(fill: f64) -> &'static str {
    if fill >= CRITICAL {
        RED
    } else if fill >= WARNING {
        YELLOW
    } else {
        ""
    }
}

pub(in crate::views) fn or_nothing(text: Option<String>) -> String {
    text.unwrap_or_else(|| NOTHING.to_owned())
}

pub(in crate::views) fn free(free: u32, exact: bool) -> String {
    format!("{}{free}", if exact { "" } else { ">=" })
}

pub(in crate::views) fn exhausts(space: &Space) -> String {
    if space.free == 0 && space.exact {
        return "now".to_owned();
    }
    or_nothing(space.exhausts_in.map(brief))
}
