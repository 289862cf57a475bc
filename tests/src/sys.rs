//! System calls that the standard library and rustix do not wrap safely.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::net::{AddressFamily, SendFlags, SocketType, addr::SocketAddrArg};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

/// Gives the calling thread, and only it, a new network namespace.
pub(crate) fn enter_new_netns() -> io::Result<()> {
    // SAFETY: file descriptors stay shared; only the network namespace changes.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }.map_err(io::Error::from)
}

/// Moves the calling thread into a network namespace.
pub(crate) fn enter_netns(netns: &impl std::os::fd::AsFd) -> io::Result<()> {
    move_into_link_name_space(netns.as_fd(), Some(LinkNameSpaceType::Network))
        .map_err(io::Error::from)
}

/// Gives the calling process its own mount namespace, from which nothing spreads to others.
pub(crate) fn enter_private_mounts() -> io::Result<()> {
    // SAFETY: file descriptors stay shared; only the mount namespace changes.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }?;
    let private =
        rustix::mount::MountPropagationFlags::PRIVATE | rustix::mount::MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).map_err(io::Error::from)
}

/// Sets the loopback interface of the calling thread's network namespace up.
pub(crate) fn loopback_up() -> io::Result<()> {
    let mut request = interface(b"lo");
    request.ifr_ifru.ifru_flags = i16::try_from(libc::IFF_UP).unwrap_or(1);
    change(libc::SIOCSIFFLAGS, &request)
}

/// Gives that interface one more address, under a name such as `lo:1`.
pub(crate) fn add_loopback_address(name: &str, address: Ipv4Addr) -> io::Result<()> {
    let [a, b, c, d] = address.octets().map(u8::cast_signed);
    let mut request = interface(name.as_bytes());
    request.ifr_ifru.ifru_addr = libc::sockaddr {
        sa_family: u16::try_from(libc::AF_INET).unwrap_or(0),
        // The port, then the address.
        sa_data: [0, 0, a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0],
    };
    change(libc::SIOCSIFADDR, &request)
}

fn interface(name: &[u8]) -> libc::ifreq {
    // SAFETY: an all-zero `ifreq` is a valid value of that plain C struct.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let length = request.ifr_name.len() - 1;
    for (to, from) in request.ifr_name.iter_mut().zip(name).take(length) {
        *to = from.cast_signed();
    }
    request
}

