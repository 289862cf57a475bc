//! The messages of `inet_diag` (linux/inet_diag.h), as bytes.
//!
//! netlink-packet-sock-diag has types for them, but its request cannot ask for both families in one
//! walk, its response has no time for a TIME_WAIT minisocket, and it allocates for each message.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use netlink_packet_core::NlasIterator;

use super::row::{Row, TIMER_TIME_WAIT};

/// `SOCK_DIAG_BY_FAMILY` (linux/sock_diag.h).
const BY_FAMILY: u16 = 20;
/// `TCPDIAG_GETSOCK`: the older request. Its TCP dump goes through both families in one walk.
const TCP: u16 = 18;
/// `struct inet_diag_sockid`: no filter by ports or addresses.
const NO_ID: [u8; 48] = [0; 48];
/// All states: 1 to `TCP_CLOSING`, and bit 13, `TCPF_BOUND_INACTIVE` (6.8, commit 91051f003948),
/// which is no state to older kernels. Not bit 12: request sockets come with SYN_RECV anyhow.
const STATES: u32 = 0b10_1111_1111_1110;
/// `INET_DIAG_SKV6ONLY`: an attribute of a byte, of IPv6 sockets that listen or are closed.
const SKV6ONLY: u16 = 11;

/// What to dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// TCP over IPv4 and IPv6, in one walk (`inet_diag_dump_compat`).
    Both,
    /// TCP over one family.
    Family(u8),
    /// UDP over one family.
    Udp(u8),
}

impl Request {
    /// The type of the netlink message.
    pub(super) fn kind(self) -> u16 {
        match self {
            Self::Both => TCP,
            Self::Family(_) | Self::Udp(_) => BY_FAMILY,
        }
    }

    /// Its payload: `struct inet_diag_req` or `struct inet_diag_req_v2`, for all states.
    pub(super) fn payload(self) -> Vec<u8> {
        let states = STATES.to_ne_bytes();
        match self {
            // Family, lengths of addresses, extensions, id, states, sequence number.
            Self::Both => [&[0; 4][..], &NO_ID, &states, &[0; 4]].concat(),
            Self::Family(family) => by_family(family, libc::IPPROTO_TCP),
            Self::Udp(family) => by_family(family, libc::IPPROTO_UDP),
        }
    }
}

fn by_family(family: u8, protocol: i32) -> Vec<u8> {
    let protocol = u8::try_from(protocol).unwrap_or_default();
    // Extensions and padding follow the protocol.
    let begin = [family, protocol, 0, 0];
    [&begin[..], &STATES.to_ne_bytes(), &NO_ID].concat()
}

/// Reads a `struct inet_diag_msg` and the attributes behind it. `None` when it is cut short or of
/// another family.
pub(super) fn parse(payload: &[u8]) -> Option<Row> {
    let (&[family, state, timer, _retransmits], rest) = payload.split_first_chunk()?;
    let (&src_port, rest) = rest.split_first_chunk()?;
    let (&dst_port, rest) = rest.split_first_chunk()?;
    let (src, rest) = rest.split_first_chunk()?;
    let (dst, rest) = rest.split_first_chunk()?;
    let (&dev, rest) = rest.split_first_chunk()?;
    let (_cookie, rest) = rest.split_first_chunk::<8>()?;
    let (&expires, rest) = rest.split_first_chunk()?;
    let (_queues_and_uid, rest) = rest.split_first_chunk::<12>()?;
    let (&inode, attributes) = rest.split_first_chunk()?;
    Some(Row {
        src: address(family, src)?,
        src_port: u16::from_be_bytes(src_port),
        dst: address(family, dst)?,
        dst_port: u16::from_be_bytes(dst_port),
        dev: u32::from_ne_bytes(dev),
        state,
        timer,
        expires: Duration::from_millis(u32::from_ne_bytes(expires).into()),
        // TIME_WAITs come in great numbers, and with other attributes only.
        v6only: (timer != TIMER_TIME_WAIT)
            .then(|| v6only(attributes))
            .flatten(),
        inode: u32::from_ne_bytes(inode),
    })
}

