//! Binds to port 0 of an address, then connects, as a program does that wants a certain source.
//!
//! Steps: open; close.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result};

use super::server::{Peer, listen};
use super::sockets::{self, Close, Via};
use super::stage::Stage;
use crate::fact::Fact;
use crate::sys;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    dst: SocketAddr,
    #[arg(long)]
    from: IpAddr,
    #[arg(long)]
    count: usize,
    /// Somebody else listens.
    #[arg(long)]
    served: bool,
    /// Leave the choice of the port to connect (`IP_BIND_ADDRESS_NO_PORT`).
    #[arg(long)]
    no_port: bool,
}

pub(crate) fn run(args: &Args, stage: &Stage) -> Result<()> {
    let _listener = (!args.served)
        .then(|| listen(args.dst, Peer::Ignore))
        .transpose()?;
    stage.pause("start")?;
    let mut open = Vec::new();
    for _ in 0..args.count {
        let socket = sockets::new(args.dst, false)?;
        if args.no_port {
            sys::set_ip_option(&socket, libc::IP_BIND_ADDRESS_NO_PORT, 1)?;
        }
        let from = SocketAddr::new(args.from, 0);
        rustix::net::bind(&socket, &from).with_context(|| format!("bind to {from}"))?;
        let connect = sockets::connect(&socket, args.dst, Via::Connect, !args.no_port)?;
        stage.tell(&Fact::Connect(connect))?;
        open.push(socket);
    }
    stage.pause("opened")?;
    open.into_iter()
        .try_for_each(|socket| sockets::close(socket, Close::Reset))
}
