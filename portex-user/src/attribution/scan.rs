//! A scan under way: what agrees with the model is ticked off at once, the rest is kept until the end,
//! as its meaning may depend on what is found later.

use std::{sync::Arc, time::Duration};

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    State,
    binds::{Endpoint, Listeners, Namespace},
    clock,
    gathered::Gathered,
    pending::Pending,
    space::{Key, Phase},
    udp,
};
use crate::{
    event::TcpState,
    found::{Found, Process, Sight, Socket},
};

/// What a scan found is only that exact for a while from its beginning, in nanoseconds.
const FRESH: u64 = 3 * clock::SECOND;

/// A scan that has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) sight: Sight,
    pub(super) begun: u64,
    /// What had been lost and dropped when it began.
    pub(super) lost: u64,
    pub(super) dropped: u64,
}

impl Ended {
    /// Whether what it saw can still be relied on.
    pub(super) fn is_recent(&self, now: u64) -> bool {
        now.saturating_sub(self.begun) < FRESH
    }
}

/// A scan under way.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) begun: u64,
    pub(super) generation: u8,
    /// Events were lost since the scan before this one began.
    pub(super) lossy: bool,
    pub(super) lost: u64,
    pub(super) dropped: u64,
    pub(super) namespaces: FxHashMap<u32, Look>,
    /// Namespaces that are there, and could not be looked through.
    pub(super) unreadable: FxHashSet<u32>,
    pub(super) pending: Gathered,
    pub(super) no_timestamps: Vec<(Key, u16)>,
    /// How many UDP sockets were found.
    udp_sockets: usize,
    released: FxHashSet<(Key, u16)>,
    max_released: usize,
    /// More was released during the scan than is kept: nothing new can be believed.
    pub(super) overflowed: bool,
}

/// What is found in one namespace.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) namespace: Namespace,
    pub(super) listeners: Listeners,
}

impl State {
    /// A look at the host begins.
    pub fn begin_scan(&mut self, now: Duration) {
        self.generation = self.generation.wrapping_add(1);
        self.scan = Some(Scan {
            begun: clock::nanos(now),
            generation: self.generation,
            lossy: false,
            lost: self.lost,
            dropped: self.dropped(),
            namespaces: FxHashMap::default(),
            unreadable: FxHashSet::default(),
            pending: Gathered::default(),
            no_timestamps: Vec::new(),
            udp_sockets: 0,
            released: FxHashSet::default(),
            max_released: self.limits.sockets,
            overflowed: false,
        });
    }

    /// Takes in what the look finds. A namespace's settings are taken in at any time.
    pub fn found(&mut self, found: Found) {
        let Some(scan) = &mut self.scan else {
            if let Found::Namespace(found) = found {
                let known = self.namespaces.entry(found.inode).or_default();
                known.name = found.name;
                known.rules = found.rules;
                known.counters = found.counters;
            }
            return;
        };
        match found {
            Found::Namespace(found) => {
                let inode = found.inode;
                let look = Look {
                    namespace: Namespace::new(found),
                    listeners: Listeners::default(),
                };
                scan.namespaces.insert(inode, look);
            }
            Found::Unreadable(inode) => {
                scan.namespaces.remove(&inode);
                scan.unreadable.insert(inode);
            }
            Found::Blocked(blocked) => {
                if let Some(look) = scan.namespaces.get_mut(&blocked.netns) {
                    if blocked.l3mdev == 0 {
                        look.namespace.blocked.insert(blocked.port);
                    } else {
                        look.namespace.in_vrf = true;
                    }
                }
            }
            Found::NoTimestamps(tuple) => {
                if scan.no_timestamps.len() < self.limits.sockets {
                    let key = Key::of_tuple(&tuple, 0);
                    scan.no_timestamps.push((key, tuple.src_port));
                }
            }
            Found::Socket(socket) => self.found_socket(&socket),
            Found::UdpSocket(socket) => {
                if let Some(look) = scan.namespaces.get_mut(&socket.netns) {
                    if scan.udp_sockets < self.limits.sockets {
                        scan.udp_sockets += 1;
                        look.namespace.udp.push(udp::Socket::new(&socket));
                    } else {
                        self.spaces.dropped += 1;
                    }
                }
            }
        }
    }

    fn found_socket(&mut self, socket: &Socket) {
        let Some(scan) = &mut self.scan else { return };
        let tuple = &socket.tuple;
        let Some(look) = scan.namespaces.get_mut(&tuple.netns) else {
            return;
        };
        let port = tuple.src_port;
        if tuple.dst_port == 0 {
            if socket.state == TcpState::Listen {
                look.listeners.add(Endpoint {
                    address: tuple.src.into(),
                    port,
                    v6only: socket.v6only,
                });
            }
            let endpoint = Endpoint {
                address: tuple.src.into(),
                port,
                v6only: socket.v6only,
            };
            look.add_endpoint(endpoint, socket.dev, socket.process.as_ref());
            return;
        }
        let pending = Pending::new(socket);
        let key = pending.key;
        if let Some(held) = self.spaces.held_mut(&key, port) {
            // Only an event proves that a connection is outbound; see also `reconcile`.
            held.scan = scan.generation;
            held.close_wait = pending.close_wait && held.phase == Phase::Live;
            if pending.agrees(held, scan.begun, &self.owners) {
                if held.phase.is_time_wait() {
                    held.set_earliest(pending.expires(scan.begun));
                }
                return;
            }
        } else if look.is_accepted(socket) {
            look.add_accepted(&pending);
            return;
        }
        if scan.pending.len() < self.limits.sockets {
            scan.pending.push(pending);
        } else {
            self.spaces.dropped += 1;
        }
    }
}

impl Scan {
    /// A port was released; what the scan says of the time before does not count.
    pub(super) fn note_released(&mut self, key: &Key, port: u16, at: u64) {
        if at < self.begun {
            return;
        }
        if self.released.len() < self.max_released {
            self.released.insert((*key, port));
        } else {
            self.overflowed = true;
        }
    }

    /// Namespaces and ports of what was released since the scan began.
    pub(super) fn released(&self) -> impl Iterator<Item = (u32, u16)> {
        self.released.iter().map(|(key, port)| (key.netns, *port))
    }

    /// Whether the port was released since the scan began.
    pub(super) fn was_released(&self, key: &Key, port: u16) -> bool {
        self.released.contains(&(*key, port))
            || key.dev != 0 && self.released.contains(&(Key { dev: 0, ..*key }, port))
    }
}

impl Look {
    fn add_endpoint(&mut self, endpoint: Endpoint, dev: u32, process: Option<&Arc<Process>>) {
        if dev != 0 {
            self.namespace.device_ports.insert(endpoint.port);
        }
        let holder = self.namespace.endpoints.entry(endpoint).or_default();
        if holder.is_none() {
            *holder = process.cloned();
        }
    }

    /// Whether it can be told already that somebody else connected to this host.
    fn is_accepted(&self, socket: &Socket) -> bool {
        self.listeners
            .accept(socket.tuple.src.into(), socket.tuple.src_port)
            || matches!(socket.state, TcpState::SynRecv | TcpState::NewSynRecv)
    }

    pub(super) fn add_accepted(&mut self, pending: &Pending) {
        if pending.phase.is_time_wait() {
            self.namespace.accepted_time_wait += 1;
        }
        let endpoint = Endpoint {
            address: pending.key.src,
            port: pending.port,
            v6only: false,
        };
        self.add_endpoint(endpoint, pending.key.dev, pending.process.as_ref());
    }
}
