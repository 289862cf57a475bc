//! What is known of a namespace beyond its connections: its rules, and the ports that explicit binds
//! keep from every connect() without a port.

use std::{sync::Arc, time::Duration};

use rustc_hash::{FxHashMap, FxHashSet};

use super::{address::Address, udp};
use crate::{
    found::{self, Counters, Rules},
    ports::{PortRange, PortSet},
};

/// A socket that is no outbound connection: it listens, was accepted, or is only bound. Many share
/// one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Endpoint {
    pub(super) address: Address,
    pub(super) port: u16,
    /// See [`crate::found::Socket::v6only`].
    pub(super) v6only: bool,
}

/// Who listens in a namespace.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    ports: FxHashSet<u16>,
    endpoints: FxHashSet<Endpoint>,
}

impl Listeners {
    pub(super) fn add(&mut self, listener: Endpoint) {
        self.ports.insert(listener.port);
        self.endpoints.insert(listener);
    }

    /// Whether a connection of this local address and port may have been accepted by one.
    pub(super) fn accept(&self, address: Address, port: u16) -> bool {
        self.ports.contains(&port)
            && (self.listens(address, port, false)
                || self.listens(address, port, true)
                || self.listens(Address::ANY_V6, port, false)
                || address.is_v4() && self.listens(Address::ANY_V4, port, false)
                || !address.is_v4() && self.listens(Address::ANY_V6, port, true))
    }

    fn listens(&self, address: Address, port: u16, v6only: bool) -> bool {
        self.endpoints.contains(&Endpoint {
            address,
            port,
            v6only,
        })
    }

    pub(super) fn ports(&self) -> impl Iterator<Item = u16> {
        self.ports.iter().copied()
    }
}

/// A namespace.
#[derive(Clone, Debug)]
pub(super) struct Namespace {
    pub(super) name: Option<Arc<str>>,
    pub(super) rules: Rules,
    pub(super) counters: Counters,
    /// Ports with a bind bucket that is not connect's own, outside VRFs; without sight of them, the
    /// ports that are known to have been bound.
    pub(super) blocked: FxHashSet<u16>,
    /// Some bucket is in a VRF.
    pub(super) in_vrf: bool,
    /// Ports of connections that were bound since the scan.
    pub(super) bound_since: FxHashSet<u16>,
    /// With a process that has one of them open.
    pub(super) endpoints: FxHashMap<Endpoint, Option<Arc<found::Process>>>,
    /// Ports of endpoints that are bound to a device.
    pub(super) device_ports: FxHashSet<u16>,
    /// TIME_WAITs of accepted connections.
    pub(super) accepted_time_wait: u32,
    /// Sockets of UDP that hold a port.
    pub(super) udp: Vec<udp::Socket>,
    /// The latest scan looked into it.
    pub(super) scanned: bool,
    /// Something happened since that may have changed the blocked ports in a way nobody can know.
    pub(super) doubtful: bool,
}

impl Default for Namespace {
    fn default() -> Self {
        Self::new(found::Namespace {
            inode: 0,
            name: None,
            rules: initial_rules(),
            counters: Counters::default(),
        })
    }
}

impl Namespace {
    pub(super) fn new(found: found::Namespace) -> Self {
        Self {
            name: found.name,
            rules: found.rules,
            counters: found.counters,
            blocked: FxHashSet::default(),
            in_vrf: false,
            bound_since: FxHashSet::default(),
            endpoints: FxHashMap::default(),
            device_ports: FxHashSet::default(),
            accepted_time_wait: 0,
            udp: Vec::new(),
            scanned: false,
            doubtful: false,
        }
    }

    /// Whether a port is known to be blocked.
    pub(super) fn is_blocked(&self, port: u16) -> bool {
        self.blocked.contains(&port) || self.bound_since.contains(&port)
    }

    /// The blocked ports that are not reserved.
    pub(super) fn blocked(&self) -> PortSet {
        self.blocked
            .iter()
            .chain(&self.bound_since)
            .copied()
            .filter(|&port| !self.rules.reserved.contains(port))
            .collect()
    }
}

/// What a namespace begins with (`inet_init_net`, `tcp_sk_init`).
fn initial_rules() -> Rules {
    Rules {
        range: PortRange {
            lo: 32_768,
            hi: 60_999,
        },
        reserved: PortSet::default(),
        tw_reuse: 2,
        tw_reuse_delay: Duration::from_secs(1),
        tw_reuse_coarse: true,
        tw_reuse_fin_wait2: false,
        max_tw_buckets: 0,
        autobind_reuse: false,
        fin_timeout: Duration::from_secs(60),
    }
}
