//! A kernel in small, as the judge: ports are given by the rules of `__inet_hash_connect` and
//! `inet_csk_find_open_port`, one namespace, connections without a network.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

mod search;

use crate::{
    event::{Event, Kind, Owner, Release, Restrictions, TcpState},
    found::{self, Blocked, Counters, Found, Process, Rules, Socket, Tuple},
};

pub(super) const NETNS: u32 = 4_026_531_840;

/// A socket or minisocket in the tables.
#[derive(Clone, Debug)]
pub(super) struct Sock {
    pub(super) src: IpAddr,
    pub(super) port: u16,
    /// Where it is connected to.
    pub(super) peer: Option<(IpAddr, u16)>,
    pub(super) dev: u32,
    pub(super) state: TcpState,
    /// Of a minisocket: since when, until when, and whether the peer sent timestamps.
    pub(super) minisocket: Option<(u64, u64, bool)>,
    pub(super) since: u64,
    pub(super) pid: u32,
    /// It connected, and did not accept.
    pub(super) outbound: bool,
    bound: bool,
}

/// A bind bucket: `fastreuse`.
#[derive(Clone, Copy, Debug)]
struct Bucket(i8);

/// The kernel.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    /// In milliseconds.
    pub(super) now: u64,
    pub(super) rules: Rules,
    pub(super) socks: BTreeMap<u64, Sock>,
    buckets: BTreeMap<u16, Bucket>,
    next: u64,
    perturb: u32,
    /// What tracing it would have told.
    pub(super) events: Vec<Event>,
}

/// What is asked of connect().
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    pub(super) dst_port: u16,
    pub(super) dev: u32,
    /// `IP_LOCAL_PORT_RANGE`.
    pub(super) own: (u16, u16),
    pub(super) pid: u32,
}

