//! An endangered space that other source addresses could share the load of.

use std::{collections::BTreeSet, net::IpAddr};

use super::close_wait_leak;
use crate::{
    attribution::snapshot::Space,
    doctor::{
        Case, Remedy, Severity, Verdict,
        words::{grouped, route},
    },
};

/// Addresses that are named one by one.
const NAMED: usize = 6;

pub(super) fn judge(case: &Case) -> Vec<Verdict> {
    case.endangered()
        .filter_map(|(space, _)| of_space(case, space))
        .collect()
}

fn of_space(case: &Case, space: &Space) -> Option<Verdict> {
    // A binding to a device or a range of its own is somebody's choice of source already. What a leak
    // fills is full again soon.
    if space.dev != 0 || space.own_range || close_wait_leak::explains(space) {
        return None;
    }
    let used: BTreeSet<IpAddr> = case
        .snapshot
        .spaces
        .iter()
        .filter(|other| {
            (other.netns, other.dst, other.dst_port) == (space.netns, space.dst, space.dst_port)
                && other.used > 0
        })
        .map(|other| other.src)
        .collect();
    if used.len() > 1 {
        return None;
    }
    let host = case.host(space.netns)?;
    let loopback = space.src.is_loopback();
    // `::1` has no siblings; and addresses that could not be read are not none.
    if loopback && space.src.is_ipv6() || !loopback && !host.knows_addresses(space.src.is_ipv4()) {
        return None;
    }
    let others: Vec<IpAddr> = host
        .addresses
        .iter()
        .copied()
        .filter(|address| {
            !loopback && address.is_ipv4() == space.src.is_ipv4() && *address != space.src
        })
        .collect();
    let shown: Vec<String> = others.iter().take(NAMED).map(IpAddr::to_string).collect();
    let (title, evidence) = match (loopback, others.len()) {
        (true, _) => (
            "connections of the loopback come from one address".to_owned(),
            "all of 127.0.0.0/8 is local: 127.0.0.2 and the others are there, unused".to_owned(),
        ),
        (false, 0) => (
            "this namespace has only one address for this destination".to_owned(),
            format!(
                "{} is the only global address of its family (/proc/net)",
                space.src
            ),
        ),
        (false, count) => (
            format!(
                "source addresses that are there and not used towards this destination: {count}"
            ),
            format!(
                "unused here: {} (/proc/net); whether the destination answers them is a matter of routing",
                shown.join(", ")
            ),
        ),
    };
    let text = match (loopback, others.is_empty()) {
        (false, true) => {
            "add addresses, and let clients bind to them in turn with IP_BIND_ADDRESS_NO_PORT (haproxy: \
             several source lines; nginx: proxy_bind with a variable; curl: --interface)"
        }
        _ => {
            "let clients bind to them in turn, with IP_BIND_ADDRESS_NO_PORT before bind() to port 0 \
             (haproxy: several source lines; nginx: proxy_bind with a variable; curl: --interface)"
        }
    };
    Some(Verdict {
        severity: Severity::Notice,
        netns: Some(space.netns),
        subject: route(space),
        title,
        evidence: vec![evidence],
        meaning: format!(
            "a port counts per source address: each further one adds {} ports towards this destination",
            grouped(space.capacity)
        ),
        remedies: vec![Remedy::to_do(
            text,
            "routing, firewalls and access lists of the peer must know the addresses; a bind() without \
             IP_BIND_ADDRESS_NO_PORT takes ports from all destinations instead",
        )],
    })
}
