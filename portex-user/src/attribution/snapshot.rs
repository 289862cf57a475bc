//! The answer: an immutable picture of who holds which ports, which every per-tick view reads.

use std::{net::IpAddr, sync::Arc, time::Duration};

pub use super::{
    failures::{FailedCall, Failure},
    port_map::{PortMap, PortUse},
};
use crate::{event::Proto, ports::PortRange};

/// Who holds which ports, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// When, by `CLOCK_MONOTONIC`.
    pub time: Duration,
    /// For how long events were seen before that; `None`: not at all, so that there are no rates.
    pub watched: Option<Duration>,
    /// Events that were taken in.
    pub events: u64,
    /// Events that were lost.
    pub lost: u64,
    /// Connections, spaces and processes that the model had no room for.
    pub dropped: u64,
    /// Namespaces that could not be looked into, though they are there.
    pub hidden_namespaces: u32,
    /// What the latest reconciliation had to correct.
    pub drift: Option<Drift>,
    /// Namespaces that have a space or a pool, by inode number.
    pub namespaces: Vec<Namespace>,
    /// Spaces, the most endangered first.
    pub spaces: Vec<Space>,
    /// Processes, those with most ports first.
    pub processes: Vec<Process>,
    /// Bind pools, the fullest first.
    pub bind_pools: Vec<BindPool>,
    /// The latest failed allocations, the latest first.
    pub failures: Vec<Failure>,
}

/// What a reconciliation corrected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drift {
    /// Ports that the model did not know to be held.
    pub missed: u64,
    /// Ports that the model still took for held.
    pub stale: u64,
    /// Ports whose state or holder was another.
    pub changed: u64,
}

/// A network namespace.
#[derive(Clone, Debug, PartialEq)]
pub struct Namespace {
    /// Inode number.
    pub inode: u32,
    /// What people call it. Untrusted.
    pub name: Option<Arc<str>>,
    /// `ip_local_port_range`.
    pub range: PortRange,
    /// Ports of the range that are reserved.
    pub reserved: u32,
    /// `tcp_tw_reuse`.
    pub tw_reuse: u8,
    /// TIME_WAITs, FIN_WAIT2 minisockets included.
    pub time_wait: u32,
    /// `tcp_max_tw_buckets`.
    pub max_tw_buckets: u32,
    /// `TCPTimeWaitOverflow` of `/proc/net/netstat`, since the namespace began: TIME_WAITs that were
    /// left out because of `tcp_max_tw_buckets`, or for want of memory. `None`: not known.
    pub time_wait_overflows: Option<u64>,
    /// `tcp_fin_timeout`.
    pub fin_timeout: Duration,
    /// Whether `ip_autobind_reuse` is 1.
    pub autobind_reuse: bool,
}

/// What tells a space from all others, in every snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpaceKey {
    /// Inode number of the namespace.
    pub netns: u32,
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Destination port.
    pub dst_port: u16,
    /// Device that its sockets are bound to (interface index), 0 for none.
    pub dev: u32,
    /// The range, where it is one of their own (`IP_LOCAL_PORT_RANGE`).
    pub own_range: Option<PortRange>,
}

impl Space {
    /// What tells it from all others.
    pub fn key(&self) -> SpaceKey {
        SpaceKey {
            netns: self.netns,
            src: self.src,
            dst: self.dst,
            dst_port: self.dst_port,
            dev: self.dev,
            own_range: self.own_range.then_some(self.range),
        }
    }
}

/// The ports that one source can use towards one destination.
#[derive(Clone, Debug, PartialEq)]
pub struct Space {
    /// Inode number of the namespace.
    pub netns: u32,
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Destination port.
    pub dst_port: u16,
    /// Device that its sockets are bound to (interface index), 0 for none.
    pub dev: u32,
    /// The range that its connects take ports from.
    pub range: PortRange,
    /// Whether that is a range of their own (`IP_LOCAL_PORT_RANGE`).
    pub own_range: bool,
    /// Ports of the range that are not reserved.
    pub capacity: u32,
    /// Of these, held by a connection or TIME_WAIT of this space.
    pub used: u32,
    /// Of the used, in TIME_WAIT.
    pub time_wait: u32,
    /// Of the used, in CLOSE_WAIT as of the latest scan: the peer has closed, the process has not.
    pub close_wait: u32,
    /// Of the used, those whose port an earlier bind() to port 0 chose, so that it is lost to every
    /// other destination. Counted are those whose connect() was seen; and of others, which only a scan
    /// found, those that are alone on a blocked port of the range. That such a bind() had asked for
    /// port 0 is a guess then, but hardly anybody asks for a port of this range by number.
    pub bound: u32,
    /// Of those in TIME_WAIT, the ones that a connect() may take over now.
    pub recyclable: u32,
    /// Unusable here because of an explicit bind elsewhere (those counted in `used` not again).
    pub blocked: u32,
    /// What the next connects can still get; the least, when not exact.
    pub free: u32,
    /// Whether exactly so many connects succeed from now and the next fails.
    pub exact: bool,
    /// Share of the capacity that the next connects cannot get, 0 to 1.
    pub fill: f64,
    /// Flow of ports.
    pub rates: Option<Rates>,
    /// Failed allocations since events are seen.
    pub failures: Option<u64>,
    /// When the next connect() fails if all goes on as it does; `None`: not within the horizon.
    pub exhausts_in: Option<Duration>,
    /// Ports that are needed in the long run at this rate: rate × time that a port is held.
    pub need: Option<f64>,
    /// How long ports were held.
    pub hold: Option<Percentiles>,
    /// How long port searches took.
    pub search: Option<Percentiles>,
    /// Who holds them, most ports first.
    pub owners: Vec<Owner>,
}

