//! Sockets that connect again after they failed.
//!
//! The steps: one socket is refused; others take all ports, until one finds none; the refused one
//! finds none either, three times; a port is freed, and the refused one gets it; another is freed,
//! and the one that found none gets it.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use anyhow::{Context as _, Result};

use super::server::{Peer, listen};
use super::sockets::{self, Close, Via};
use super::stage::Stage;
use crate::fact::Fact;

/// More ports than this are not tried.
const MOST: usize = 100;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    dst: SocketAddr,
    /// Where nobody listens.
    #[arg(long)]
    refused: SocketAddr,
}

pub(crate) fn run(args: &Args, stage: &Stage) -> Result<()> {
    let _listener = listen(args.dst, Peer::Ignore)?;
    let connect = |socket: &OwnedFd, dst| -> Result<bool> {
        let connect = sockets::connect(socket, dst, Via::Connect, false)?;
        let failed = connect.failed();
        stage.tell(&Fact::Connect(connect))?;
        Ok(failed)
    };
    stage.pause("start")?;
    let refused = sockets::new(args.dst, false)?;
    connect(&refused, args.refused)?;

    let mut open = Vec::new();
    let mut without_port = None;
    for _ in 0..MOST {
        let socket = sockets::new(args.dst, false)?;
        if connect(&socket, args.dst)? {
            without_port = Some(socket);
            break;
        }
        open.push(socket);
    }
    let without_port = without_port.context("the ports did not run out")?;
    for _ in 0..3 {
        connect(&refused, args.dst)?;
    }
    stage.pause("exhausted")?;
    for socket in [&refused, &without_port] {
        sockets::close(open.pop().context("no connection is left")?, Close::Reset)?;
        connect(socket, args.dst)?;
    }
    stage.pause("connected again")
}
