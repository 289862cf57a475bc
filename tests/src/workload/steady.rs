//! Connects at a steady rate, each closed at once into `TIME_WAIT` or kept, until one finds no port.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::pair::Pair;
use super::server::{Peer, listen};
use super::sockets::{self, Via};
use super::stage::Stage;
use crate::fact::Fact;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    dst: SocketAddr,
    #[arg(long)]
    per_second: u32,
    /// No more than so many.
    #[arg(long)]
    most: u32,
    /// Close none of them.
    #[arg(long)]
    keep: bool,
}

pub(crate) fn run(args: &Args, stage: &Stage) -> Result<()> {
    let listener = listen(args.dst, Peer::Ignore)?;
    stage.pause("start")?;
    let begin = Instant::now();
    let mut kept = Vec::new();
    for number in 0..args.most {
        // By the clock and not by pauses: what one takes longer, the next makes up for.
        let due = begin + Duration::from_secs(number.into()) / args.per_second;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let socket = sockets::new(args.dst, false)?;
        let connect = sockets::connect(&socket, args.dst, Via::Connect, false)?;
        let failed = connect.failed();
        stage.tell(&Fact::Connect(connect))?;
        if failed {
            return stage.pause("failed");
        }
        let pair = Pair::of(socket, &listener)?;
        if args.keep {
            kept.push(pair);
        } else {
            pair.into_time_wait()?;
        }
    }
    if args.keep {
        return stage.pause("kept");
    }
    bail!("{} connects, and no failure", args.most)
}
