//! A kernel's UDP in small: ports are given by the rules of `udp_lib_get_port`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::found::UdpSocket;

/// What a socket was told before bind().
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) reuse: bool,
    pub(super) reuseport: bool,
    pub(super) v6only: bool,
    pub(super) dev: u32,
}

/// A socket with the fields that the kernel compares. All are of one user.
#[derive(Clone, Debug)]
pub(super) struct Sock {
    id: u32,
    /// `sk_v6_rcv_saddr`; `None`: the family is IPv4.
    v6: Option<Ipv6Addr>,
    /// `inet_rcv_saddr`
    v4: Ipv4Addr,
    /// `sk_ipv6only`
    v6only: bool,
    options: Options,
    port: u16,
    connected: bool,
}

impl Sock {
    pub(super) fn is_connected_v6(&self) -> bool {
        self.connected && self.v6.is_some_and(|at| at.to_ipv4_mapped().is_none())
    }

    fn is_mapped(&self) -> bool {
        self.v6.is_none_or(|at| at.to_ipv4_mapped().is_some())
    }

    fn is_any_v6(&self) -> bool {
        self.v6.is_some_and(|at| at.is_unspecified())
    }

    /// `inet_rcv_saddr_equal`, with wildcards.
    fn meets(&self, other: &Self) -> bool {
        let as_v4 = !other.v6only
            && (self.v4 == other.v4 || self.v4.is_unspecified() || other.v4.is_unspecified());
        if self.v6.is_none() || self.is_mapped() && other.is_mapped() {
            return as_v4;
        }
        self.is_any_v6() && other.is_any_v6()
            || other.is_any_v6() && !(other.v6only && self.is_mapped())
            || self.is_any_v6() && !(self.v6only && other.is_mapped())
            || self.v6 == other.v6
    }

    /// `udp_lib_lport_inuse`, of sockets on one port.
    fn conflicts(&self, other: &Self) -> bool {
        let (own, others) = (self.options, other.options);
        let shares = own.reuse && others.reuse || own.reuseport && others.reuseport;
        !shares && (own.dev == 0 || others.dev == 0 || own.dev == others.dev) && self.meets(other)
    }
}

/// The tables of one namespace.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    ports: u16,
    reserved: u16,
    socks: Vec<Sock>,
    next: u32,
}

impl Kernel {
    /// Whose range has so many ports from 100 on.
    pub(super) fn new(ports: u16, reserved: u16) -> Self {
        Self {
            ports,
            reserved,
            socks: Vec::new(),
            next: 0,
        }
    }

    pub(super) fn ports(&self) -> u16 {
        self.ports
    }

    pub(super) fn socks(&self) -> impl Iterator<Item = &Sock> {
        self.socks.iter()
    }

    /// bind(), or the autobind of an unbound socket (any address, port 0).
    pub(super) fn bind(&mut self, at: IpAddr, port: u16, options: Options) -> Option<u32> {
        let mut sock = Sock {
            id: self.next,
            v6: None,
            v4: Ipv4Addr::UNSPECIFIED,
            v6only: false,
            options,
            port: 0,
            connected: false,
        };
        match at {
            IpAddr::V4(at) => sock.v4 = at,
            IpAddr::V6(at) => {
                sock.v6 = Some(at);
                match at.to_ipv4_mapped() {
                    // An IPv6-only socket may not be bound to these (`__inet6_bind`).
                    Some(_) if options.v6only => return None,
                    Some(mapped) => sock.v4 = mapped,
                    None if at.is_unspecified() => sock.v6only = options.v6only,
                    None => {
                        sock.v4 = Ipv4Addr::new(127, 0, 0, 6);
                        sock.v6only = true;
                    }
                }
            }
        }
        sock.port = if port == 0 {
            let mut range = 100..100 + self.ports;
            range.find(|&port| port != self.reserved && self.is_free(&sock, port))?
        } else {
            Some(port).filter(|&port| self.is_free(&sock, port))?
        };
        self.next += 1;
        self.socks.push(sock);
        Some(self.next - 1)
    }

    fn is_free(&self, sock: &Sock, port: u16) -> bool {
        let mut others = self.socks.iter().filter(|other| other.port == port);
        !others.any(|other| sock.conflicts(other))
    }

    /// connect(), which gives a socket without address one.
    pub(super) fn connect(&mut self, id: u32, source: IpAddr) {
        let Some(sock) = self.socks.iter_mut().find(|sock| sock.id == id) else {
            return;
        };
        sock.connected = true;
        match (&mut sock.v6, source) {
            (None, IpAddr::V4(source)) => sock.v4 = source,
            (Some(at), IpAddr::V4(source)) => {
                *at = source.to_ipv6_mapped();
                sock.v4 = source;
            }
            (Some(at), IpAddr::V6(source)) => {
                *at = source;
                sock.v4 = Ipv4Addr::new(127, 0, 0, 6);
            }
            (None, IpAddr::V6(_)) => {}
        }
    }

    pub(super) fn close(&mut self, which: usize) {
        if !self.socks.is_empty() {
            let which = which % self.socks.len();
            self.socks.remove(which);
        }
    }

    /// What sock_diag tells.
    pub(super) fn found(&self, netns: u32) -> Vec<UdpSocket> {
        let row = |sock: &Sock| {
            let src = sock
                .v6
                .map_or(IpAddr::V4(sock.v4), IpAddr::V6)
                .to_canonical();
            UdpSocket {
                netns,
                src,
                port: sock.port,
                dev: sock.options.dev,
                v6only: (src.is_ipv6() && !sock.connected).then_some(sock.v6only),
                process: None,
            }
        };
        self.socks.iter().map(row).collect()
    }
}
