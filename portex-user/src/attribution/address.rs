//! Addresses in the form that the model keeps them in: small, and quick to hash.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IP address; IPv4 as IPv4-mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Address(u128);

const MAPPED: u128 = 0xffff << 32;

impl Address {
    pub(super) const ANY_V4: Self = Self(MAPPED);
    pub(super) const ANY_V6: Self = Self(0);

    pub(super) fn is_v4(self) -> bool {
        self.0 >> 32 == 0xffff
    }

    pub(super) fn is_unspecified(self) -> bool {
        self.0 == 0 || self.0 == MAPPED
    }

    /// As `tcp_twsk_unique` has it: 127.0.0.0/8, mapped or not, and `::1`.
    pub(super) fn is_loopback(self) -> bool {
        self.ip().is_loopback()
    }

    pub(super) fn ip(self) -> IpAddr {
        Ipv6Addr::from(self.0)
            .to_ipv4_mapped()
            .map_or(IpAddr::V6(Ipv6Addr::from(self.0)), IpAddr::V4)
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => ip.into(),
            IpAddr::V6(ip) => Self(ip.into()),
        }
    }
}

impl From<Ipv4Addr> for Address {
    fn from(ip: Ipv4Addr) -> Self {
        Self(MAPPED | u128::from(u32::from(ip)))
    }
}
