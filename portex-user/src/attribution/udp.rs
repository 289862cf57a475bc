//! UDP: which ports are held, and what bind() to port 0 and the autobind of an unbound socket can still
//! get (`udp_lib_get_port`).
//!
//! All that is known comes from scans. A search goes through every port of the range, and leaves out
//! what is reserved and what another socket holds on the same address or on any
//! (`udp_lib_lport_inuse`). Sockets that share ports (SO_REUSEADDR, SO_REUSEPORT) share with their
//! like, not with one that does not ask for it; and one that is bound to a device is in the way of all
//! that are not. So what holds for an ordinary socket can be told without knowing these options.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    State,
    address::Address,
    capacity::Field,
    pool_owners::{self, PoolOwners},
    refused_binds::PoolKey,
    rows::Ground,
    snapshot::BindPool,
};
use crate::{
    event::Proto,
    found,
    ports::{PortRange, PortSet},
};

/// The IPv4 address that the kernel gives to sockets with an IPv6 address (`LOOPBACK4_IPV6`).
const STAND_IN: [u8; 4] = [127, 0, 0, 6];

/// A socket that holds a port.
#[derive(Clone, Debug)]
pub(super) struct Socket {
    address: Address,
    process: Option<Arc<found::Process>>,
    port: u16,
    v6only: Option<bool>,
}

impl Socket {
    pub(super) fn new(found: &found::UdpSocket) -> Self {
        Self {
            address: found.src.into(),
            process: found.process.clone(),
            port: found.port,
            v6only: found.v6only,
        }
    }

    fn is_any(&self) -> bool {
        self.address.is_unspecified()
    }
}

/// Ports, and those that may belong to them.
#[derive(Default)]
struct Known {
    sure: PortSet,
    perhaps: PortSet,
}

impl Known {
    fn add(&mut self, port: u16, sure: bool) {
        let ports = if sure {
            &mut self.sure
        } else {
            &mut self.perhaps
        };
        ports.insert(port);
    }

    fn extend_from(&mut self, other: &Self) {
        self.sure.extend_from(&other.sure);
        self.perhaps.extend_from(&other.perhaps);
    }

    /// All of them, and whether there is no doubt.
    fn judge(mut self, range: PortRange) -> (PortSet, bool) {
        let sure = self.sure.count_in(range);
        self.sure.extend_from(&self.perhaps);
        let known = self.sure.count_in(range) == sure;
        (self.sure, known)
    }
}

/// The ports that are held in one namespace, by who is in whose way (`inet_rcv_saddr_equal`).
#[derive(Default)]
struct Ports {
    by_address: FxHashMap<Address, PortSet>,
    /// Addresses that there was no room for in that.
    without_room: FxHashSet<Address>,
    /// By any socket at all.
    all: PortSet,
    /// By an IPv4 address, any included.
    v4: PortSet,
    /// By `0.0.0.0`.
    any_v4: PortSet,
    /// By `::`.
    any_v6: PortSet,
    /// By `::` of a socket that takes IPv4 too.
    both: Known,
    /// By an IPv6 address of a socket that was not bound to it, and that takes IPv4 too: it counts
    /// with its stand-in.
    loose: Known,
}

impl Ports {
    fn add(&mut self, socket: &Socket, room: usize) {
        let port = socket.port;
        self.all.insert(port);
        let known = self.by_address.len() < room || self.by_address.contains_key(&socket.address);
        if known {
            self.by_address
                .entry(socket.address)
                .or_default()
                .insert(port);
        } else {
            self.without_room.insert(socket.address);
        }
        let dual = |known: &mut Known| match socket.v6only {
            Some(true) => {}
            Some(false) => known.add(port, true),
            None => known.add(port, false),
        };
        match (socket.address.is_v4(), socket.is_any()) {
            (true, any) => {
                self.v4.insert(port);
                if any {
                    self.any_v4.insert(port);
                }
            }
            (false, true) => {
                self.any_v6.insert(port);
                dual(&mut self.both);
            }
            (false, false) => dual(&mut self.loose),
        }
    }

