//! Calls that want a local port and get none: UDP's autobind by every call that does it, UDP's and
//! TCP's bind(), listen() on an unbound socket; and conflicts, which are no exhaustion.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::io::{Errno, IoSlice};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendFlags, SocketFlags, SocketType, sendmsg_addr, sendto,
};

use super::sockets::{cgroup, comm, errno_name};
use super::stage::Stage;
use crate::fact::{Fact, Refused};
use crate::sys;

/// More than any range here has ports.
const MOST: usize = 200;
/// Where nobody listens.
const NOBODY: u16 = 9;
/// Asked for by number, outside the range.
const NUMBERED: u16 = 4_000;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    v6: bool,
    /// Failing calls of each kind, and thread.
    #[arg(long)]
    failures: usize,
    #[arg(long)]
    threads: usize,
}

pub(crate) fn run(args: &Args, stage: &Stage) -> Result<()> {
    stage.pause("start")?;
    let place = if args.v6 {
        Place::new(Ipv6Addr::LOCALHOST.into(), Ipv6Addr::UNSPECIFIED.into())
    } else {
        Place::new(Ipv4Addr::LOCALHOST.into(), Ipv4Addr::UNSPECIFIED.into())
    };
    for proto in [Proto::Udp, Proto::Tcp] {
        let held = place.fill(proto)?;
        let conflicting = place.open(proto)?;
        rustix::net::bind(&conflicting, &place.at(NUMBERED))?;
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..args.threads)
                .map(|_| scope.spawn(|| place.fail(proto, args.failures, stage)))
                .collect();
            let mut outcomes = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
            outcomes.try_for_each(|outcome| outcome.unwrap_or_else(|_| bail!("a panic")))
        })?;
        drop(held);
    }
    stage.pause("failed")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Proto {
    Tcp,
    Udp,
}

/// What asks for a port.
#[derive(Clone, Copy)]
enum Call {
    Bind,
    /// By number, of a port that is taken.
    Conflict,
    /// To an address of somebody else's.
    NotLocal,
    Listen,
    Connect,
    SendTo,
    SendMsg,
    SendMmsg,
}

struct Place {
    local: IpAddr,
    any: IpAddr,
}

impl Place {
    fn new(local: IpAddr, any: IpAddr) -> Self {
        Self { local, any }
    }

    fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.local, port)
    }

    fn open(&self, proto: Proto) -> Result<OwnedFd> {
        let family = if self.local.is_ipv4() {
            AddressFamily::INET
        } else {
            AddressFamily::INET6
        };
        let kind = match proto {
            Proto::Tcp => SocketType::STREAM,
            Proto::Udp => SocketType::DGRAM,
        };
        rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, None).context("socket")
    }

    /// Takes every port of the pool.
    fn fill(&self, proto: Proto) -> Result<Vec<OwnedFd>> {
        let mut held = Vec::new();
        while held.len() < MOST {
            let socket = self.open(proto)?;
            match rustix::net::bind(&socket, &self.at(0)) {
                Ok(()) => held.push(socket),
                Err(Errno::ADDRINUSE) => return Ok(held),
                Err(error) => return Err(error).context("bind"),
            }
        }
        bail!("the ports do not run out")
    }

    fn fail(&self, proto: Proto, failures: usize, stage: &Stage) -> Result<()> {
        let calls: &[Call] = match proto {
            Proto::Tcp => &[Call::Bind, Call::Conflict, Call::NotLocal, Call::Listen],
            Proto::Udp => &[
                Call::Bind,
                Call::Conflict,
                Call::NotLocal,
                Call::Connect,
                Call::SendTo,
                Call::SendMsg,
                Call::SendMmsg,
            ],
        };
        for _ in 0..failures {
            for &call in calls {
                stage.tell(&Fact::Refused(self.one(proto, call)?))?;
            }
        }
        Ok(())
    }

    fn one(&self, proto: Proto, call: Call) -> Result<Refused> {
        let socket = self.open(proto)?;
        let nobody = self.at(NOBODY);
        // What belongs to nobody (TEST-NET-3, and the prefix for documentation).
        let stranger: IpAddr = match self.local {
            IpAddr::V4(_) => Ipv4Addr::new(203, 0, 113, 7).into(),
            IpAddr::V6(_) => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7).into(),
        };
        let any = SocketAddr::new(self.any, 0);
        let bind = |to: SocketAddr| (rustix::net::bind(&socket, &to), "bind", to);
        let (result, name, wanted) = match call {
            Call::Bind => bind(self.at(0)),
            Call::Conflict => bind(self.at(NUMBERED)),
            Call::NotLocal => bind(SocketAddr::new(stranger, 0)),
            Call::Listen => (rustix::net::listen(&socket, 1), "listen", any),
            Call::Connect => (rustix::net::connect(&socket, &nobody), "autobind", any),
            Call::SendTo => {
                let sent = sendto(&socket, b"x", SendFlags::empty(), &nobody);
                (sent.map(drop), "autobind", any)
            }
            Call::SendMsg => {
                let mut nothing = SendAncillaryBuffer::default();
                let text = [IoSlice::new(b"x")];
                let flags = SendFlags::empty();
                let sent = sendmsg_addr(&socket, &nobody, &text, &mut nothing, flags);
                (sent.map(drop), "autobind", any)
            }
            Call::SendMmsg => (sys::sendmmsg(&socket, nobody)?, "autobind", any),
        };
        let errno = match result {
            Ok(()) => bail!("{name} of {wanted} got a port"),
            Err(errno) => errno_name(errno),
        };
        ensure!(!errno.starts_with("errno"), "{name} of {wanted}: {errno}");
        Ok(Refused {
            pid: std::process::id(),
            tid: rustix::thread::gettid()
                .as_raw_nonzero()
                .get()
                .cast_unsigned(),
            uid: rustix::process::getuid().as_raw(),
            comm: comm(),
            cgroup: cgroup(),
            proto: match proto {
                Proto::Tcp => "tcp",
                Proto::Udp => "udp",
            }
            .to_owned(),
            call: name.to_owned(),
            errno,
            wanted,
        })
    }
}
