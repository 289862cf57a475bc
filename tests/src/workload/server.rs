//! The listening side of the connections.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use super::stage::Stage;

/// Connections that the kernel completes before anybody accepts them.
const BACKLOG: i32 = 4096;

/// Longer than the kernel delays an ACK (40 ms).
const DELAYED_ACK: Duration = Duration::from_millis(150);

/// In which a thread that may run surely does.
const SCHEDULED: Duration = Duration::from_millis(300);

#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long, value_enum, default_value = "close-late")]
    peer: Peer,
}

/// What the listening side does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Peer {
    /// Nothing: it stays in the backlog.
    Ignore,
    /// Accept, and close when the client has closed.
    Close,
    /// The same, but only when the client's FIN has surely been acknowledged by itself. On two
    /// CPUs, a FIN that meets a closed socket just turning into a minisock may end both.
    CloseLate,
    /// Accept, and close before the client does.
    First,
    /// Accept, and reset when the client has surely returned from its call.
    Reset,
    /// Accept, send a byte, and never close.
    Speak,
}

/// Listens, until the returned socket is dropped or the process ends.
pub(crate) fn listen(at: SocketAddr, peer: Peer) -> Result<TcpListener> {
    // The peer of a mapped address is an IPv4 one.
    let at = SocketAddr::new(at.ip().to_canonical(), at.port());
    let family = if at.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let socket: OwnedFd =
        rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    rustix::net::bind(&socket, &at).with_context(|| format!("cannot listen at {at}"))?;
    rustix::net::listen(&socket, BACKLOG)?;
    let listener = TcpListener::from(socket);
    if peer != Peer::Ignore {
        let accepting = listener.try_clone()?;
        thread::spawn(move || accept(&accepting, peer));
    }
    Ok(listener)
}

fn accept(listener: &TcpListener, peer: Peer) {
    let mut kept = Vec::new();
    for mut stream in listener.incoming().map_while(Result::ok) {
        match peer {
            Peer::First => drop(stream),
            Peer::Speak => {
                // Without it, the client waits for data until it gives up.
                let _ = stream.write_all(b"x");
                kept.push(stream);
            }
            // Each on its own: clients close in any order.
            _ => drop(thread::spawn(move || end(stream, peer))),
        }
    }
}

fn end(stream: TcpStream, peer: Peer) {
    if peer == Peer::Reset {
        thread::sleep(SCHEDULED);
        // A close without a reset, which the client does not take for one.
        let _ = sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
    } else {
        close_after_client(stream, peer);
    }
}

fn close_after_client(mut stream: TcpStream, peer: Peer) {
    // Data ends it no less than the end of data: workloads send none.
    let _ = stream.read(&mut [0]);
    if peer == Peer::CloseLate {
        thread::sleep(DELAYED_ACK);
    }
}

/// A workload that does nothing but listen.
pub(crate) fn run(args: &Args, stage: &Stage) -> Result<()> {
    let _listener = listen(args.listen, args.peer)?;
    stage.pause("serving")
}