fn address(family: u8, bytes: &[u8; 16]) -> Option<IpAddr> {
    match i32::from(family) {
        libc::AF_INET => {
            let first: &[u8; 4] = bytes.first_chunk()?;
            Some(Ipv4Addr::from(*first).into())
        }
        libc::AF_INET6 => Some(Ipv6Addr::from(*bytes).into()),
        _ => None,
    }
}

fn v6only(attributes: &[u8]) -> Option<bool> {
    NlasIterator::new(attributes)
        .flatten()
        .find(|attribute| attribute.kind() == SKV6ONLY)
        .and_then(|attribute| attribute.value().first().map(|&value| value != 0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AF_INET: u8 = 2;
    const AF_INET6: u8 = 10;

    /// A message as the kernel lays it out, without attributes.
    fn message(family: u8, src: &[u8], dst: &[u8]) -> Vec<u8> {
        let padded = |address: &[u8]| {
            let mut field = [0; 16];
            field[..address.len()].copy_from_slice(address);
            field
        };
        let mut bytes = vec![family, 6, 3, 0];
        bytes.extend(40_000_u16.to_be_bytes());
        bytes.extend(443_u16.to_be_bytes());
        bytes.extend(padded(src));
        bytes.extend(padded(dst));
        bytes.extend(7_u32.to_ne_bytes());
        bytes.extend([0xff; 8]);
        bytes.extend(59_900_u32.to_ne_bytes());
        bytes.extend([0; 12]);
        bytes.extend(1_234_u32.to_ne_bytes());
        bytes
    }

    #[test]
    fn requests_have_the_size_of_the_kernel_s_structs() {
        assert_eq!(Request::Both.payload().len(), 60);
        assert_eq!(Request::Both.payload()[52..56], STATES.to_ne_bytes());
        let family = Request::Family(AF_INET).payload();
        assert_eq!(family.len(), 56);
        assert_eq!(family[..2], [AF_INET, 6]);
        assert_eq!(family[4..8], STATES.to_ne_bytes());
        assert_eq!(Request::Udp(AF_INET6).payload()[..2], [AF_INET6, 17]);
    }

    #[test]
    fn a_time_wait_is_read() {
        let bytes = message(AF_INET, &[10, 0, 0, 1], &[10, 0, 0, 2]);
        assert_eq!(bytes.len(), 72);
        let expected = Row {
            src: "10.0.0.1".parse().expect("an address"),
            src_port: 40_000,
            dst: "10.0.0.2".parse().expect("an address"),
            dst_port: 443,
            dev: 7,
            state: 6,
            timer: 3,
            expires: Duration::from_millis(59_900),
            v6only: None,
            inode: 1_234,
        };
        assert_eq!(parse(&bytes), Some(expected));
    }

    #[test]
    fn v6only_is_an_attribute() {
        let one = Ipv6Addr::LOCALHOST.octets();
        let mut bytes = message(AF_INET6, &one, &one);
        bytes[1..3].copy_from_slice(&[10, 0]); // it listens
        bytes.extend([5, 0, 8, 0, 1, 0, 0, 0]);
        assert_eq!(parse(&bytes).expect("whole").v6only, None);
        bytes.extend([5, 0, 11, 0, 1]);
        let row = parse(&bytes).expect("whole");
        assert_eq!(row.v6only, Some(true));
        assert_eq!(row.src, IpAddr::V6(Ipv6Addr::LOCALHOST));
    }

    #[test]
    fn what_is_cut_short_or_of_another_family_is_no_row() {
        let bytes = message(AF_INET, &[1; 4], &[2; 4]);
        for length in 0..bytes.len() {
            assert_eq!(parse(&bytes[..length]), None, "{length} bytes");
        }
        assert_eq!(parse(&message(1, &[], &[])), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            attributes in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let _ = parse(&bytes);
            let mut long = message(AF_INET6, &[1; 16], &[2; 16]);
            long.extend(attributes);
            prop_assert!(parse(&long).is_some());
        }
    }
}
