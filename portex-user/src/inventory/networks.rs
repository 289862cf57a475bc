//! Networks that the interfaces of this thread's namespace are in.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::host::Network;

/// Most that are kept.
const MOST: usize = 256;
/// `RTF_UP` and `RTF_GATEWAY` (linux/route.h).
const UP: u32 = 1;
const GATEWAY: u32 = 2;

/// What is readable of them.
pub(super) fn read() -> Vec<Network> {
    let text = |name| fs::read_to_string(format!("/proc/thread-self/net/{name}"));
    let v4 = text("route").unwrap_or_default();
    let v6 = text("if_inet6").unwrap_or_default();
    let mut networks: Vec<Network> = of_routes(&v4).chain(of_interfaces(&v6)).collect();
    networks.sort_unstable();
    networks.dedup();
    networks.truncate(MOST);
    networks
}

/// Routes of the main table without a gateway: lines of interface, destination, gateway, flags,
/// reference count, use, metric, mask, ... (`fib_route_seq_show`); addresses as the machine has them
/// in memory.
fn of_routes(text: &str) -> impl Iterator<Item = Network> {
    let network = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().take(8).collect();
        let hex = |at: usize| u32::from_str_radix(fields.get(at)?, 16).ok();
        let (destination, flags, mask) = (hex(1)?, hex(3)?, hex(7)?);
        let prefix = mask.count_ones();
        let is_one = flags & (UP | GATEWAY) == UP && prefix > 0;
        is_one.then(|| {
            let address = Ipv4Addr::from(destination.to_ne_bytes());
            Some(Network {
                address: IpAddr::V4(address),
                prefix: prefix.try_into().ok()?,
            })
        })?
    };
    text.lines().filter_map(network)
}

/// Lines of address, index, length of the prefix, ... (`if6_seq_show`).
fn of_interfaces(text: &str) -> impl Iterator<Item = Network> {
    let network = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let address = u128::from_str_radix(fields.next()?, 16).ok()?;
        let prefix = u8::from_str_radix(fields.nth(1)?, 16).ok()?;
        let keep = u128::MAX.checked_shl(128_u32.checked_sub(prefix.into())?);
        Some(Network {
            address: IpAddr::V6(Ipv6Addr::from(address & keep.unwrap_or(0))),
            prefix,
        })
    };
    text.lines().filter_map(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(networks: impl Iterator<Item = Network>) -> Vec<String> {
        networks
            .map(|network| format!("{}/{}", network.address, network.prefix))
            .collect()
    }

    #[test]
    fn routes_without_a_gateway_are_networks() {
        let hex = |a, b, c, d| format!("{:08X}", u32::from_ne_bytes([a, b, c, d]));
        let line = |to: &str, gateway: &str, flags: &str, mask: &str| {
            format!("eth0\t{to}\t{gateway}\t{flags}\t0\t0\t0\t{mask}\t0\t0\t0\n")
        };
        let none = hex(0, 0, 0, 0);
        let text = [
            "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n".to_owned(),
            line(&none, &hex(10, 0, 0, 254), "0003", &none),
            line(&hex(10, 0, 0, 0), &none, "0001", &hex(255, 255, 255, 0)),
            line(
                &hex(10, 9, 0, 0),
                &hex(10, 0, 0, 2),
                "0003",
                &hex(255, 255, 0, 0),
            ),
            "cut\t00".to_owned(),
        ]
        .concat();
        assert_eq!(told(of_routes(&text)), ["10.0.0.0/24"]);
    }

    #[test]
    fn addresses_of_ipv6_tell_their_networks() {
        let text = "20010db8000000000000000000000001 02 40 00 80 eth0\n\
                    00000000000000000000000000000001 01 80 10 80 lo\n\
                    2001 02 ff 00 80 eth0\n";
        assert_eq!(told(of_interfaces(text)), ["2001:db8::/64", "::1/128"]);
    }
}
