//! Binds to port 0 of an address so many times, and keeps what it gets.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::stage::Stage;
use crate::fact::Fact;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    at: IpAddr,
    /// How often it binds, whatever comes of it.
    #[arg(long)]
    binds: u32,
    #[arg(long)]
    udp: bool,
}

pub(crate) fn run(args: &Args, stage: &Stage) -> Result<()> {
    let kind = if args.udp {
        SocketType::DGRAM
    } else {
        SocketType::STREAM
    };
    let family = if args.at.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let at = SocketAddr::new(args.at, 0);
    stage.pause("start")?;
    let mut bound = Vec::new();
    for _ in 0..args.binds {
        let socket = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
        match rustix::net::bind(&socket, &at) {
            Ok(()) => bound.push(socket),
            Err(Errno::ADDRINUSE) => {}
            Err(error) => return Err(error).with_context(|| format!("bind to {at}")),
        }
    }
    stage.tell(&Fact::BoundAll {
        at: args.at,
        binds: bound.len().try_into()?,
    })?;
    stage.pause("bound")
}
