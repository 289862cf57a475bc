//! What is said of calls that got no port.

use rustc_hash::FxHashMap;

use super::pool_name;
use crate::{
    attribution::snapshot::{BindPool, FailedCall, Failure, Holder, Snapshot, Space},
    views::snapshot::names::{self, Names},
};

/// How many connect() got no port, where most of them, and which process had most.
pub(super) fn connects(snapshot: &Snapshot, names: &Names<'_>) -> Option<String> {
    let count = |space: &Space| space.failures.unwrap_or(0);
    let failing = || snapshot.spaces.iter().filter(|space| count(space) > 0);
    let total: u64 = failing().map(count).sum();
    let space = failing().max_by_key(|space| (count(space), space.used))?;
    let most = if failing().count() > 1 { ", most" } else { "" };
    let latest = of_latest(snapshot, |failure| {
        failure.call == FailedCall::Connect
            && (failure.netns, failure.dst, failure.dst_port)
                == (space.netns, space.dst, space.dst_port)
    });
    let process = latest.or_else(|| of_all(snapshot, space.netns));
    let process = process.map_or(String::new(), also);
    let route = names::route(space);
    let netns = names.shown(space.netns);
    Some(format!(
        "{total} connect() got no port{most}: {route} ({netns}){process}"
    ))
}

/// How many binds got no port, of which pool most of them, and which process had most of the latest.
pub(super) fn binds(snapshot: &Snapshot, names: &Names<'_>) -> Option<String> {
    let count = |pool: &BindPool| pool.failures.unwrap_or(0);
    let failing = || snapshot.bind_pools.iter().filter(|pool| count(pool) > 0);
    let total: u64 = failing().map(count).sum();
    let pool = failing().max_by_key(|pool| (count(pool), pool.used))?;
    let most = if failing().count() > 1 { ", most" } else { "" };
    let latest = of_latest(snapshot, |failure| {
        failure.call != FailedCall::Connect
            && (failure.netns, failure.proto, failure.src) == (pool.netns, pool.proto, pool.src)
    });
    let process = latest.map_or(String::new(), also);
    let name = pool_name(pool, names);
    Some(format!("{total} binds got no port{most}: {name}{process}"))
}

fn also(holder: &Holder) -> String {
    format!(", {}", names::holder(holder))
}

/// Who had most of the latest exhaustions of that kind.
fn of_latest(snapshot: &Snapshot, is_of: impl Fn(&Failure) -> bool) -> Option<&Holder> {
    let failures = snapshot.failures.iter();
    let mut holders: FxHashMap<&Holder, u32> = FxHashMap::default();
    for failure in failures.filter(|failure| failure.cause.is_exhaustion() && is_of(failure)) {
        *holders.entry(&failure.holder).or_default() += 1;
    }
    let most = holders
        .into_iter()
        .max_by_key(|(holder, count)| (*count, holder.pid));
    most.map(|(holder, _)| holder)
}

/// Who had most of a namespace; nobody where binds failed too, since processes count them together.
fn of_all(snapshot: &Snapshot, netns: u32) -> Option<&Holder> {
    let mut pools = snapshot.bind_pools.iter();
    if pools.any(|pool| pool.netns == netns && pool.failures.is_some_and(|count| count > 0)) {
        return None;
    }
    let failing = snapshot
        .processes
        .iter()
        .filter(|process| process.netns == netns)
        .filter(|process| process.failures.is_some_and(|count| count > 0));
    let most = failing.max_by_key(|process| (process.failures, process.ports));
    most.map(|process| &process.holder)
}
