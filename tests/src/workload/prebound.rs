//! Two sockets bound to one port connect to one destination: the second cannot.

use std::net::SocketAddr;

use anyhow::Result;

use super::server::{Peer, listen};
use super::sockets::{self, Close, Via};
use super::stage::Stage;
use crate::fact::Fact;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    dst: SocketAddr,
    #[arg(long)]
    bind: SocketAddr,
}

pub(crate) fn run(args: &Args, stage: &Stage) -> Result<()> {
    let _listener = listen(args.dst, Peer::Ignore)?;
    stage.pause("start")?;
    let pair = [
        sockets::new(args.dst, false)?,
        sockets::new(args.dst, false)?,
    ];
    for socket in &pair {
        sockets::bind(socket, args.bind)?;
    }
    for socket in &pair {
        let connect = sockets::connect(socket, args.dst, Via::Connect, true)?;
        stage.tell(&Fact::Connect(connect))?;
    }
    stage.pause("opened")?;
    for socket in pair {
        sockets::close(socket, Close::Reset)?;
    }
    stage.pause("closed")
}
