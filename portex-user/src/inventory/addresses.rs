//! Addresses of the namespace that this thread is in, which a connection can come from.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Most that are kept: more do not change what is said of them.
const MOST: usize = 256;
/// `IPV6_ADDR_ANY` in the column of scopes: global.
const GLOBAL: &str = "00";
/// `IFA_F_DEPRECATED`, `IFA_F_TENTATIVE`, `IFA_F_DADFAILED` (linux/if_addr.h).
const UNUSABLE: u32 = 0x20 | 0x40 | 0x08;

/// Those that are neither loopback nor link-local, ascending. None where they cannot be read.
pub(super) fn read() -> Vec<IpAddr> {
    let read = |name: &str| {
        fs::read_to_string(format!("/proc/thread-self/net/{name}")).unwrap_or_default()
    };
    let v4 = of_trie(&read("fib_trie")).into_iter().map(IpAddr::V4);
    let v6 = of_interfaces(&read("if_inet6")).into_iter().map(IpAddr::V6);
    let mut addresses: Vec<IpAddr> = v4.chain(v6).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses.truncate(MOST);
    addresses
}

/// A local address is a line `|-- 10.0.0.1` with a line `/32 host LOCAL` below (`fib_trie_seq_show`).
fn of_trie(text: &str) -> Vec<Ipv4Addr> {
    let mut address: Option<Ipv4Addr> = None;
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        if let Some(leaf) = line.strip_prefix("|-- ") {
            address = leaf.parse().ok();
        } else if line == "/32 host LOCAL" {
            let usable = |address: &Ipv4Addr| !address.is_loopback() && !address.is_link_local();
            found.extend(address.filter(usable));
        }
    }
    found
}

/// Lines of address, index, length of the prefix, scope, flags and name (`if6_seq_show`).
fn of_interfaces(text: &str) -> Vec<Ipv6Addr> {
    let address = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let address = u128::from_str_radix(fields.next()?, 16).ok()?;
        let scope = fields.nth(2)?;
        let flags = u32::from_str_radix(fields.next()?, 16).ok()?;
        (scope == GLOBAL && flags & UNUSABLE == 0).then(|| Ipv6Addr::from(address))
    };
    text.lines().filter_map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIE: &str = "Main:\n  +-- 0.0.0.0/1 2 0 2\n     |-- 10.1.2.0\n        /24 host LOCAL\n     \
        |-- 10.1.2.3\n        /32 host LOCAL\n     |-- 10.1.2.255\n        /32 link BROADCAST\n     \
        |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 169.254.1.1\n        /32 host LOCAL\n";

    #[test]
    fn only_addresses_that_others_can_answer_count() {
        assert_eq!(of_trie(TRIE), [Ipv4Addr::new(10, 1, 2, 3)]);
        assert!(of_trie("/32 host LOCAL\n|-- x\n/32 host LOCAL").is_empty());
    }

    #[test]
    fn of_ipv6_only_global_ones_in_use() {
        let line = |scope: &str, flags: &str| {
            format!("20010db8000000000000000000000001 02 40 {scope} {flags}     eth0\n")
        };
        let address: Ipv6Addr = "2001:db8::1".parse().expect("an address");
        assert_eq!(of_interfaces(&line("00", "80")), [address]);
        for (scope, flags) in [("10", "80"), ("20", "80"), ("00", "c0"), ("00", "20")] {
            assert!(
                of_interfaces(&line(scope, flags)).is_empty(),
                "{scope} {flags}"
            );
        }
        assert!(of_interfaces("\nx y\n").is_empty());
    }
}
