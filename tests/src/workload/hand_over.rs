//! Connections whose sockets outlive the process that connected them.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener, UnixStream};

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;
use rustix::io::FdFlags;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

use super::sockets::{self, Close, Via};
use super::stage::Stage;
use crate::fact::Fact;
use crate::process::myself;

/// As many as one message may carry here.
const MOST: usize = 32;

/// In the abstract namespace, which is one per network namespace.
const MEETING_PLACE: &str = "portex-tests-keep";

#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    dst: SocketAddr,
    #[arg(long)]
    count: usize,
    #[arg(long, value_enum)]
    how: How,
    /// Bind the first to this address, the others to the ports after it.
    #[arg(long)]
    bind: Option<SocketAddr>,
    /// Wait until the peer has reset each connection.
    #[arg(long)]
    until_reset: bool,
}

#[derive(clap::Args)]
pub(crate) struct Keep {
    /// Disconnect each socket, connect it to this address, and close it with a reset.
    #[arg(long)]
    reconnect: Option<SocketAddr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum How {
    /// By `SCM_RIGHTS` to the workload `keep`.
    Scm,
    /// To a child, over fork and exec.
    Inherit,
}

/// Connects, hands over and ends; somebody else listens.
pub(crate) fn run(args: &Args, stage: &Stage) -> Result<()> {
    ensure!(args.count <= MOST, "at most {MOST}");
    stage.pause("start")?;
    let mut open = Vec::new();
    for number in 0..args.count {
        let socket = sockets::new(args.dst, false)?;
        if let Some(mut local) = args.bind {
            local.set_port(local.port() + u16::try_from(number)?);
            sockets::bind(&socket, local)?;
        }
        let connect = sockets::connect(&socket, args.dst, Via::Connect, args.bind.is_some())?;
        stage.tell(&Fact::Connect(connect))?;
        if args.until_reset {
            sockets::wait_for_reset(&socket)?;
        }
        open.push(socket);
    }
    match args.how {
        How::Scm => {
            send(&open)?;
            stage.done()
        }
        How::Inherit => {
            for socket in &open {
                rustix::io::fcntl_setfd(socket, FdFlags::empty())?;
            }
            // It goes on with this process's input and output.
            myself(&["workload", "hold"])
                .spawn()
                .context("cannot start the heir")?;
            Ok(())
        }
    }
}

/// Takes the sockets of one `hand-over --how scm`, and closes them when told.
pub(crate) fn keep(args: &Keep, stage: &Stage) -> Result<()> {
    let listener = UnixListener::bind_addr(&meeting_place()?)?;
    stage.pause("start")?;
    let sockets = receive(&listener.accept()?.0)?;
    stage.pause("taken over")?;
    let Some(dst) = args.reconnect else {
        drop(sockets);
        return stage.pause("closed");
    };
    for socket in &sockets {
        sockets::disconnect(socket)?;
        let connect = sockets::connect(socket, dst, Via::Connect, true)?;
        stage.tell(&Fact::Connect(connect))?;
    }
    stage.pause("connected again")?;
    for socket in sockets {
        sockets::close(socket, Close::Reset)?;
    }
    stage.pause("closed")
}

/// Its end closes what it inherited.
pub(crate) fn hold(stage: &Stage) -> Result<()> {
    stage.pause("inherited")
}

fn meeting_place() -> Result<UnixAddr> {
    Ok(UnixAddr::from_abstract_name(MEETING_PLACE)?)
}

fn send(open: &[OwnedFd]) -> Result<()> {
    let stream = UnixStream::connect_addr(&meeting_place()?).context("nobody keeps")?;
    let open: Vec<BorrowedFd<'_>> = open.iter().map(OwnedFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    ensure!(
        control.push(SendAncillaryMessage::ScmRights(&open)),
        "no room for the sockets"
    );
    rustix::net::sendmsg(
        &stream,
        &[IoSlice::new(b"x")],
        &mut control,
        SendFlags::empty(),
    )?;
    Ok(())
}

fn receive(stream: &UnixStream) -> Result<Vec<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut data = [IoSliceMut::new(&mut byte)];
    rustix::net::recvmsg(stream, &mut data, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut sockets = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(passed) = message {
            sockets.extend(passed);
        }
    }
    ensure!(!sockets.is_empty(), "no socket came over");
    Ok(sockets)
}
