//! A snapshot as one JSON object on one line: the contract for scripts.

use std::io;

use serde::{
    Serialize,
    ser::{SerializeMap as _, Serializer},
};

use super::{
    About,
    cost::CostObject,
    names::Names,
    objects::{
        DriftObject, FailureObject, NamespaceObject, PoolObject, ProcessObject, SpaceObject,
    },
};
use crate::{attribution::Snapshot, escape::JsonFormatter, views::json::rfc3339};

/// Most of the latest failures that are written.
const FAILURES: usize = 100;

/// Writes a snapshot as one line of JSON to a writer, which should be buffered.
pub fn json<W: io::Write>(mut out: W, snapshot: &Snapshot, about: &About<'_>) -> io::Result<()> {
    let document = Document {
        snapshot,
        about,
        names: Names::of(snapshot),
    };
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, JsonFormatter);
    document.serialize(&mut serializer)?;
    out.write_all(b"\n")
}

struct Document<'a> {
    snapshot: &'a Snapshot,
    about: &'a About<'a>,
    names: Names<'a>,
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            snapshot,
            about,
            names,
        } = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("time", &rfc3339(about.time))?;
        map.serialize_entry("kernel", about.kernel)?;
        map.serialize_entry("attach", &about.attach)?;
        map.serialize_entry("uptime_s", &about.uptime.as_secs_f64())?;
        map.serialize_entry(
            "watched_s",
            &snapshot.watched.map(|time| time.as_secs_f64()),
        )?;
        let watched = snapshot.watched;
        map.serialize_entry("events", &watched.map(|_| snapshot.events))?;
        map.serialize_entry("lost", &snapshot.lost)?;
        map.serialize_entry("dropped_samples", &snapshot.dropped)?;
        map.serialize_entry("hidden_namespaces", &snapshot.hidden_namespaces)?;
        map.serialize_entry("own_cost", &about.own_cost.map(CostObject))?;
        map.serialize_entry("drift", &snapshot.drift.map(DriftObject::from))?;
        map.serialize_entry(
            "namespaces",
            &Each(|| snapshot.namespaces.iter().map(NamespaceObject::from)),
        )?;
        map.serialize_entry(
            "spaces",
            &Each(|| {
                snapshot
                    .spaces
                    .iter()
                    .map(|space| SpaceObject::new(space, names))
            }),
        )?;
        map.serialize_entry(
            "processes",
            &Each(|| {
                snapshot
                    .processes
                    .iter()
                    .map(|process| ProcessObject::new(process, names))
            }),
        )?;
        map.serialize_entry(
            "bind_pools",
            &Each(|| {
                snapshot
                    .bind_pools
                    .iter()
                    .map(|pool| PoolObject::new(pool, names))
            }),
        )?;
        map.serialize_entry(
            "latest_failures",
            &watched.map(|_| {
                Each(|| {
                    let latest = snapshot.failures.iter().take(FAILURES);
                    latest.map(|failure| FailureObject::new(failure, snapshot, about, names))
                })
            }),
        )?;
        map.end()
    }
}

/// An array whose elements are made one at a time, as they are written.
struct Each<F>(F);

impl<F, I> Serialize for Each<F>
where
    F: Fn() -> I,
    I: Iterator<Item: Serialize>,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}
