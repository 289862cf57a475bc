//! A connection with both of its ends in one process, so that each step of its end is certain.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use anyhow::{Context as _, Result};

use super::sockets::{self, Close};

pub(crate) struct Pair {
    pub(super) client: OwnedFd,
    pub(super) server: TcpStream,
}

impl Pair {
    /// Takes the other end of a connection that was just made; nobody else may accept.
    pub(crate) fn of(client: OwnedFd, listener: &TcpListener) -> Result<Self> {
        let (server, _) = listener.accept().context("accept")?;
        Ok(Self { client, server })
    }

    /// The client closes first, and is in `TIME_WAIT` when this returns.
    pub(crate) fn into_time_wait(self) -> Result<()> {
        let client = sockets::half_close(self.client, false)?;
        drop(self.server);
        sockets::wait_for_fin(client.into())
    }

    /// The client goes to `FIN_WAIT2`, the peer to `CLOSE_WAIT`.
    pub(super) fn half_closed(self) -> Result<Self> {
        let client = sockets::half_close(self.client, false)?;
        Ok(Self { client, ..self })
    }

    /// The other way round.
    pub(super) fn half_closed_by_peer(self) -> Result<Self> {
        self.server.shutdown(Shutdown::Write)?;
        let client = TcpStream::from(self.client);
        sockets::wait_for_fin(client.try_clone()?)?;
        Ok(Self {
            client: client.into(),
            ..self
        })
    }

    pub(super) fn reset(self) -> Result<()> {
        sockets::close(self.client, Close::Reset)
    }
}
