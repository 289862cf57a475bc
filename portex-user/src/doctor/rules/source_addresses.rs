//! An endangered space that other source addresses could share the load of.

use std::{collections::BTreeSet, net::IpAddr};

use super::close_wait_leak;
use crate::{
    attribution::snapshot::Space,
    doctor::{
        Case, Remedy, Severity, Verdict,
        words::{grouped, route},
    },
    host::Host,
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
    let (title, evidence, text) = advice(host, space);
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

const BIND: &str = "with IP_BIND_ADDRESS_NO_PORT before bind() to port 0 (haproxy: several source lines; \
                    nginx: proxy_bind with a variable; curl: --interface)";

/// Title, evidence, and what to do.
fn advice(host: &Host, space: &Space) -> (String, String, String) {
    let to_them = format!("let clients bind to them in turn, {BIND}");
    let add = |network: &str| {
        format!("add addresses{network}, and let clients bind to them in turn, {BIND}")
    };
    if space.src.is_loopback() {
        return (
            "connections of the loopback come from one address".to_owned(),
            "all of 127.0.0.0/8 is local: 127.0.0.2 and the others are there, unused".to_owned(),
            to_them,
        );
    }
    let others = host
        .addresses
        .iter()
        .copied()
        .filter(|address| address.is_ipv4() == space.src.is_ipv4() && *address != space.src);
    // Among its own addresses, any can be the source.
    let local = host.addresses.contains(&space.dst);
    let (near, far): (Vec<IpAddr>, Vec<IpAddr>) =
        others.partition(|address| local || host.same_network(space.src, *address));
    if near.is_empty() && far.is_empty() {
        return (
            "this namespace has only one address for this destination".to_owned(),
            format!(
                "{} is the only global address of its family (/proc/net)",
                space.src
            ),
            add(""),
        );
    }
    if near.is_empty() {
        return (
            "connections to this destination come from one address".to_owned(),
            format!(
                "no other address in the network of {} (/proc/net); of others there are {}, and whether the \
                 destination can answer them depends on routing",
                space.src,
                far.len()
            ),
            add(" of the same network"),
        );
    }
    let shown: Vec<String> = near.iter().take(NAMED).map(IpAddr::to_string).collect();
    (
        format!(
            "source addresses that are there and not used towards this destination: {}",
            near.len()
        ),
        format!("unused here: {} (/proc/net)", shown.join(", ")),
        to_them,
    )
}