    /// The ports that a socket without options cannot get at an address; a socket of `::` takes both
    /// families. And whether that is beyond doubt.
    fn in_the_way(&self, address: Address, range: PortRange) -> (PortSet, bool) {
        let mut busy = Known::default();
        match (address.is_v4(), address.is_unspecified()) {
            (false, true) => busy.sure = self.all.clone(),
            (false, false) => {
                busy.sure = self.at(address);
                busy.sure.extend_from(&self.any_v6);
            }
            (true, any) => {
                busy.sure = if any {
                    self.v4.clone()
                } else {
                    self.at(address)
                };
                busy.sure.extend_from(&self.any_v4);
                busy.extend_from(&self.both);
                if any || address == std::net::Ipv4Addr::from(STAND_IN).into() {
                    busy.extend_from(&self.loose);
                }
            }
        }
        busy.judge(range)
    }

    fn at(&self, address: Address) -> PortSet {
        self.by_address.get(&address).cloned().unwrap_or_default()
    }

    /// The addresses that have a pool: those with a port; and any, which is what a socket takes its
    /// port from when nobody binds it, of each family in use.
    fn addresses(&self, refused: impl Iterator<Item = Address>) -> Vec<Address> {
        let mut addresses: Vec<Address> = self.by_address.keys().copied().collect();
        if !self.all.is_empty() {
            addresses.push(Address::ANY_V4);
        }
        if self.by_address.keys().any(|address| !address.is_v4()) {
            addresses.push(Address::ANY_V6);
        }
        addresses.extend(refused);
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }
}

impl State {
    /// The UDP pools of a namespace, the fullest first, at most `room`; and how many more there are.
    pub(super) fn udp_pools(
        &self,
        netns: u32,
        ground: &Ground<'_>,
        now: u64,
        room: usize,
    ) -> (Vec<BindPool>, usize) {
        let namespace = ground.namespace;
        let refused = self.refused_binds.addresses(netns, Proto::Udp, now);
        let rules = &namespace.rules;
        let nothing = PortSet::default();
        let field = Field::new(rules.range, &rules.reserved, &nothing);
        let mut ports = Ports::default();
        let held = namespace.udp.iter();
        for socket in held.filter(|socket| field.contains(socket.port)) {
            ports.add(socket, room.max(1));
        }
        let mut addresses = ports.addresses(refused);
        let more = addresses.len().saturating_sub(room) + ports.without_room.len();
        addresses.truncate(room);
        let known = self.ended.is_some_and(|ended| {
            ended.sight.udp
                && namespace.scanned
                && ended.is_recent(now)
                && ended.dropped == self.dropped()
        });
        let mut pools: Vec<(BindPool, PortSet)> = addresses
            .into_iter()
            .map(|address| {
                let (busy, sure) = ports.in_the_way(address, rules.range);
                let used = busy.count_in(rules.range);
                let pool = BindPool {
                    netns,
                    proto: Proto::Udp,
                    src: address.ip(),
                    range: rules.range,
                    capacity: field.capacity,
                    used,
                    bound: used,
                    free: field.capacity.saturating_sub(used),
                    exact: known && sure,
                    failures: None,
                    failures_per_s: None,
                    owners: Vec::new(),
                };
                (self.with_refused(pool, address, now), busy)
            })
            .collect();
        pools.sort_unstable_by_key(|(pool, _)| (pool.free, pool.src));
        for (pool, busy) in pools.iter_mut().take(pool_owners::POOLS) {
            let address = Address::from(pool.src);
            let mut owners = PoolOwners::default();
            let in_the_way = namespace.udp.iter().filter(|socket| {
                busy.contains(socket.port)
                    && (address.is_unspecified() || socket.is_any() || socket.address == address)
            });
            for socket in in_the_way {
                let process = socket.process.as_deref();
                owners.add(socket.port, false, pool_owners::who(process), || {
                    pool_owners::holder(process)
                });
            }
            pool.owners = owners.most();
        }
        (pools.into_iter().map(|(pool, _)| pool).collect(), more)
    }

    /// With what it refused.
    pub(super) fn with_refused(&self, pool: BindPool, address: Address, now: u64) -> BindPool {
        let key = PoolKey {
            netns: pool.netns,
            proto: pool.proto,
            address,
        };
        let refused = self.refused_binds.of(&key);
        let watched = self.watched_from;
        BindPool {
            failures: watched.map(|_| refused.map_or(0, |refused| refused.count)),
            failures_per_s: watched
                .map(|from| refused.map_or(0.0, |refused| refused.per_second(from, now))),
            ..pool
        }
    }
}
