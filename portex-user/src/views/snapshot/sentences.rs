//! What stands above the tables: where the snapshot comes from, what is missing in it, and what is
//! worst.

use jiff::tz::TimeZone;

use super::{
    About,
    cells::WARNING,
    names::{self, Names},
    numbers::{brief, share},
};
use crate::{
    attribution::snapshot::{Drift, Snapshot, Space},
    escape,
};

/// When and how.
pub(super) fn origin(snapshot: &Snapshot, about: &About<'_>, zone: &TimeZone) -> String {
    let time = about.time.to_zoned(zone.clone());
    let kernel = escape::text(about.kernel.as_bytes());
    let watched = match (snapshot.watched, about.attach) {
        (Some(time), Some(way)) => format!("watched for {} by {way}", brief(time)),
        (Some(time), None) => format!("watched for {}", brief(time)),
        (None, _) => "not watched: no rates, no failures".to_owned(),
    };
    format!("{}, kernel {kernel}, {watched}", time.strftime("%F %T %Z"))
}

/// What is missing or was put right; `None` when that is nothing.
pub(super) fn incomplete(snapshot: &Snapshot) -> Option<String> {
    let mut told = Vec::new();
    if snapshot.lost > 0 {
        told.push(format!("Events lost: {}.", snapshot.lost));
    }
    if snapshot.dropped > 0 {
        told.push(format!(
            "Not tracked for want of room: {}.",
            snapshot.dropped
        ));
    }
    if snapshot.hidden_namespaces > 0 {
        told.push(format!(
            "Network namespaces not looked into: {}.",
            snapshot.hidden_namespaces
        ));
    }
    let drift = snapshot.drift.unwrap_or_default();
    if drift != Drift::default() {
        let Drift {
            missed,
            stale,
            changed,
        } = drift;
        told.push(format!(
            "Ports put right by the latest reconciliation: {missed} missed, {stale} stale, \
             {changed} changed."
        ));
    }
    (!told.is_empty()).then(|| told.join(" "))
}

/// Failed allocations in all spaces and bind pools; `None` when there were none, or nobody watched.
pub(super) fn failed(snapshot: &Snapshot) -> Option<String> {
    let counts = snapshot.spaces.iter().filter_map(|space| space.failures);
    let connects: u64 = counts.sum();
    let counts = snapshot.bind_pools.iter().filter_map(|pool| pool.failures);
    let binds: u64 = counts.sum();
    let connects = (connects > 0).then(|| format!("{connects} connect() got no port"));
    let binds = (binds > 0).then(|| format!("{binds} binds got no port"));
    let told: Vec<_> = connects.into_iter().chain(binds).collect();
    (!told.is_empty()).then(|| told.join("; "))
}

/// How the most endangered space is; `None` when there is no space.
pub(super) fn worst(snapshot: &Snapshot, names: &Names<'_>) -> Option<String> {
    let space = snapshot.spaces.first()?;
    let mut route = names::route(space);
    if snapshot.namespaces.len() > 1 {
        route = format!("{route} ({})", names.shown(space.netns));
    }
    let ports = (space.free, space.capacity, space.exact);
    let left = left(ports, space.fill, "connect()");
    Some(format!("{route} {left}{}", forecast(space)))
}

/// How the fullest bind pool that anybody needs is; `None` when there is enough in all.
pub(super) fn worst_pool(snapshot: &Snapshot, names: &Names<'_>) -> Option<String> {
    let mut all = snapshot.bind_pools.iter();
    let pool = all.find(|pool| pool.is_needed())?;
    let fill = share(pool.capacity, pool.free);
    if fill < WARNING {
        return None;
    }
    let mut name = format!("{} {}", pool.proto.name(), pool.src);
    if snapshot.namespaces.len() > 1 {
        name = format!("{name} ({})", names.shown(pool.netns));
    }
    let left = left((pool.free, pool.capacity, pool.exact), fill, "bind");
    Some(format!("bind pool {name} {left}"))
}

fn left((free, capacity, exact): (u32, u32, bool), fill: f64, call: &str) -> String {
    let taken = (fill * 100.0 + 1e-6).floor();
    match (free, exact) {
        (0, true) => format!("has none of {capacity} ports left: the next {call} fails"),
        (0, false) => format!("may have none of {capacity} ports left"),
        (_, true) => format!("has {free} of {capacity} ports left ({taken} % full)"),
        (_, false) => {
            format!("has at least {free} of {capacity} ports left (at most {taken} % full)")
        }
    }
}

fn forecast(space: &Space) -> String {
    match (space.exhausts_in, space.rates) {
        _ if space.free == 0 => String::new(),
        (Some(time), _) => format!("; at this rate the next connect() fails in {}", brief(time)),
        (None, Some(_)) => "; at this rate it does not run out".to_owned(),
        (None, None) => String::new(),
    }
}