/// One of the requests that read an `ifreq`.
fn change(what: libc::Ioctl, request: &libc::ifreq) -> io::Result<()> {
    let socket: OwnedFd = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    // SAFETY: these requests read one `ifreq`, which outlives the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), what, &raw const *request) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The state of a connection: the first byte of `struct tcp_info`.
pub(crate) fn tcp_state(socket: &impl AsRawFd) -> io::Result<u8> {
    let mut state = 0_u8;
    let mut length: libc::socklen_t = 1;
    // SAFETY: the kernel writes at most `length` bytes, which is the size of `state`; both outlive
    // the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut state).cast(),
            &raw mut length,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(state)
}

/// `IP_LOCAL_PORT_RANGE` (6.3): the lowest port in the lower half, the highest in the upper.
pub(crate) const LOCAL_PORT_RANGE: i32 = 51;

/// Sets an option of the level `SOL_IP`, which sockets of IPv6 take as well.
pub(crate) fn set_ip_option(socket: &impl AsRawFd, option: i32, value: u32) -> io::Result<()> {
    set_option(socket, libc::SOL_IP, option, value)
}

/// Sets `TCP_LINGER2` below 0: no time in `FIN_WAIT2` once nobody holds the socket.
pub(crate) fn set_no_linger2(socket: &impl AsRawFd) -> io::Result<()> {
    set_option(
        socket,
        libc::IPPROTO_TCP,
        libc::TCP_LINGER2,
        (-1_i32).cast_unsigned(),
    )
}

fn set_option(socket: &impl AsRawFd, level: i32, option: i32, value: u32) -> io::Result<()> {
    // SAFETY: the kernel reads the four bytes of `value`, which outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            4,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Kills the calling process after so many seconds, whatever it is doing by then.
pub(crate) fn die_after(seconds: u32) {
    // SAFETY: alarm() has no memory effects; the default action of SIGALRM is wanted.
    unsafe { libc::alarm(seconds) };
}

/// Makes `uname` say 2.6.x to this process and its descendants.
pub(crate) fn pretend_old_kernel() -> io::Result<()> {
    // SAFETY: personality() takes and returns integers only.
    if unsafe { libc::personality(0x002_0000) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Connects by sending: `sendto` with `MSG_FASTOPEN`.
pub(crate) fn connect_by_fastopen(socket: &OwnedFd, dst: SocketAddr) -> rustix::io::Result<()> {
    let fastopen = SendFlags::from_bits_retain(libc::MSG_FASTOPEN.cast_unsigned());
    rustix::net::sendto(socket, b"x", fastopen, &dst).map(drop)
}

/// Connects through `io_uring`. `worker` hands it to a kernel worker thread at once.
pub(crate) fn connect_by_io_uring(
    socket: &OwnedFd,
    dst: SocketAddr,
    worker: bool,
) -> io::Result<rustix::io::Result<()>> {
    let mut ring = io_uring::IoUring::new(2)?;
    let any = dst.as_any();
    let address = any.as_ptr().cast::<libc::sockaddr>();
    let mut entry = io_uring::opcode::Connect::new(
        io_uring::types::Fd(socket.as_raw_fd()),
        address,
        any.addr_len(),
    )
    .build();
    if worker {
        entry = entry.flags(io_uring::squeue::Flags::ASYNC);
    }
    // SAFETY: socket and address outlive the completion, which is waited for below.
    unsafe { ring.submission().push(&entry) }.map_err(io::Error::other)?;
    ring.submit_and_wait(1)?;
    let done = ring.completion().next();
    let result = done.map_or(-libc::EIO, |entry| entry.result());
    Ok(if result < 0 {
        Err(rustix::io::Errno::from_raw_os_error(-result))
    } else {
        Ok(())
    })
}

/// One datagram by sendmmsg(2): its own error, or that of the call.
#[expect(
    clippy::cast_possible_truncation,
    reason = "address families and sizes of addresses are small"
)]
pub(crate) fn sendmmsg(socket: &OwnedFd, to: SocketAddr) -> io::Result<rustix::io::Result<()>> {
    let mut address: libc::sockaddr_storage =
        // SAFETY: integers only; all zeros is valid.
        unsafe { std::mem::zeroed() };
    let place = &raw mut address;
    let length = match to {
        SocketAddr::V4(to) => {
            let v4 = libc::sockaddr_in {
                sin_family: libc::AF_INET as u16,
                sin_port: to.port().to_be(),
                sin_addr: libc::in_addr {
                    s_addr: u32::from_ne_bytes(to.ip().octets()),
                },
                sin_zero: [0; 8],
            };
            // SAFETY: a sockaddr_storage has room for it and is aligned for it.
            unsafe { place.cast::<libc::sockaddr_in>().write(v4) };
            size_of::<libc::sockaddr_in>() as u32
        }
        SocketAddr::V6(to) => {
            let v6 = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as u16,
                sin6_port: to.port().to_be(),
                sin6_flowinfo: 0,
                sin6_addr: libc::in6_addr {
                    s6_addr: to.ip().octets(),
                },
                sin6_scope_id: 0,
            };
            // SAFETY: likewise.
            unsafe { place.cast::<libc::sockaddr_in6>().write(v6) };
            size_of::<libc::sockaddr_in6>() as u32
        }
    };
    let mut text = [b'x'];
    let mut part = libc::iovec {
        iov_base: text.as_mut_ptr().cast(),
        iov_len: 1,
    };
    // SAFETY: integers and pointers; all zeros is valid.
    let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
    message.msg_hdr.msg_name = place.cast();
    message.msg_hdr.msg_namelen = length;
    message.msg_hdr.msg_iov = &raw mut part;
    message.msg_hdr.msg_iovlen = 1;
    // SAFETY: all that the message points to lives through the call.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), &raw mut message, 1, 0) };
    if sent == 1 {
        return Ok(Ok(()));
    }
    let error = io::Error::last_os_error();
    rustix::io::Errno::from_io_error(&error).map_or(Err(error), |errno| Ok(Err(errno)))
}
