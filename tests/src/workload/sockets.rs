//! Making, connecting and closing the client sockets.

use std::io::{ErrorKind, Read as _};
use std::net::{IpAddr, Ipv6Addr, Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use rustix::time::ClockId;

use crate::fact::Connect;
use crate::sys;

/// How long the peer may take for its part of the end.
const PEER_LIMIT: Duration = Duration::from_secs(20);

/// `TCP_FIN_WAIT2` in the kernel's `net/tcp_states.h`.
const FIN_WAIT2: u8 = 5;

/// The system call that asks for the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Via {
    Connect,
    Fastopen,
    Uring,
    UringWorker,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Close {
    /// FIN, wait for the peer's FIN, close: `TIME_WAIT`, for certain before this returns.
    Active,
    /// Wait for the peer's FIN, then close: no `TIME_WAIT` on this side.
    Passive,
    /// Just close.
    Orphan,
    /// With a reset.
    Reset,
    /// FIN, wait until it is acknowledged (`FIN_WAIT2`), then the same.
    HalfReset,
    /// The same, then connect to nowhere (`AF_UNSPEC`).
    HalfDisconnect,
    /// The same with data of the peer's unread, then just close.
    HalfUnread,
    /// The same without waiting in `FIN_WAIT2` (`TCP_LINGER2` below 0), then just close.
    HalfImpatient,
}

/// A TCP socket of the destination's family.
pub(crate) fn new(dst: SocketAddr, nonblocking: bool) -> Result<OwnedFd> {
    let family = if dst.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let mut flags = SocketFlags::CLOEXEC;
    flags.set(SocketFlags::NONBLOCK, nonblocking);
    rustix::net::socket_with(family, SocketType::STREAM, flags, None).context("socket")
}

/// Binds to an explicit port that others may share.
pub(crate) fn bind(socket: &OwnedFd, local: SocketAddr) -> Result<()> {
    sockopt::set_socket_reuseaddr(socket, true)?;
    rustix::net::bind(socket, &local).with_context(|| format!("bind to {local}"))
}

/// Connects, and notes all that can be known about it here.
pub(crate) fn connect(socket: &OwnedFd, dst: SocketAddr, via: Via, bound: bool) -> Result<Connect> {
    let result = match via {
        Via::Connect => rustix::net::connect(socket, &dst),
        Via::Fastopen => sys::connect_by_fastopen(socket, dst),
        Via::Uring | Via::UringWorker => {
            sys::connect_by_io_uring(socket, dst, via == Via::UringWorker).context("io_uring")?
        }
    };
    let now = rustix::time::clock_gettime(ClockId::Monotonic);
    let at = Duration::new(now.tv_sec.cast_unsigned(), u32::try_from(now.tv_nsec)?);
    let unspecified = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);
    let local = rustix::net::getsockname(socket)?;
    Ok(Connect {
        at_ns: u64::try_from(at.as_nanos())?,
        pid: std::process::id(),
        tid: rustix::thread::gettid()
            .as_raw_nonzero()
            .get()
            .cast_unsigned(),
        uid: rustix::process::getuid().as_raw(),
        comm: comm(),
        cgroup: cgroup(),
        errno: result.err().map(errno_name),
        bound,
        local: SocketAddr::try_from(local).unwrap_or(unspecified),
        dst,
    })
}

/// Ends a connection.
pub(crate) fn close(socket: OwnedFd, how: Close) -> Result<()> {
    match how {
        Close::Active => {
            let stream = TcpStream::from(socket);
            stream.shutdown(Shutdown::Write)?;
            wait_for_fin(stream)?;
        }
        Close::Passive => wait_for_fin(TcpStream::from(socket))?,
        Close::Orphan => drop(socket),
        Close::Reset => reset(&socket)?,
        Close::HalfReset => reset(&half_close(socket, false)?)?,
        Close::HalfDisconnect => disconnect(&half_close(socket, false)?)?,
        Close::HalfUnread => drop(half_close(socket, true)?),
        Close::HalfImpatient => sys::set_no_linger2(&half_close(socket, false)?)?,
    }
    Ok(())
}

/// Ends a connection and leaves its socket, which keeps a port that it was bound to.
pub(crate) fn disconnect(socket: &OwnedFd) -> Result<()> {
    rustix::net::connect_unspec(socket).context("disconnect")
}

/// Lets the close that follows be a reset.
fn reset(socket: &OwnedFd) -> Result<()> {
    Ok(sockopt::set_socket_linger(socket, Some(Duration::ZERO))?)
}

/// Goes to `FIN_WAIT2`; the peer does not close.
pub(super) fn half_close(socket: OwnedFd, unread: bool) -> Result<OwnedFd> {
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PEER_LIMIT))?;
    if unread {
        stream.peek(&mut [0]).context("the peer sent nothing")?;
    }
    stream.shutdown(Shutdown::Write)?;
    let end = Instant::now() + PEER_LIMIT;
    while sys::tcp_state(&stream)? != FIN_WAIT2 {
        ensure!(Instant::now() < end, "the FIN was not acknowledged");
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(stream.into())
}

/// Waits for the peer to reset the connection.
pub(crate) fn wait_for_reset(socket: &OwnedFd) -> Result<()> {
    let mut stream = TcpStream::from(socket.try_clone()?);
    stream.set_read_timeout(Some(PEER_LIMIT))?;
    let error = stream.read(&mut [0]).err().map(|error| error.kind());
    ensure!(
        error == Some(ErrorKind::ConnectionReset),
        "the peer did not reset: {error:?}"
    );
    Ok(())
}

/// Waits for the peer's FIN, then closes.
pub(super) fn wait_for_fin(mut stream: TcpStream) -> Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PEER_LIMIT))?;
    ensure!(
        stream.read(&mut [0]).context("the peer did not close")? == 0,
        "unasked data"
    );
    Ok(())
}

pub(super) fn errno_name(errno: Errno) -> String {
    let name = match errno {
        Errno::ADDRNOTAVAIL => "EADDRNOTAVAIL",
        Errno::ADDRINUSE => "EADDRINUSE",
        Errno::AGAIN => "EAGAIN",
        Errno::INPROGRESS => "EINPROGRESS",
        Errno::CONNREFUSED => "ECONNREFUSED",
        Errno::CONNRESET => "ECONNRESET",
        Errno::NETUNREACH => "ENETUNREACH",
        other => return format!("errno {}", other.raw_os_error()),
    };
    name.to_owned()
}

/// The name of the calling thread, as the kernel has it.
pub(super) fn comm() -> String {
    let bytes = std::fs::read("/proc/thread-self/comm").unwrap_or_default();
    let name = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    String::from_utf8_lossy(name).into_owned()
}

pub(super) fn cgroup() -> Option<String> {
    static PATH: OnceLock<Option<String>> = OnceLock::new();
    PATH.get_or_init(|| {
        let text = std::fs::read_to_string("/proc/self/cgroup").ok()?;
        text.lines()
            .find_map(|line| line.strip_prefix("0::"))
            .map(ToOwned::to_owned)
    })
    .clone()
}
