//! Both ends of the connections of one thread.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use super::{Args, Close, Family};

/// More than are ever between connect and accept.
const BACKLOG: i32 = 1024;

/// Where a thread connects to, and how it closes.
pub(super) struct Ends {
    pub(super) listeners: Vec<Listener>,
    family: AddressFamily,
    reset: bool,
}

pub(super) struct Listener {
    pub(super) socket: OwnedFd,
    pub(super) address: SocketAddr,
}

impl Ends {
    /// Listeners at consecutive ports.
    pub(super) fn new(args: &Args, first_port: u16) -> Result<Self> {
        let (family, address): (_, IpAddr) = match args.family {
            Family::V4 => (AddressFamily::INET, Ipv4Addr::LOCALHOST.into()),
            Family::V6 => (AddressFamily::INET6, Ipv6Addr::LOCALHOST.into()),
        };
        let mut ends = Self {
            listeners: Vec::new(),
            family,
            reset: args.close == Close::Rst,
        };
        for number in 0..args.destinations {
            let address = SocketAddr::new(address, first_port + number);
            let socket = ends.open(args.epoll).context("socket")?;
            sockopt::set_socket_reuseaddr(&socket, true)?;
            rustix::net::bind(&socket, &address).with_context(|| format!("bind to {address}"))?;
            rustix::net::listen(&socket, BACKLOG).context("listen")?;
            ends.listeners.push(Listener { socket, address });
        }
        Ok(ends)
    }

    /// A client's socket.
    pub(super) fn open(&self, nonblocking: bool) -> rustix::io::Result<OwnedFd> {
        let mut flags = SocketFlags::CLOEXEC;
        flags.set(SocketFlags::NONBLOCK, nonblocking);
        rustix::net::socket_with(self.family, SocketType::STREAM, flags, None)
    }

    /// Closes a connection, the client's end first, or a client's end alone.
    pub(super) fn close(&self, client: OwnedFd, server: Option<OwnedFd>) -> rustix::io::Result<()> {
        if self.reset {
            sockopt::set_socket_linger(&client, Some(Duration::ZERO))?;
        }
        drop(client);
        drop(server);
        Ok(())
    }
}

impl Listener {
    /// The server's end of a connection.
    pub(super) fn accept(&self) -> rustix::io::Result<OwnedFd> {
        retry_on_intr(|| rustix::net::accept_with(&self.socket, SocketFlags::CLOEXEC))
    }

    /// Whether the connect got a port; any other error than the lack of one is one.
    pub(super) fn connect(&self, socket: &OwnedFd) -> Result<bool> {
        match rustix::net::connect(socket, &self.address) {
            Ok(()) | Err(Errno::INPROGRESS) => Ok(true),
            Err(Errno::ADDRNOTAVAIL) => Ok(false),
            Err(error) => Err(error).with_context(|| format!("connect to {}", self.address)),
        }
    }
}
