//! UDP sockets in any state, made from a seed; then ports are taken until there is none, by bind() and
//! by the calls that bind an unbound socket.
//!
//! Steps: the scene is set; each of [`WAYS`] has been tried.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use anyhow::{Context as _, Result, bail};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, sendto, sockopt};

use super::stage::Stage;
use crate::fact::{Fact, UdpFilled, UdpWay};
use crate::random::Random;

/// More than any range here has ports.
const MOST: u32 = 200;
/// Where nobody listens, outside of all ranges.
const NOBODY: u16 = 9;
/// What the sockets of a scene are bound to.
const ADDRESSES: [&str; 7] = [
    "127.0.0.1",
    "127.0.0.2",
    "127.0.0.6",
    "0.0.0.0",
    "::",
    "::1",
    "::ffff:127.0.0.1",
];
/// How ports are taken then, and at which address.
const WAYS: [(UdpWay, &str); 9] = [
    (UdpWay::Bind, "127.0.0.1"),
    (UdpWay::Bind, "127.0.0.2"),
    (UdpWay::Bind, "0.0.0.0"),
    (UdpWay::Bind, "::1"),
    (UdpWay::Bind, "::"),
    (UdpWay::Connect, "127.0.0.1"),
    (UdpWay::Send, "127.0.0.1"),
    (UdpWay::Connect, "::1"),
    (UdpWay::Send, "::1"),
];

#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    seed: u64,
    /// Connect IPv6 sockets too, of which nobody can tell whether they are in the way of IPv4.
    #[arg(long)]
    connected: bool,
}

pub(crate) fn run(args: &Args, stage: &Stage) -> Result<()> {
    let mut random = Random::new(args.seed);
    let low = random.between(20_000, 30_000);
    let high = low + random.between(11, 40);
    let reserved = random.between(low, high);
    set("ip_local_port_range", &format!("{low} {high}"))?;
    set("ip_local_reserved_ports", &reserved.to_string())?;
    stage.pause("start")?;
    let mut scene = Vec::new();
    for _ in 0..=random.below(14) {
        let (what, socket) = open(&mut random, (low, high), args.connected)?;
        let outcome = if socket.is_some() { "done" } else { "no port" };
        stage.tell(&Fact::Note {
            what: format!("{what}: {outcome}"),
        })?;
        scene.extend(socket);
    }
    stage.pause("set")?;
    for (way, at) in WAYS {
        let at = at.parse()?;
        let got = fill(way, at).with_context(|| format!("{way:?} {at}"))?;
        stage.tell(&Fact::UdpFilled(UdpFilled { way, at, got }))?;
    }
    stage.pause("filled")
}

fn set(name: &str, value: &str) -> Result<()> {
    let path = format!("/proc/sys/net/ipv4/{name}");
    fs::write(&path, value).context(path)
}

fn new(at: IpAddr) -> Result<OwnedFd> {
    let family = match at {
        IpAddr::V4(_) => AddressFamily::INET,
        IpAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC;
    rustix::net::socket_with(family, SocketType::DGRAM, flags, None).context("socket")
}

/// One socket of a scene, if it gets a port.
fn open(
    random: &mut Random,
    (low, high): (u16, u16),
    connected: bool,
) -> Result<(String, Option<OwnedFd>)> {
    if random.one_in(4) {
        let at = if connected && random.one_in(2) {
            "::1"
        } else {
            "127.0.0.1"
        };
        let socket = new(at.parse()?)?;
        let taken = take(UdpWay::Connect, &socket, at.parse()?)?;
        return Ok((format!("connect to {at}"), taken.then_some(socket)));
    }
    let at: IpAddr = random.pick(&ADDRESSES).parse()?;
    let socket = new(at)?;
    let reuse = random.one_in(3);
    sockopt::set_socket_reuseaddr(&socket, reuse)?;
    let reuseport = random.one_in(4);
    sockopt::set_socket_reuseport(&socket, reuseport)?;
    let v6only = at.is_ipv6() && at.is_unspecified() && random.one_in(2);
    if v6only {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    let port = if random.one_in(2) {
        0
    } else {
        random.between(low, high)
    };
    let bound = refused(rustix::net::bind(&socket, &SocketAddr::new(at, port)))?;
    let what = format!("bind {at}:{port}, reuse {reuse} {reuseport}, v6only {v6only}");
    Ok((what, bound.then_some(socket)))
}

/// How many sockets get a port, all held until none is left.
fn fill(way: UdpWay, at: IpAddr) -> Result<u32> {
    let mut held = Vec::new();
    for number in 0..MOST {
        let socket = new(at)?;
        if !take(way, &socket, at)? {
            return Ok(number);
        }
        held.push(socket);
    }
    bail!("the ports do not run out")
}

/// Whether it got a port.
fn take(way: UdpWay, socket: &OwnedFd, at: IpAddr) -> Result<bool> {
    let nobody = SocketAddr::new(at, NOBODY);
    refused(match way {
        UdpWay::Bind => rustix::net::bind(socket, &SocketAddr::new(at, 0)),
        UdpWay::Connect => rustix::net::connect(socket, &nobody),
        UdpWay::Send => sendto(socket, b"x", SendFlags::empty(), &nobody).map(drop),
    })
}

fn refused(outcome: Result<(), Errno>) -> Result<bool> {
    match outcome {
        Ok(()) => Ok(true),
        // Of bind(), and of a call that binds an unbound socket.
        Err(Errno::ADDRINUSE | Errno::AGAIN) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
