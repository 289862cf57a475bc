//! Ports and addresses of the demo.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::ports::PortRange;

/// The range of ephemeral ports.
pub(super) const RANGE: PortRange = PortRange {
    lo: 40_000,
    hi: 41_023,
};
/// Ports of the range that are reserved.
pub(super) const RESERVED: PortRange = PortRange {
    lo: 40_500,
    hi: 40_531,
};

/// Where the clients come from. All of its network is local, so that servers have addresses there.
pub(super) const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// What `checkout` connects to.
pub(super) const PAYMENTS: SocketAddr = server(10, 443);
/// What `reports` connects to.
pub(super) const DATABASE: SocketAddr = server(20, 5432);
/// What `legacy` connects to.
pub(super) const CACHE: SocketAddr = server(30, 6379);
/// What `metrics` connects to.
pub(super) const COLLECTOR: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 4317);
/// The same where there is no IPv6.
pub(super) const COLLECTOR_V4: SocketAddr = server(40, 4317);

const fn server(host: u8, port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, host)), port)
}
