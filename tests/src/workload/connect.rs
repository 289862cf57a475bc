//! Connects in many variations, to a listener in the same process if there is no other.
//!
//! Steps of each round: open; close, unless each connection is closed at once.

use std::ffi::CString;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Barrier;
use std::thread;

use anyhow::{Context as _, Result, anyhow, ensure};

use super::server::{Peer, listen};
use super::sockets::{self, Close, Via};
use super::stage::Stage;
use crate::confine::become_user;
use crate::fact::Fact;

/// Connects of one thread in one round, however they end.
const MOST: usize = 2000;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    dst: SocketAddr,
    /// Connects per thread and round.
    #[arg(long, default_value_t = MOST)]
    count: usize,
    /// A thread stops after so many of its connects found no port.
    #[arg(long)]
    failures: Option<usize>,
    #[arg(long, default_value_t = 1)]
    threads: usize,
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    #[arg(long)]
    nonblocking: bool,
    #[arg(long, value_enum, default_value = "connect")]
    via: Via,
    /// Somebody else listens.
    #[arg(long)]
    served: bool,
    #[arg(long, value_enum, default_value = "ignore")]
    peer: Peer,
    #[arg(long, value_enum, default_value = "reset")]
    close: Close,
    /// Close each connection before the next is opened.
    #[arg(long)]
    churn: bool,
    /// Bind the first to this address, the others to the ports after it.
    #[arg(long)]
    bind: Option<SocketAddr>,
    #[arg(long)]
    uid: Option<u32>,
    /// Name of the threads; with more than one, their number follows.
    #[arg(long, default_value = "load")]
    comm: String,
    /// The same, as hexadecimal bytes.
    #[arg(long)]
    comm_hex: Option<String>,
}

pub(crate) fn run(args: &Args, stage: &Stage) -> Result<()> {
    let _listener = (!args.served)
        .then(|| listen(args.dst, args.peer))
        .transpose()?;
    if args.threads == 1 {
        // A process goes by the name of its first thread.
        set_name(args, 0)?;
    }
    if let Some(uid) = args.uid {
        become_user(uid)?;
    }
    check_via(args, stage)?;
    stage.pause("start")?;
    for _ in 0..args.rounds {
        let open = open_all(args, stage)?;
        if !args.churn {
            stage.pause("opened")?;
            open.into_iter()
                .try_for_each(|socket| sockets::close(socket, args.close))?;
        }
        stage.pause("closed")?;
    }
    Ok(())
}

fn check_via(args: &Args, stage: &Stage) -> Result<()> {
    if matches!(args.via, Via::Uring | Via::UringWorker)
        && let Err(error) = io_uring::IoUring::new(2)
    {
        stage.tell(&Fact::Unsupported {
            why: format!("no io_uring here: {error}"),
        })?;
    }
    Ok(())
}

/// All threads begin together, and stay until the last has finished: their ids are distinct.
fn open_all(args: &Args, stage: &Stage) -> Result<Vec<OwnedFd>> {
    let together = Barrier::new(args.threads);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..args.threads)
            .map(|number| {
                let together = &together;
                scope.spawn(move || {
                    set_name(args, number)?;
                    together.wait();
                    let sockets = open(args, stage);
                    together.wait();
                    sockets
                })
            })
            .collect();
        let mut open = Vec::new();
        for thread in threads {
            open.extend(thread.join().map_err(|_| anyhow!("a thread panicked"))??);
        }
        Ok(open)
    })
}

fn open(args: &Args, stage: &Stage) -> Result<Vec<OwnedFd>> {
    let mut open = Vec::new();
    let mut failures = 0;
    for number in 0..args.count.min(MOST) {
        let socket = sockets::new(args.dst, args.nonblocking)?;
        if let Some(mut local) = args.bind {
            local.set_port(local.port() + u16::try_from(number)?);
            sockets::bind(&socket, local)?;
        }
        let connect = sockets::connect(&socket, args.dst, args.via, args.bind.is_some())?;
        let failed = connect.failed();
        stage.tell(&Fact::Connect(connect))?;
        if failed {
            failures += 1;
        } else if args.churn {
            sockets::close(socket, args.close)?;
        } else {
            open.push(socket);
        }
        if args.failures.is_some_and(|wanted| failures >= wanted) {
            break;
        }
    }
    Ok(open)
}

fn set_name(args: &Args, number: usize) -> Result<()> {
    let mut name = match &args.comm_hex {
        Some(hex) => from_hex(hex)?,
        None => args.comm.clone().into_bytes(),
    };
    if args.threads > 1 {
        name.extend(format!("-{number}").into_bytes());
    }
    rustix::thread::set_name(&CString::new(name)?).context("cannot set the thread's name")
}

fn from_hex(text: &str) -> Result<Vec<u8>> {
    ensure!(
        text.is_ascii() && text.len().is_multiple_of(2),
        "not hexadecimal: {text}"
    );
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).context("not hexadecimal"))
        .collect()
}