impl Kernel {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            now: 1_000_000,
            rules,
            socks: BTreeMap::new(),
            buckets: BTreeMap::new(),
            next: 1,
            perturb: 0,
            events: Vec::new(),
        }
    }

    pub(super) fn time(&self) -> Duration {
        Duration::from_millis(self.now)
    }

    fn insert(&mut self, sock: Sock) -> u64 {
        self.next += 1;
        self.socks.insert(self.next, sock);
        self.next
    }

    fn sock_of(&self, call: Call, port: Option<u16>) -> Sock {
        Sock {
            src: call.src,
            port: port.unwrap_or(0),
            peer: Some((call.dst, call.dst_port)),
            dev: call.dev,
            state: TcpState::Established,
            minisocket: None,
            since: self.now,
            pid: call.pid,
            outbound: true,
            bound: false,
        }
    }

    fn connected(&mut self, port: u16, call: Call, bound: bool) -> u64 {
        self.buckets.entry(port).or_insert(Bucket(-1));
        let mut sock = self.sock_of(call, Some(port));
        sock.bound = bound;
        let id = self.insert(sock.clone());
        self.tell(
            &sock,
            id,
            Kind::Connect {
                bound,
                by_number: false,
                search: None,
                restrictions: restrictions(&call),
            },
        );
        id
    }

    /// bind() to a port, then connect(); `None` when either fails.
    pub(super) fn connect_bound(&mut self, port: u16, call: Call) -> Option<u64> {
        let peer = Some((call.dst, call.dst_port));
        let taken = self
            .socks
            .values()
            .any(|sock| (sock.src, sock.port, sock.peer) == (call.src, port, peer));
        if taken || self.conflicts(call.src, port) {
            return None;
        }
        self.buckets.insert(port, Bucket(0));
        Some(self.connected(port, call, true))
    }

    /// `inet_csk_get_port`: to port 0 by a search, which begins at `random`.
    pub(super) fn bind(&mut self, src: IpAddr, port: u16, random: u32) -> Option<u64> {
        let port = match port {
            0 => self.find_open_port(src, random)?,
            port if self.conflicts(src, port) => return None,
            port => port,
        };
        self.buckets.insert(port, Bucket(0));
        Some(self.insert(Sock {
            src,
            port,
            peer: None,
            dev: 0,
            state: TcpState::Close,
            minisocket: None,
            since: self.now,
            pid: 7,
            outbound: false,
            bound: true,
        }))
    }

    pub(super) fn listen(&mut self, id: u64) {
        let sock = self.socks.get_mut(&id).expect("a socket");
        sock.state = TcpState::Listen;
    }

    /// Somebody connects to a listener.
    pub(super) fn accept(&mut self, listener: u64, local: IpAddr, peer: (IpAddr, u16)) {
        let sock = self.socks.get(&listener).expect("a socket").clone();
        self.insert(Sock {
            src: local,
            peer: Some(peer),
            state: TcpState::Established,
            ..sock
        });
    }

    /// The end of a connection or socket: into a minisocket of that state, or of nothing.
    pub(super) fn close(&mut self, id: u64, into: Option<TcpState>, timestamps: bool) {
        let now = self.now;
        let sock = self.socks.get_mut(&id).expect("a socket");
        let Some(substate) = into.filter(|_| sock.peer.is_some()) else {
            self.release(id, Release::Closed);
            return;
        };
        sock.state = substate;
        sock.minisocket = Some((now, now + 60_000, timestamps));
        let sock = sock.clone();
        self.tell(&sock, id, Kind::TimeWait { substate });
    }

    pub(super) fn release(&mut self, id: u64, reason: Release) {
        let Some(sock) = self.socks.remove(&id) else {
            return;
        };
        // A bucket stays as it is until the last socket leaves it.
        if !self.socks.values().any(|other| other.port == sock.port) {
            self.buckets.remove(&sock.port);
        }
        let time_wait = sock
            .minisocket
            .map(|(entered, ..)| Duration::from_millis(self.now - entered));
        self.tell(
            &sock,
            id,
            Kind::Released {
                held: Duration::from_millis(self.now - sock.since),
                time_wait,
                reason,
            },
        );
    }

    pub(super) fn advance(&mut self, millis: u64) {
        let end = self.now + millis;
        loop {
            let next = self
                .socks
                .iter()
                .filter_map(|(id, sock)| Some((sock.minisocket?.1, *id)))
                .min();
            let Some((expires, id)) = next.filter(|(expires, _)| *expires <= end) else {
                break;
            };
            self.now = expires;
            self.release(id, Release::Expired);
        }
        self.now = end;
    }

    fn tell(&mut self, sock: &Sock, socket: u64, kind: Kind) {
        if !sock.outbound {
            return;
        }
        let (dst, dst_port) = sock.peer.expect("connected");
        let port = (socket != 0).then_some(sock.port);
        self.events.push(Event {
            time: self.time(),
            socket,
            netns: NETNS,
            owner: Owner {
                pid: sock.pid,
                tid: sock.pid,
                uid: 0,
                comm: comm(sock.pid)[..].into(),
                cgroup: 0,
                start: 100 + sock.pid,
            },
            src: sock.src,
            src_port: port,
            dst,
            dst_port,
            proto: crate::event::Proto::Tcp,
            capture: None,
            kind,
        });
    }

    /// Everything that a scan finds.
    pub(super) fn found(&self) -> Vec<Found> {
        let mut found = vec![Found::Namespace(found::Namespace {
            inode: NETNS,
            name: None,
            rules: self.rules.clone(),
            counters: Counters::default(),
        })];
        for sock in self.socks.values() {
            let (dst, dst_port) = sock.peer.unwrap_or((unspecified(sock.src), 0));
            let tuple = Tuple {
                netns: NETNS,
                src: sock.src,
                src_port: sock.port,
                dst,
                dst_port,
            };
            found.push(Found::Socket(Socket {
                tuple,
                dev: sock.dev,
                state: sock.state,
                v6only: false,
                time_wait: sock
                    .minisocket
                    .map(|(_, expires, _)| Duration::from_millis(expires - self.now)),
                process: (sock.minisocket.is_none()).then(|| process(sock.pid)),
            }));
            if sock.minisocket.is_some_and(|(.., timestamps)| !timestamps) {
                found.push(Found::NoTimestamps(tuple));
            }
        }
        let blocked = self.buckets.iter().filter(|(_, bucket)| bucket.0 >= 0);
        found.extend(blocked.map(|(&port, _)| {
            Found::Blocked(Blocked {
                netns: NETNS,
                l3mdev: 0,
                port,
            })
        }));
        found
    }
}

pub(super) fn comm(pid: u32) -> Vec<u8> {
    format!("worker{pid}").into_bytes()
}

fn process(pid: u32) -> std::sync::Arc<Process> {
    std::sync::Arc::new(Process {
        pid,
        start: 100 + pid,
        uid: 0,
        comm: comm(pid),
        cgroup: None,
    })
}

fn restrictions(call: &Call) -> Restrictions {
    Restrictions {
        dev: call.dev,
        lo: call.own.0,
        hi: call.own.1,
    }
}

fn unspecified(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    }
}
