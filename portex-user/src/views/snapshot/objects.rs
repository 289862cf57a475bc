//! What a snapshot consists of, as JSON objects: field for field the contract.

use std::{borrow::Cow, net::IpAddr, time::Duration};

use serde::{Serialize, ser::Serializer};

use super::{About, names::Names};
use crate::{
    attribution::snapshot::{
        BindPool, Drift, FailedCall, Failure, Holder, Namespace, Owner, Percentiles, Process,
        Rates, Snapshot, Space,
    },
    event::Proto,
    ports::PortRange,
    views::{
        errno_name,
        json::{nanos, rfc3339},
    },
};

#[derive(Serialize)]
pub(super) struct DriftObject {
    missed: u64,
    stale: u64,
    changed: u64,
}

impl From<Drift> for DriftObject {
    fn from(drift: Drift) -> Self {
        let Drift {
            missed,
            stale,
            changed,
        } = drift;
        Self {
            missed,
            stale,
            changed,
        }
    }
}

#[derive(Serialize)]
pub(super) struct NamespaceObject<'a> {
    netns: u32,
    netns_name: Option<&'a str>,
    range: [u16; 2],
    reserved: u32,
    tw_reuse: u8,
    time_wait: u32,
    max_tw_buckets: u32,
    time_wait_overflows: Option<u64>,
    fin_timeout_s: f64,
    autobind_reuse: bool,
}

impl<'a> From<&'a Namespace> for NamespaceObject<'a> {
    fn from(namespace: &'a Namespace) -> Self {
        Self {
            netns: namespace.inode,
            netns_name: namespace.name.as_deref(),
            range: bounds(namespace.range),
            reserved: namespace.reserved,
            tw_reuse: namespace.tw_reuse,
            time_wait: namespace.time_wait,
            max_tw_buckets: namespace.max_tw_buckets,
            time_wait_overflows: namespace.time_wait_overflows,
            fin_timeout_s: namespace.fin_timeout.as_secs_f64(),
            autobind_reuse: namespace.autobind_reuse,
        }
    }
}

#[derive(Serialize)]
pub(super) struct SpaceObject<'a> {
    netns: u32,
    netns_name: Option<&'a str>,
    proto: &'static str,
    src: IpAddr,
    dst: IpAddr,
    dst_port: u16,
    dev: u32,
    range: [u16; 2],
    own_range: bool,
    capacity: u32,
    used: u32,
    time_wait: u32,
    close_wait: u32,
    bound: u32,
    recyclable: u32,
    blocked: u32,
    free: u32,
    exact: bool,
    fill: f64,
    #[serde(flatten)]
    flow: Flow,
    need: Option<f64>,
    exhausts_in_s: Option<f64>,
    owners: Owners<'a>,
}

impl<'a> SpaceObject<'a> {
    pub(super) fn new(space: &'a Space, names: &Names<'a>) -> Self {
        Self {
            netns: space.netns,
            netns_name: names.raw(space.netns),
            proto: Proto::Tcp.name(),
            src: space.src,
            dst: space.dst,
            dst_port: space.dst_port,
            dev: space.dev,
            range: bounds(space.range),
            own_range: space.own_range,
            capacity: space.capacity,
            used: space.used,
            time_wait: space.time_wait,
            close_wait: space.close_wait,
            bound: space.bound,
            recyclable: space.recyclable,
            blocked: space.blocked,
            free: space.free,
            exact: space.exact,
            fill: space.fill,
            flow: Flow::new(space.rates, space.failures, space.search, space.hold),
            need: space.need,
            exhausts_in_s: space.exhausts_in.map(|time| time.as_secs_f64()),
            owners: Owners(&space.owners),
        }
    }
}

struct Owners<'a>(&'a [Owner]);

impl Serialize for Owners<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|owner| OwnerObject {
            holder: HolderFields::from(&owner.holder),
            ports: owner.ports,
            time_wait: owner.time_wait,
        }))
    }
}

#[derive(Serialize)]
struct OwnerObject<'a> {
    #[serde(flatten)]
    holder: HolderFields<'a>,
    ports: u32,
    time_wait: u32,
}

#[derive(Serialize)]
struct HolderFields<'a> {
    pid: Option<u32>,
    comm: Cow<'a, str>,
    cgroup: Option<&'a str>,
}

