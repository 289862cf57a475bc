//! Addresses of the namespace that this thread is in, which a connection can come from.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::host::{ADDRESSES_V4, ADDRESSES_V6};

/// Most that are kept of a family: more do not change what is said of them.
const MOST: usize = 256;
/// `IPV6_ADDR_ANY` in the column of scopes: global.
const GLOBAL: &str = "00";
/// `IFA_F_DEPRECATED`, `IFA_F_TENTATIVE`, `IFA_F_DADFAILED` (linux/if_addr.h).
const UNUSABLE: u32 = 0x20 | 0x40 | 0x08;

/// Addresses, and what of them is not known.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Addresses {
    /// Those that are neither loopback nor link-local, ascending; of each family up to [`MOST`].
    pub(super) known: Vec<IpAddr>,
    /// Files that could not be read.
    pub(super) unread: Vec<&'static str>,
}

/// Reads them.
pub(super) fn read() -> Addresses {
    from(|name| fs::read_to_string(format!("/proc/thread-self/net/{name}")))
}

fn from(read: impl Fn(&'static str) -> io::Result<String>) -> Addresses {
    let v4 = read(ADDRESSES_V4).ok().map(|text| of_trie(&text));
    let v6 = match read(ADDRESSES_V6) {
        // A kernel without IPv6 has no such file.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(Vec::new()),
        text => text.ok().map(|text| of_interfaces(&text)),
    };
    let unread = [(ADDRESSES_V4, v4.is_none()), (ADDRESSES_V6, v6.is_none())];
    let v4 = some_of(v4.unwrap_or_default()).into_iter().map(IpAddr::V4);
    let v6 = some_of(v6.unwrap_or_default()).into_iter().map(IpAddr::V6);
    Addresses {
        known: v4.chain(v6).collect(),
        unread: unread
            .into_iter()
            .filter_map(|(name, unread)| unread.then_some(name))
            .collect(),
    }
}

/// The first ones, each once.
fn some_of<A: Ord>(mut addresses: Vec<A>) -> Vec<A> {
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
    fn what_cannot_be_read_is_not_known_and_no_ipv6_is_none() {
        let denied = || Err(io::Error::from(io::ErrorKind::PermissionDenied));
        let found = from(|name| match name {
            ADDRESSES_V4 => Ok(TRIE.to_owned()),
            _ => denied(),
        });
        assert_eq!(found.known.len(), 1);
        assert_eq!(found.unread, ["if_inet6"]);
        let missing = from(|_| Err(io::Error::from(io::ErrorKind::NotFound)));
        assert_eq!(missing.unread, ["fib_trie"]);
        assert!(missing.known.is_empty());
    }

    #[test]
    fn many_addresses_of_one_family_do_not_hide_the_other() {
        let leaf = |at| format!("|-- 10.0.{}.{}", at / 256, at % 256);
        let leaves: Vec<_> = (0..MOST + 9).map(leaf).collect();
        let trie = leaves.join("\n/32 host LOCAL\n") + "\n/32 host LOCAL\n";
        let v6 = "20010db8000000000000000000000001 02 40 00 80     eth0\n";
        let found = from(|name| Ok(if name == ADDRESSES_V4 { &trie } else { v6 }.to_owned()));
        assert_eq!(found.known.len(), MOST + 1);
        assert!(found.known.last().is_some_and(IpAddr::is_ipv6));
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
