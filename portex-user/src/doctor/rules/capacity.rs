//! What a namespace's ports are good for, in plain numbers.

use crate::{
    attribution::snapshot::Space,
    doctor::{
        Case, Severity, Verdict,
        words::{grouped, ports, rate, route, time},
    },
    host::Host,
};

/// How long TIME_WAIT holds a port, in seconds (`TCP_TIMEWAIT_LEN`).
const TIME_WAIT: f64 = 60.0;
/// Spaces that are told one by one.
const NAMED: usize = 5;

pub(super) fn judge(case: &Case) -> Vec<Verdict> {
    let only = case.hosts.len() == 1;
    let worth = |host: &&Host| {
        let spaces = &mut case.snapshot.spaces.iter();
        only || host.own || spaces.any(|space| space.netns == host.netns)
    };
    let hosts = case.hosts.iter().filter(worth);
    hosts.map(|host| of_host(case, host)).collect()
}

fn of_host(case: &Case, host: &Host) -> Verdict {
    let range = host.rules.range;
    let reserved = host.rules.reserved.count_in(range);
    let capacity = range.size() - reserved;
    let mut evidence = vec![format!(
        "ip_local_port_range {range}: {}, {} of them reserved, {} left",
        ports(range.size()),
        grouped(reserved),
        grouped(capacity)
    )];
    let spaces = case.snapshot.spaces.iter();
    let held = spaces.filter(|space| space.netns == host.netns);
    evidence.extend(held.filter_map(measured).take(NAMED));
    Verdict {
        severity: Severity::Info,
        netns: Some(host.netns),
        subject: "net.ipv4.ip_local_port_range".to_owned(),
        title: format!(
            "from one address, {} connects/s to one destination can go on for ever",
            rate(f64::from(capacity) / TIME_WAIT)
        ),
        evidence,
        meaning: format!(
            "{} / 60 s of TIME_WAIT, where this side closes first; where the peer does, a port is free \
             with the connection, and it is {} at a time. Every other destination address or port has \
             the same again",
            ports(capacity),
            grouped(capacity)
        ),
        remedies: vec![],
    }
}

/// What was seen of a space: how long a port is held there.
fn measured(space: &Space) -> Option<String> {
    let (rates, need) = (space.rates?, space.need?);
    let connects = rates.connects;
    if connects <= 0.0 || need <= 0.0 {
        return None;
    }
    let hold = need / connects;
    let median = space
        .hold
        .map_or(String::new(), |hold| format!(", median {}", time(hold.p50)));
    Some(format!(
        "{}: {} connects/s, a port is held for about {hold:.0} s{median}: good for {} connects/s (events)",
        route(space),
        rate(connects),
        rate(f64::from(space.capacity) / hold)
    ))
}