impl<'a> From<&'a Holder> for HolderFields<'a> {
    fn from(holder: &'a Holder) -> Self {
        Self {
            pid: holder.pid,
            comm: String::from_utf8_lossy(&holder.comm),
            cgroup: holder.cgroup.as_deref(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct ProcessObject<'a> {
    #[serde(flatten)]
    holder: HolderFields<'a>,
    netns: u32,
    netns_name: Option<&'a str>,
    ports: u32,
    time_wait: u32,
    close_wait: u32,
    bound: u32,
    #[serde(flatten)]
    flow: Flow,
    top: Option<TopObject>,
}

#[derive(Serialize)]
struct TopObject {
    dst: IpAddr,
    dst_port: u16,
    ports: u32,
}

impl<'a> ProcessObject<'a> {
    pub(super) fn new(process: &'a Process, names: &Names<'a>) -> Self {
        Self {
            holder: HolderFields::from(&process.holder),
            netns: process.netns,
            netns_name: names.raw(process.netns),
            ports: process.ports,
            time_wait: process.time_wait,
            close_wait: process.close_wait,
            bound: process.bound,
            flow: Flow::new(
                process.rates,
                process.failures,
                process.search,
                process.hold,
            ),
            top: process.top.map(|top| TopObject {
                dst: top.dst,
                dst_port: top.dst_port,
                ports: top.ports,
            }),
        }
    }
}

/// What only watching tells; null without.
#[derive(Serialize)]
struct Flow {
    connects_per_s: Option<f64>,
    connects_per_s_smoothed: Option<f64>,
    releases_per_s: Option<f64>,
    failures: Option<u64>,
    failures_per_s: Option<f64>,
    search_p50_ns: Option<u64>,
    search_p99_ns: Option<u64>,
    hold_p50_ms: Option<f64>,
    hold_p99_ms: Option<f64>,
}

impl Flow {
    fn new(
        rates: Option<Rates>,
        failures: Option<u64>,
        search: Option<Percentiles>,
        hold: Option<Percentiles>,
    ) -> Self {
        Self {
            connects_per_s: rates.map(|rates| rates.connects),
            connects_per_s_smoothed: rates.map(|rates| rates.connects_smoothed),
            releases_per_s: rates.map(|rates| rates.releases),
            failures,
            failures_per_s: rates.map(|rates| rates.failures),
            search_p50_ns: search.map(|times| nanos(times.p50)),
            search_p99_ns: search.map(|times| nanos(times.p99)),
            hold_p50_ms: hold.map(|times| millis(times.p50)),
            hold_p99_ms: hold.map(|times| millis(times.p99)),
        }
    }
}

#[derive(Serialize)]
pub(super) struct PoolObject<'a> {
    netns: u32,
    netns_name: Option<&'a str>,
    proto: &'static str,
    src: IpAddr,
    range: [u16; 2],
    capacity: u32,
    used: u32,
    bound: u32,
    free: u32,
    exact: bool,
    failures: Option<u64>,
    failures_per_s: Option<f64>,
    owners: Owners<'a>,
}

impl<'a> PoolObject<'a> {
    pub(super) fn new(pool: &'a BindPool, names: &Names<'a>) -> Self {
        Self {
            netns: pool.netns,
            netns_name: names.raw(pool.netns),
            proto: pool.proto.name(),
            src: pool.src,
            range: bounds(pool.range),
            capacity: pool.capacity,
            used: pool.used,
            bound: pool.bound,
            free: pool.free,
            exact: pool.exact,
            failures: pool.failures,
            failures_per_s: pool.failures_per_s,
            owners: Owners(&pool.owners),
        }
    }
}

#[derive(Serialize)]
pub(super) struct FailureObject<'a> {
    time: String,
    proto: &'static str,
    call: &'static str,
    netns: u32,
    netns_name: Option<&'a str>,
    #[serde(flatten)]
    holder: HolderFields<'a>,
    tid: u32,
    src: IpAddr,
    src_port: Option<u16>,
    /// Null of a bind.
    dst: Option<IpAddr>,
    dst_port: Option<u16>,
    dev: u32,
    errno: String,
    cause: &'static str,
    search_ns: Option<u64>,
}

impl<'a> FailureObject<'a> {
    pub(super) fn new(
        failure: &'a Failure,
        snapshot: &Snapshot,
        about: &About<'_>,
        names: &Names<'a>,
    ) -> Self {
        let to = (failure.call == FailedCall::Connect).then_some(failure);
        Self {
            time: rfc3339(about.timestamp(snapshot, failure.time)),
            proto: failure.proto.name(),
            call: failure.call.name(),
            netns: failure.netns,
            netns_name: names.raw(failure.netns),
            holder: HolderFields::from(&failure.holder),
            tid: failure.tid,
            src: failure.src,
            src_port: failure.src_port,
            dst: to.map(|failure| failure.dst),
            dst_port: to.map(|failure| failure.dst_port),
            dev: failure.dev,
            errno: errno_name(failure.errno),
            cause: failure.cause.name(),
            search_ns: failure.search.map(nanos),
        }
    }
}

fn bounds(range: PortRange) -> [u16; 2] {
    [range.lo, range.hi]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
