//! What the kernel tells of a socket, by sock_diag or by `/proc/net/tcp` and `udp`.

use std::{net::IpAddr, sync::Arc, time::Duration};

use crate::{
    event::TcpState,
    found::{Process, Socket, Tuple, UdpSocket},
};

/// The timer of a TIME_WAIT minisocket (`idiag_timer`, and the same number in `/proc/net/tcp`).
pub(super) const TIMER_TIME_WAIT: u8 = 3;
/// `TCP_BOUND_INACTIVE` (`net/tcp_states.h`): only asked for, told as CLOSE.
const BOUND_INACTIVE: u8 = 13;

/// One row of the kernel's tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Source, as the kernel has it.
    pub(super) src: IpAddr,
    /// Source port.
    pub(super) src_port: u16,
    /// Destination, as the kernel has it: stale after a connect() that failed.
    pub(super) dst: IpAddr,
    /// Destination port.
    pub(super) dst_port: u16,
    /// Interface index of the device it is bound to, 0 for none.
    pub(super) dev: u32,
    /// The kernel's number of the state.
    pub(super) state: u8,
    /// Which timer runs.
    pub(super) timer: u8,
    /// What is left of that timer.
    pub(super) expires: Duration,
    /// `IPV6_V6ONLY`, where it was told.
    pub(super) v6only: Option<bool>,
    /// Inode number of the socket; 0 when no process has it open.
    pub(super) inode: u32,
}

impl Row {
    /// As a TCP socket of a namespace; `None` when it holds no port of its own.
    ///
    /// Such is a request socket: a SYN that a listener got. It is told as SYN_RECV and has no inode,
    /// unlike a socket in SYN_RECV (two ends that connect to each other at once).
    pub(super) fn socket(self, netns: u32, process: Option<Arc<Process>>) -> Option<Socket> {
        let state = match self.state {
            BOUND_INACTIVE => TcpState::Close,
            number => TcpState::from_number(number),
        };
        let request = match state {
            TcpState::NewSynRecv => true,
            TcpState::SynRecv => self.inode == 0,
            _ => false,
        };
        if self.src_port == 0 || request {
            return None;
        }
        let src = self.src.to_canonical();
        let connected = !matches!(state, TcpState::Close | TcpState::Listen);
        let (dst, dst_port) = if connected {
            (self.dst.to_canonical(), self.dst_port)
        } else {
            (unspecified_like(src), 0)
        };
        Some(Socket {
            tuple: Tuple {
                netns,
                src,
                src_port: self.src_port,
                dst,
                dst_port,
            },
            dev: self.dev,
            state,
            v6only: self.v6only.unwrap_or(false),
            time_wait: (self.timer == TIMER_TIME_WAIT).then_some(self.expires),
            process,
        })
    }

    /// As a UDP socket of a namespace; `None` when it holds no port.
    pub(super) fn udp_socket(self, netns: u32, process: Option<Arc<Process>>) -> Option<UdpSocket> {
        let src = self.src.to_canonical();
        (self.src_port != 0).then(|| UdpSocket {
            netns,
            src,
            port: self.src_port,
            dev: self.dev,
            v6only: self.v6only.filter(|_| src.is_ipv6()),
            process,
        })
    }
}

fn unspecified_like(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(src: &str, dst: &str, state: u8) -> Row {
        Row {
            src: src.parse().expect("an address"),
            src_port: 40_000,
            dst: dst.parse().expect("an address"),
            dst_port: 443,
            dev: 0,
            state,
            timer: 0,
            expires: Duration::ZERO,
            v6only: None,
            inode: 5,
        }
    }

    fn socket(row: Row) -> Socket {
        row.socket(1, None).expect("holds a port")
    }

    #[test]
    fn mapped_addresses_are_ipv4_and_the_wildcard_stays() {
        let mapped = socket(row("::ffff:10.0.0.1", "::ffff:10.0.0.2", 1));
        assert_eq!(mapped.tuple.src.to_string(), "10.0.0.1");
        assert_eq!(mapped.tuple.dst.to_string(), "10.0.0.2");
        let any = socket(row("::", "::", 10));
        assert_eq!(any.tuple.src.to_string(), "::");
    }

    #[test]
    fn a_destination_counts_only_when_connected() {
        let stale = socket(row("::ffff:10.0.0.1", "::ffff:10.0.0.2", BOUND_INACTIVE));
        assert_eq!(stale.state, TcpState::Close);
        assert_eq!(stale.tuple.dst.to_string(), "0.0.0.0");
        assert_eq!(stale.tuple.dst_port, 0);
    }

    #[test]
    fn only_minisockets_have_a_time_to_wait() {
        let mut row = row("10.0.0.1", "10.0.0.2", 5);
        row.timer = 2;
        row.expires = Duration::from_secs(7);
        assert_eq!(socket(row.clone()).time_wait, None);
        row.timer = TIMER_TIME_WAIT;
        let minisocket = socket(row);
        assert_eq!(minisocket.state, TcpState::FinWait2);
        assert_eq!(minisocket.time_wait, Some(Duration::from_secs(7)));
    }

    #[test]
    fn a_udp_socket_has_a_local_end_only() {
        let mut row = row("::ffff:10.0.0.1", "::ffff:10.0.0.2", 1);
        row.v6only = Some(false);
        let udp = |row: &Row| row.clone().udp_socket(1, None);
        let mapped = udp(&row).expect("holds a port");
        assert_eq!(mapped.src.to_string(), "10.0.0.1");
        assert_eq!((mapped.port, mapped.v6only), (40_000, None));
        row.src = "::".parse().expect("an address");
        assert_eq!(udp(&row).expect("holds a port").v6only, Some(false));
        row.src_port = 0;
        assert_eq!(udp(&row), None);
    }

    #[test]
    fn request_sockets_hold_no_port() {
        let mut request = row("10.0.0.1", "10.0.0.2", 3);
        assert!(request.clone().socket(1, None).is_some());
        request.inode = 0;
        assert!(request.socket(1, None).is_none());
        let mut portless = row("10.0.0.1", "10.0.0.2", 7);
        portless.src_port = 0;
        assert!(portless.socket(1, None).is_none());
    }
}
