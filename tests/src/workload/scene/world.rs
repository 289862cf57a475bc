//! Does what a plan says.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, ensure};
use rustix::io::Errno;
use rustix::net::sockopt;

use super::plan::{Action, End, Share, Space, Then};
use crate::sys;
use crate::workload::pair::Pair;
use crate::workload::server::{Peer, listen};
use crate::workload::sockets;

/// The sockets of a scene.
#[derive(Default)]
pub(super) struct World {
    listeners: BTreeMap<SocketAddr, TcpListener>,
    pairs: Vec<Pair>,
    /// Bound, connected to nobody.
    bound: Vec<OwnedFd>,
    /// Ends of connections whose other end has closed.
    peers: Vec<TcpStream>,
    /// One of each space, in the order of the plan.
    pub(super) anchors: Vec<Anchor>,
    /// When the first port was left to a minisocket.
    pub(super) first_wait: Option<Instant>,
}

/// A connection that stays, by which its space is known.
pub(super) struct Anchor {
    pub(super) space: Space,
    pub(super) source: IpAddr,
}

impl Space {
    /// A socket that connects from there within that range.
    pub(super) fn socket(&self, mapped: bool, nonblocking: bool) -> Result<OwnedFd> {
        let socket = sockets::new(self.address(mapped), nonblocking)?;
        if let Some((low, high)) = self.own_range {
            let value = u32::from(high) << 16 | u32::from(low);
            // Without it (before 6.3), it is a connect like the others.
            let _ = sys::set_ip_option(&socket, sys::LOCAL_PORT_RANGE, value);
        }
        if let Some(source) = self.source {
            sys::set_ip_option(&socket, libc::IP_BIND_ADDRESS_NO_PORT, 1)?;
            let source = SocketAddr::new(source, 0);
            rustix::net::bind(&socket, &if mapped { map(source) } else { source })?;
        }
        Ok(socket)
    }

    fn address(&self, mapped: bool) -> SocketAddr {
        if mapped { map(self.dst) } else { self.dst }
    }
}

impl World {
    /// Listens at every destination.
    pub(super) fn new(spaces: &[Space]) -> Result<Self> {
        let mut world = Self::default();
        for space in spaces {
            let listener = listen(space.dst, Peer::Ignore)?;
            world.listeners.insert(space.dst, listener);
        }
        Ok(world)
    }

    /// Returns what came of it: a port, or an error that such an action may have.
    pub(super) fn act(&mut self, action: &Action) -> Result<String> {
        match *action {
            Action::Connect {
                to,
                mapped,
                end,
                must,
            } => {
                let socket = to.socket(mapped, false)?;
                let outcome = self.connect(socket, to.address(mapped), to.dst, end)?;
                if must {
                    let local = outcome.map_err(|errno| anyhow!("{errno}"))?;
                    self.anchors.push(Anchor {
                        space: to,
                        source: local.ip().to_canonical(),
                    });
                }
                Ok(told(outcome))
            }
            Action::Prebound {
                dst,
                bind,
                share,
                end,
            } => {
                let socket = sockets::new(dst, false)?;
                set_share(&socket, share)?;
                match rustix::net::bind(&socket, &bind) {
                    Ok(()) => Ok(told(self.connect(socket, dst, dst, end)?)),
                    Err(errno) => Ok(told(Err(errno))),
                }
            }
            Action::Bind {
                at,
                share,
                v6only,
                then,
            } => {
                let socket = sockets::new(at, false)?;
                set_share(&socket, share)?;
                if at.is_ipv6() {
                    sockopt::set_ipv6_v6only(&socket, v6only)?;
                }
                Ok(told(self.bind(socket, at, then)?))
            }
            Action::Release => Ok(match self.bound.pop() {
                Some(socket) => told(Ok(local(&socket)?)),
                None => "nothing to release".to_owned(),
            }),
        }
    }

    fn bind(
        &mut self,
        socket: OwnedFd,
        at: SocketAddr,
        then: Then,
    ) -> Result<Result<SocketAddr, Errno>> {
        if let Err(errno) = rustix::net::bind(&socket, &at) {
            ensure!(errno == Errno::ADDRINUSE, "bind: {errno}");
            return Ok(Err(errno));
        }
        let bound = local(&socket)?;
        match then {
            Then::Hold => self.bound.push(socket),
            Then::Listen => {
                if let Err(errno) = rustix::net::listen(&socket, 1) {
                    return Ok(Err(errno));
                }
                self.bound.push(socket);
            }
            Then::Close => drop(socket),
        }
        Ok(Ok(bound))
    }

    fn connect(
        &mut self,
        socket: OwnedFd,
        to: SocketAddr,
        listener: SocketAddr,
        end: End,
    ) -> Result<Result<SocketAddr, Errno>> {
        if let Err(errno) = rustix::net::connect(&socket, &to) {
            ensure!(errno == Errno::ADDRNOTAVAIL, "connect: {errno}");
            return Ok(Err(errno));
        }
        let local = local(&socket)?;
        let listener = self.listeners.get(&listener).context("nobody listens")?;
        self.end(Pair::of(socket, listener)?, end)?;
        Ok(Ok(local))
    }

    fn end(&mut self, pair: Pair, end: End) -> Result<()> {
        match end {
            End::Keep => self.pairs.push(pair),
            End::Reset => pair.reset()?,
            End::TimeWait => {
                self.first_wait.get_or_insert_with(Instant::now);
                pair.into_time_wait()?;
            }
            End::Passive => drop(pair.half_closed_by_peer()?),
            End::HalfClosed => self.pairs.push(pair.half_closed()?),
            End::Orphan => {
                self.first_wait.get_or_insert_with(Instant::now);
                self.peers.push(pair.half_closed()?.server);
            }
            End::CloseWait => self.pairs.push(pair.half_closed_by_peer()?),
        }
        Ok(())
    }
}

fn set_share(socket: &OwnedFd, share: Share) -> Result<()> {
    match share {
        Share::No => {}
        Share::ReuseAddress => sockopt::set_socket_reuseaddr(socket, true)?,
        Share::ReusePort => sockopt::set_socket_reuseport(socket, true)?,
    }
    Ok(())
}

fn local(socket: &OwnedFd) -> Result<SocketAddr> {
    Ok(SocketAddr::try_from(rustix::net::getsockname(socket)?)?)
}

fn map(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) => SocketAddr::from((v4.ip().to_ipv6_mapped(), v4.port())),
        v6 @ SocketAddr::V6(_) => v6,
    }
}

fn told(outcome: Result<SocketAddr, Errno>) -> String {
    match outcome {
        Ok(local) => local.to_string(),
        Err(errno) => errno.to_string(),
    }
}
