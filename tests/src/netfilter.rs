//! Connection tracking and NAT in a namespace, set up by netlink: no tool needs to be there.

use std::fs::read_to_string;
use std::io;
use std::net::Ipv4Addr;

use anyhow::{Context as _, Result, bail};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

use crate::load::Skip;
use crate::netns::NetNs;

/// Length of `struct nlmsghdr`.
const HEADER: usize = 16;

/// `NLM_F_REQUEST`, `NLM_F_ACK`, `NLM_F_CREATE`
const REQUEST: u16 = 1;
const ACK: u16 = 4;
const CREATE: u16 = 0x400;

/// `NLMSG_ERROR`
const ERROR: u16 = 2;

/// `NFNL_MSG_BATCH_BEGIN`, `NFNL_MSG_BATCH_END`
const BEGIN: u16 = 0x10;
const END: u16 = 0x11;

/// Subsystems of nfnetlink, in the upper byte of a type.
const CTNETLINK: u16 = 1 << 8;
const NFTABLES: u16 = 10 << 8;

const IPV4: u8 = 2;
const UDP: u8 = 17;

/// Entries of the table of connections in one message to the kernel.
const BATCH: u32 = 1000;

/// Port of the destination of all entries that nobody sends anything for.
const SERVICE: u16 = 53;

/// Lets the kernel change the source port of all that leaves into this one port: of two connections
/// to one destination, the second finds it taken.
pub(crate) fn masquerade_as(netns: &NetNs, port: u16) -> Result<()> {
    let name = |kind| text(kind, "portex-tests");
    let messages = [
        message(BEGIN, 0, 10, &[]),
        // NFT_MSG_NEWTABLE: the name.
        message(NFTABLES, ACK | CREATE, 0, &name(1)),
        // NFT_MSG_NEWCHAIN: table, name, hook (postrouting, priority of source NAT), type.
        message(
            NFTABLES | 3,
            ACK | CREATE,
            0,
            &[
                name(1),
                name(3),
                nested(4, &[number(1, 4), number(2, 100)]),
                text(7, "nat"),
            ]
            .concat(),
        ),
        // NFT_MSG_NEWRULE: table, chain, expressions.
        message(
            NFTABLES | 6,
            ACK | CREATE,
            0,
            &[
                name(1),
                name(2),
                nested(4, &[port_in_register(port), nat()]),
            ]
            .concat(),
        ),
        message(END, 0, 10, &[]),
    ];
    netns
        .enter(|| ask(&messages.concat(), 3))
        .or_else(|error| unless_missing(error, "nf_tables with NAT"))
}

/// `immediate`: register 1 is the port.
fn port_in_register(port: u16) -> Vec<u8> {
    let data = attribute(1, &port.to_be_bytes());
    expression("immediate", &[number(1, 1), nested(2, &[data])])
}

/// `nat`: of the source, of IPv4, to the port in register 1.
fn nat() -> Vec<u8> {
    expression("nat", &[number(1, 0), number(2, IPV4.into()), number(5, 1)])
}

fn expression(name: &str, data: &[Vec<u8>]) -> Vec<u8> {
    nested(1, &[text(1, name), nested(2, data)])
}

/// How many connections the kernel tracks in a namespace, and how many it would.
pub(crate) fn tracked(netns: &NetNs) -> Result<(u32, u32)> {
    let read = |name| {
        let path = format!("/proc/sys/net/netfilter/nf_conntrack_{name}");
        match netns.enter(|| read_to_string(&path)) {
            Ok(text) => text.trim().parse::<u32>().with_context(|| path.clone()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(Skip("this kernel tracks no connections".to_owned()).into())
            }
            Err(error) => Err(error).with_context(|| path.clone()),
        }
    };
    Ok((read("count")?, read("max")?))
}

/// Connections that were dropped as their ports collided: the column of `/proc/net/stat/nf_conntrack`.
pub(crate) fn insert_failed(netns: &NetNs) -> Result<u64> {
    let text = netns.proc_net("stat/nf_conntrack")?;
    let mut lines = text.lines();
    let mut names = lines.next().unwrap_or_default().split_whitespace();
    let column = names.position(|name| name == "insert_failed");
    let column = column.context("no column insert_failed")?;
    let value = |line: &str| {
        let value = line.split_whitespace().nth(column)?;
        u64::from_str_radix(value, 16).ok()
    };
    Ok(lines.filter_map(value).sum())
}

/// Puts so many entries into the table of connections, each for a minute.
pub(crate) fn track(netns: &NetNs, count: u32) -> Result<()> {
    let mut from = 0;
    while from < count {
        let to = count.min(from + BATCH);
        let messages: Vec<u8> = (from..to).flat_map(|n| entry(n, n + 1 == to)).collect();
        netns
            .enter(|| ask(&messages, 1))
            .or_else(|error| unless_missing(error, "ctnetlink"))?;
        from = to;
    }
    Ok(())
}

