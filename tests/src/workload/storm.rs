//! As many failing connects as there can be, or sends of unbound UDP sockets.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::thread::ScopedJoinHandle;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::sockets;
use super::stage::Stage;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    dst: SocketAddr,
    /// Failures of each thread.
    #[arg(long)]
    count: u32,
    #[arg(long, default_value_t = 1)]
    threads: usize,
    #[arg(long)]
    udp: bool,
}

pub(crate) fn run(args: &Args, stage: &Stage) -> Result<()> {
    let mut held = Vec::new();
    loop {
        let socket = args.open()?;
        match rustix::net::bind(&socket, &SocketAddr::new(args.dst.ip(), 0)) {
            Ok(()) => held.push(socket),
            Err(Errno::ADDRINUSE) => break,
            Err(error) => return Err(error.into()),
        }
        ensure!(held.len() < 100, "the ports do not run out");
    }
    stage.pause("start")?;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..args.threads)
            .map(|_| scope.spawn(|| args.fail()))
            .collect();
        let mut outcomes = threads.into_iter().map(ScopedJoinHandle::join);
        outcomes.try_for_each(|outcome| outcome.unwrap_or_else(|_| bail!("a panic")))
    })?;
    stage.pause("failed")
}

impl Args {
    fn open(&self) -> Result<OwnedFd> {
        if !self.udp {
            return sockets::new(self.dst, false);
        }
        let (family, kind) = (AddressFamily::INET, SocketType::DGRAM);
        rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, None).context("socket")
    }

    fn fail(&self) -> Result<()> {
        for number in 0..self.count {
            let socket = self.open()?;
            let outcome = rustix::net::connect(&socket, &self.dst);
            let expected = if self.udp {
                Errno::AGAIN
            } else {
                Errno::ADDRNOTAVAIL
            };
            ensure!(outcome == Err(expected), "connect {number}: {outcome:?}");
        }
        Ok(())
    }
}