/// Events per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Ports allocated, over the latest ten seconds.
    pub connects: f64,
    /// The same, smoothed over about a minute.
    pub connects_smoothed: f64,
    /// Failed allocations, over the latest ten seconds.
    pub failures: f64,
    /// Ports released, over the latest ten seconds.
    pub releases: f64,
}

/// A distribution of times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percentiles {
    /// Half were shorter.
    pub p50: Duration,
    /// Ninety-nine of a hundred were shorter.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

/// A process as a holder of ports.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Holder {
    /// Its id; `None`: nobody can know who holds these.
    pub pid: Option<u32>,
    /// Its name: any bytes but NUL. Untrusted; `unknown` without id.
    pub comm: Vec<u8>,
    /// Path of its cgroup. Untrusted.
    pub cgroup: Option<Arc<str>>,
}

impl Holder {
    /// Nobody can know who it is.
    pub fn unknown() -> Self {
        Self {
            pid: None,
            comm: b"unknown".to_vec(),
            cgroup: None,
        }
    }
}

/// A holder of ports of one space or pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Who.
    pub holder: Holder,
    /// How many, TIME_WAIT included.
    pub ports: u32,
    /// Of these, in TIME_WAIT.
    pub time_wait: u32,
}

/// A process, over all spaces of one namespace.
#[derive(Clone, Debug, PartialEq)]
pub struct Process {
    /// Who.
    pub holder: Holder,
    /// Inode number of the namespace.
    pub netns: u32,
    /// Ports held, TIME_WAIT included.
    pub ports: u32,
    /// Of these, in TIME_WAIT.
    pub time_wait: u32,
    /// Of the ports, in CLOSE_WAIT as of the latest scan: the peer has closed, the process has not.
    pub close_wait: u32,
    /// Of the ports, those of the namespace's range that bind() to port 0 chose before connect(),
    /// TIME_WAIT included: each is lost to all other destinations. See [`Space::bound`].
    pub bound: u32,
    /// Flow of ports.
    pub rates: Option<Rates>,
    /// Failed allocations since events are seen.
    pub failures: Option<u64>,
    /// How long its port searches took.
    pub search: Option<Percentiles>,
    /// How long it held ports.
    pub hold: Option<Percentiles>,
    /// Where most of its ports go.
    pub top: Option<Destination>,
}

/// A destination and how many ports go there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Address.
    pub dst: IpAddr,
    /// Port.
    pub dst_port: u16,
    /// Ports held.
    pub ports: u32,
}

/// The ports that bind() to port 0 of one address can get; of any address, those that an unbound
/// socket can get, by listen() or, of UDP, by connect() and sends.
#[derive(Clone, Debug, PartialEq)]
pub struct BindPool {
    /// Inode number of the namespace.
    pub netns: u32,
    /// Protocol.
    pub proto: Proto,
    /// The address; unspecified: any.
    pub src: IpAddr,
    /// The range that ports are taken from.
    pub range: PortRange,
    /// Ports of the range that are not reserved.
    pub capacity: u32,
    /// Of these, held by any socket or TIME_WAIT that is in the way.
    pub used: u32,
    /// Of the used, those that an explicit bind holds, as far as such binds are known; when there are
    /// none, nobody has needed the pool so far. Of UDP, whose sockets all take their ports from pools,
    /// all that are used.
    pub bound: u32,
    /// What the next binds can still get; the least, when not exact. By sockets that share no ports
    /// and are not bound to a device; of `::`, by those that take IPv4 too.
    pub free: u32,
    /// Whether exactly so many binds succeed from now and the next fails.
    pub exact: bool,
    /// Binds that found no port since events are seen; `None`: no events were watched.
    pub failures: Option<u64>,
    /// The same per second, over the latest ten seconds.
    pub failures_per_s: Option<f64>,
    /// Who holds its ports, most first: up to ten, and only of the sixteen fullest pools of each
    /// namespace and protocol. A port that several share is counted for one of them.
    pub owners: Vec<Owner>,
}

impl BindPool {
    /// Whether anybody has needed it: connections to many destinations fill a pool of TCP that nobody
    /// binds from.
    pub fn is_needed(&self) -> bool {
        self.bound > 0 || self.failures.is_some_and(|failures| failures > 0)
    }
}
