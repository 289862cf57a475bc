//! Connects that fail at three places of a program, so often as each is told to.

use std::hint::black_box;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use anyhow::{Result, ensure};
use rustix::io::Errno;

use super::sockets;
use super::stage::Stage;
use crate::fact::Fact;

/// How often the places fail. Scenarios know these numbers.
pub(crate) const CHECKOUT: usize = 6;
pub(crate) const REPORT: usize = 3;
pub(crate) const BILLING: usize = 1;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    dst: SocketAddr,
}

pub(crate) fn run(args: &Args, stage: &Stage) -> Result<()> {
    stage.pause("start")?;
    // So that no port is left.
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
    let mut failed = 0;
    for _ in 0..CHECKOUT {
        failed += checkout(args.dst, stage)?;
    }
    for _ in 0..REPORT {
        failed += report(args.dst, stage)?;
    }
    for _ in 0..BILLING {
        failed += billing(args.dst, stage)?;
    }
    ensure!(
        failed == CHECKOUT + REPORT + BILLING,
        "only {failed} connects failed"
    );
    stage.pause("failed")
}

/// Three functions that differ, lest they are made one.
macro_rules! place {
    ($name:ident, $number:literal) => {
        #[inline(never)]
        fn $name(dst: SocketAddr, stage: &Stage) -> Result<usize> {
            let failed = connect(dst, stage)?;
            Ok(black_box(failed * $number) / $number)
        }
    };
}

place!(checkout, 3);
place!(report, 5);
place!(billing, 7);

/// One where it failed.
#[inline(never)]
fn connect(dst: SocketAddr, stage: &Stage) -> Result<usize> {
    let socket = sockets::new(dst, false)?;
    let failed = rustix::net::connect(&socket, &dst) == Err(Errno::ADDRNOTAVAIL);
    stage.tell(&Fact::Note {
        what: format!("fd {}", socket.as_raw_fd()),
    })?;
    Ok(usize::from(black_box(failed)))
}