/// `IPCTNL_MSG_CT_NEW`: the tuples of both directions, and for how long.
fn entry(number: u32, last: bool) -> Vec<u8> {
    const MINUTE: u32 = 60;
    let client = Ipv4Addr::from(0x0a00_0000 + number);
    let server = Ipv4Addr::new(192, 0, 2, 1);
    let port = 40_000;
    let flags = CREATE | if last { ACK } else { 0 };
    let content = [
        tuple(1, (client, port), (server, SERVICE)),
        tuple(2, (server, SERVICE), (client, port)),
        self::number(7, MINUTE),
    ];
    message(CTNETLINK, flags, 0, &content.concat())
}

fn tuple(kind: u16, src: (Ipv4Addr, u16), dst: (Ipv4Addr, u16)) -> Vec<u8> {
    let addresses = [attribute(1, &src.0.octets()), attribute(2, &dst.0.octets())];
    let ports = [
        attribute(1, &[UDP]),
        attribute(2, &src.1.to_be_bytes()),
        attribute(3, &dst.1.to_be_bytes()),
    ];
    nested(kind, &[nested(1, &addresses), nested(2, &ports)])
}

/// Sends requests to the kernel, and reads its answers; the first error is returned.
fn ask(messages: &[u8], answers: usize) -> io::Result<()> {
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(netlink::NETFILTER),
    )?;
    rustix::net::sockopt::set_socket_send_buffer_size_force(&socket, messages.len() * 4)?;
    rustix::net::send(&socket, messages, SendFlags::empty())?;
    for _ in 0..answers {
        let mut answer = [0_u8; 1024];
        let (length, _) = rustix::net::recv(&socket, &mut answer, RecvFlags::DONTWAIT)?;
        let (kind, code) = error_of(answer.get(..length).unwrap_or_default())
            .ok_or_else(|| io::Error::other("a short answer"))?;
        if kind == ERROR && code != 0 {
            return Err(io::Error::from_raw_os_error(-code));
        }
    }
    Ok(())
}

/// Type and error number of an answer.
fn error_of(answer: &[u8]) -> Option<(u16, i32)> {
    let kind = answer.get(4..6)?.try_into().ok()?;
    let code = answer.get(HEADER..HEADER + 4)?.try_into().ok()?;
    Some((u16::from_ne_bytes(kind), i32::from_ne_bytes(code)))
}

fn unless_missing(error: io::Error, what: &str) -> Result<()> {
    let is_missing = error.raw_os_error().is_some_and(|code| {
        [
            Errno::PROTONOSUPPORT,
            Errno::OPNOTSUPP,
            Errno::INVAL,
            Errno::NOENT,
        ]
        .contains(&Errno::from_raw_os_error(code))
    });
    if is_missing {
        bail!(Skip(format!("no {what} here: {error}")));
    }
    Err(error).with_context(|| what.to_owned())
}

/// A message of nfnetlink: `nlmsghdr`, `nfgenmsg`, attributes.
fn message(kind: u16, flags: u16, resource: u16, attributes: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    let length = HEADER + 4 + attributes.len();
    message.extend(u32::try_from(length).unwrap_or(0).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend((REQUEST | flags).to_ne_bytes());
    // Sequence number and sender.
    message.extend([0; 8]);
    message.extend([IPV4, 0]);
    message.extend(resource.to_be_bytes());
    message.extend(attributes);
    message
}

fn attribute(kind: u16, content: &[u8]) -> Vec<u8> {
    let mut attribute = Vec::new();
    let length = u16::try_from(4 + content.len()).unwrap_or(0);
    attribute.extend(length.to_ne_bytes());
    attribute.extend(kind.to_ne_bytes());
    attribute.extend(content);
    attribute.resize(attribute.len().next_multiple_of(4), 0);
    attribute
}

fn nested(kind: u16, attributes: &[Vec<u8>]) -> Vec<u8> {
    const NESTED: u16 = 0x8000;
    attribute(kind | NESTED, &attributes.concat())
}

fn number(kind: u16, number: u32) -> Vec<u8> {
    attribute(kind, &number.to_be_bytes())
}

/// With the zero byte at its end.
fn text(kind: u16, text: &str) -> Vec<u8> {
    attribute(kind, &[text.as_bytes(), &[0]].concat())
}

#[cfg(test)]
mod tests {
    use super::{attribute, message};

    #[test]
    fn messages_are_as_long_as_they_say() {
        let bytes = message(0, 0, 0, &attribute(1, &[1, 2]));
        assert_eq!(bytes.len(), 28);
        assert_eq!(bytes[..4], 28_u32.to_ne_bytes());
        assert_eq!(bytes[20..22], 6_u16.to_ne_bytes());
    }
}
