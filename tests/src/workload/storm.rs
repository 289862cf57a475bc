//! As many failing connects as there can be, for so many.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use rustix::io::Errno;

use super::sockets;
use super::stage::Stage;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    dst: SocketAddr,
    #[arg(long)]
    count: u32,
}

pub(crate) fn run(args: &Args, stage: &Stage) -> Result<()> {
    let mut held = Vec::new();
    loop {
        let socket = sockets::new(args.dst, false)?;
        match rustix::net::bind(&socket, &SocketAddr::new(args.dst.ip(), 0)) {
            Ok(()) => held.push(socket),
            Err(Errno::ADDRINUSE) => break,
            Err(error) => return Err(error.into()),
        }
        ensure!(held.len() < 100, "the ports do not run out");
    }
    stage.pause("start")?;
    for number in 0..args.count {
        let socket = sockets::new(args.dst, false)?;
        let outcome = rustix::net::connect(&socket, &args.dst);
        ensure!(
            outcome == Err(Errno::ADDRNOTAVAIL),
            "connect {number}: {outcome:?}"
        );
    }
    stage.pause("failed")
}
