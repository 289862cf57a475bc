//! Ending sockets by `SOCK_DESTROY` of `NETLINK_SOCK_DIAG`.

use std::io;
use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

use crate::load::Skip;
use crate::netns::NetNs;

/// Lengths of `struct nlmsghdr` and `struct inet_diag_req_v2`.
const HEADER: usize = 16;
const REQUEST: usize = 56;

const SOCK_DESTROY: u16 = 21;
/// `NLM_F_REQUEST | NLM_F_ACK`
const FLAGS: u16 = 1 | 4;
const IPPROTO_TCP: u8 = 6;

/// Ends the connection between two addresses, in whatever state it is.
pub(crate) fn destroy(netns: &NetNs, local: SocketAddr, remote: SocketAddr) -> Result<()> {
    let message = message(local, remote);
    let code = netns.enter(|| ask(&message));
    let why = match code.context("NETLINK_SOCK_DIAG")? {
        0 => return Ok(()),
        code => io::Error::from_raw_os_error(code),
    };
    match why.raw_os_error() {
        // Not compiled in, not for a TIME_WAIT (before 6.0), or no such module.
        Some(libc::EOPNOTSUPP | libc::ENOENT | libc::EPROTONOSUPPORT) => {
            Err(Skip(format!("this kernel ends no TIME_WAIT on request: {why}")).into())
        }
        _ => Err(why).with_context(|| format!("SOCK_DESTROY of {local}")),
    }
}

fn message(local: SocketAddr, remote: SocketAddr) -> Vec<u8> {
    let family = if local.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    };
    let mut message = Vec::with_capacity(HEADER + REQUEST);
    message.extend(u32::try_from(HEADER + REQUEST).unwrap_or(0).to_ne_bytes());
    message.extend(SOCK_DESTROY.to_ne_bytes());
    message.extend(FLAGS.to_ne_bytes());
    // Sequence number and sender.
    message.extend([0; 8]);
    message.extend([u8::try_from(family).unwrap_or(0), IPPROTO_TCP, 0, 0]);
    // All states.
    message.extend(u32::MAX.to_ne_bytes());
    message.extend(local.port().to_be_bytes());
    message.extend(remote.port().to_be_bytes());
    message.extend(address(local));
    message.extend(address(remote));
    // Any interface, no cookie.
    message.extend([0; 4]);
    message.extend([0xff; 8]);
    message
}

fn address(socket: SocketAddr) -> [u8; 16] {
    let mut bytes = [0; 16];
    match socket.ip() {
        IpAddr::V4(ip) => bytes[..4].copy_from_slice(&ip.octets()),
        IpAddr::V6(ip) => bytes = ip.octets(),
    }
    bytes
}

/// Sends a request to the kernel, and returns the error number of its answer.
fn ask(message: &[u8]) -> io::Result<i32> {
    let socket = match rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    ) {
        Err(Errno::PROTONOSUPPORT) => return Ok(libc::EPROTONOSUPPORT),
        socket => socket?,
    };
    rustix::net::send(&socket, message, SendFlags::empty())?;
    // An `NLMSG_ERROR`: another header, then the number; the kernel has answered by now.
    let mut answer = [0_u8; 256];
    let (length, _) = rustix::net::recv(&socket, &mut answer, RecvFlags::DONTWAIT)?;
    let number = answer[..length]
        .get(HEADER..HEADER + 4)
        .and_then(|bytes| bytes.try_into().ok())
        .map(i32::from_ne_bytes);
    number
        .map(|number| -number)
        .ok_or_else(|| io::Error::other("a short answer"))
}

#[cfg(test)]
mod tests {
    use super::{HEADER, REQUEST, message};

    #[test]
    fn a_request_is_as_long_as_it_says() {
        for address in ["127.0.0.1:1", "[::1]:1"] {
            let address = address.parse().unwrap();
            assert_eq!(message(address, address).len(), HEADER + REQUEST);
        }
    }
}
