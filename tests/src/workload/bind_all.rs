//! Binds to port 0 of an address until there is no port, then lets them all go.
//!
//! A step for each address.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result, bail};
use rustix::io::Errno;

use super::sockets;
use super::stage::Stage;
use crate::fact::Fact;

/// More than any range here has ports.
const MOST: u32 = 2000;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long, required = true)]
    at: Vec<IpAddr>,
}

pub(crate) fn run(args: &Args, stage: &Stage) -> Result<()> {
    stage.pause("start")?;
    for at in &args.at {
        let binds = bind_all(*at)?;
        stage.tell(&Fact::BoundAll { at: *at, binds })?;
        stage.pause("bound all")?;
    }
    Ok(())
}

fn bind_all(at: IpAddr) -> Result<u32> {
    let at = SocketAddr::new(at, 0);
    let mut bound = Vec::new();
    for number in 0..MOST {
        let socket = sockets::new(at, false)?;
        match rustix::net::bind(&socket, &at) {
            Ok(()) => bound.push(socket),
            Err(Errno::ADDRINUSE) => return Ok(number),
            Err(error) => return Err(error).with_context(|| format!("bind to {at}")),
        }
    }
    bail!("the ports of {at} do not run out")
}
