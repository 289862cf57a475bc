//! What decides about ports in a network namespace beside its sockets: settings, counters, addresses,
//! listeners. For who explains how exposed a host is.

use std::{net::IpAddr, sync::Arc};

use crate::{found::Rules, ports::PortSet};

/// The file of `/proc/net` that tells addresses of IPv4.
pub const ADDRESSES_V4: &str = "fib_trie";
/// The file of `/proc/net` that tells addresses of IPv6.
pub const ADDRESSES_V6: &str = "if_inet6";

/// A network namespace. `inventory/` makes it.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its inode number.
    pub netns: u32,
    /// What people call it. Untrusted.
    pub name: Option<Arc<str>>,
    /// Where a command can enter it; `None`: it is the one that portex is in, or no path is known that
    /// a shell takes as it is.
    pub path: Option<String>,
    /// Whether it is the one that portex is in.
    pub own: bool,
    /// Whether it is the machine's first one, for which files in `/etc/sysctl.d` are; not, when portex is
    /// in a container.
    pub lasting: bool,
    /// Its settings.
    pub rules: Rules,
    /// `tcp_timestamps`: 0 off, 1 with a random offset, 2 without; `None` where it cannot be read.
    pub timestamps: Option<u8>,
    /// `ip_unprivileged_port_start`: `ip_local_port_range` may not begin below.
    pub unprivileged_from: u16,
    /// `TCPTimeWaitOverflow` of TcpExt since the namespace exists: TIME_WAITs that found
    /// `tcp_max_tw_buckets` reached.
    pub time_wait_overflows: Option<u64>,
    /// TIME_WAITs, FIN_WAIT2 minisockets included (`/proc/net/sockstat`).
    pub time_waits: Option<u64>,
    /// Connection tracking, where the kernel has it.
    pub conntrack: Option<Conntrack>,
    /// Addresses that a connection can come from: neither loopback, link-local nor deprecated.
    pub addresses: Vec<IpAddr>,
    /// Files of addresses that could not be read, `fib_trie` (IPv4) or `if_inet6` (IPv6): of their
    /// family none is known, which does not say that there is none.
    pub addresses_unread: Vec<&'static str>,
    /// Networks that its interfaces are in.
    pub networks: Vec<Network>,
    /// What the kernel makes of the machine's memory as `tcp_max_tw_buckets` (`tcp_init`), or somewhat
    /// less; `None` where the memory is not known.
    pub usual_tw_buckets: Option<u32>,
    /// Ports of UDP sockets.
    pub udp: PortSet,
    /// Sockets that wait for others at a port of their own.
    pub listeners: Vec<Listener>,
    /// The process that shows that this is the network of a Kubernetes node. Untrusted.
    pub node_agent: Option<String>,
}

impl Host {
    /// Whether its addresses of IPv4, or of IPv6, are known.
    pub fn knows_addresses(&self, v4: bool) -> bool {
        let file = if v4 { ADDRESSES_V4 } else { ADDRESSES_V6 };
        !self.addresses_unread.contains(&file)
    }

    /// Whether two of its addresses are in one network, as far as is known: the smallest one that each
    /// is in.
    pub fn same_network(&self, one: IpAddr, other: IpAddr) -> bool {
        let smallest = |address| {
            let networks = self.networks.iter().filter(|n| n.contains(address));
            networks.max_by_key(|network| network.prefix)
        };
        smallest(one).is_some_and(|network| smallest(other) == Some(network))
    }
}

/// A network that an interface is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    /// Its first address.
    pub address: IpAddr,
    /// Bits of the address that are the network's.
    pub prefix: u8,
}

impl Network {
    /// Whether an address is of it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
            IpAddr::V6(v6) => v6.to_bits(),
        };
        let other = bits(self.address) ^ bits(address);
        self.address.is_ipv4() == address.is_ipv4()
            && other.leading_zeros() >= u32::from(self.prefix)
    }
}

/// Connection tracking of a namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conntrack {
    /// Entries (`nf_conntrack_count`).
    pub count: u64,
    /// Most entries (`nf_conntrack_max`); 0 for no bound.
    pub max: u64,
    /// Whether that bound can be set from inside the namespace; most kernels have one for all.
    pub max_is_own: bool,
    /// Counters, where they can be read (`/proc/net/stat/nf_conntrack`).
    pub counters: Option<ConntrackCounters>,
}

/// Counters of connection tracking, over all CPUs, since the namespace exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConntrackCounters {
    /// Entries that could not be inserted, since another had the same tuple.
    pub insert_failed: u64,
    /// Packets that were dropped, since an entry could not be inserted or made.
    pub drop: u64,
    /// Entries that were removed to make room in a full table.
    pub early_drop: u64,
}

/// A listening socket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listener {
    /// Its port.
    pub port: u16,
    /// Its address.
    pub address: IpAddr,
    /// Name and id of a process that has it open. The name is untrusted.
    pub process: Option<(Vec<u8>, u32)>,
}
