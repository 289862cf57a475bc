//! A space that short connections fill with TIME_WAITs.

use crate::{
    attribution::snapshot::Space,
    doctor::{
        Case, Remedy, Verdict,
        danger::{relieved, share, taken},
        remedy::wider,
        words::{self, evidence, percent, route},
    },
    host::Host,
};

/// From this share of what is taken on, TIME_WAIT is the cause.
const MOST: f64 = 0.5;

pub(super) fn judge(case: &Case) -> Vec<Verdict> {
    let mut found = Vec::new();
    for (space, danger) in case.endangered() {
        if !explains(space) {
            continue;
        }
        let share = share(waiting(space), taken(space).max(1));
        found.push(Verdict {
            severity: danger.severity(),
            netns: Some(space.netns),
            subject: route(space),
            title: format!(
                "short connections fill it: TIME_WAIT holds {} of the ports that are taken",
                percent(share)
            ),
            evidence: evidence(space),
            meaning: "this side closes first, so that each connection keeps its port for 60 s more \
                      (TCP_TIMEWAIT_LEN, not tunable): ports last for capacity / 60 connections a second"
                .to_owned(),
            remedies: remedies(case, space),
        });
    }
    found
}

/// Whether TIME_WAIT is why a space is full.
pub(super) fn explains(space: &Space) -> bool {
    share(waiting(space), taken(space).max(1)) >= MOST
}

/// TIME_WAITs that no connect() may take over.
fn waiting(space: &Space) -> u32 {
    space.time_wait.saturating_sub(space.recyclable)
}

fn remedies(case: &Case, space: &Space) -> Vec<Remedy> {
    let who = space
        .owners
        .iter()
        .find(|owner| owner.holder.pid.is_some())
        .map_or_else(
            || "the clients (portex doctor --watch 30s names them)".to_owned(),
            |owner| words::who(&owner.holder),
        );
    let mut remedies = vec![Remedy::to_do(
        format!(
            "have {who} keep its connections: a pool, HTTP keep-alive, one connection per worker. A \
             thousand requests over one connection need one port"
        ),
        "a change of the program or its settings; the server must allow as many idle connections",
    )];
    let host = case.host(space.netns);
    remedies.extend(host.and_then(|host| reuse(host, space)));
    if !space.own_range {
        let ranges = host.map(wider).unwrap_or_default();
        remedies.extend(ranges.first().zip(host).map(|(wider, host)| {
            Remedy::to_do(
                format!(
                    "a wider range: {} ports instead of {}",
                    words::grouped(wider.capacity),
                    words::grouped(space.capacity)
                ),
                "services that start later with a fixed port in the new range may find it taken, unless \
                 it is reserved",
            )
            .settings(host, &wider.settings())
            .fixes(relieved(space, taken(space), wider.capacity))
        }));
    }
    remedies
}

/// `tcp_tw_reuse` at 1, where that helps; or what would have to be done first.
fn reuse(host: &Host, space: &Space) -> Option<Remedy> {
    let timestamps = host.timestamps.unwrap_or(1) != 0;
    let loopback = space.dst.is_loopback() || space.src.is_loopback();
    // At 2 the loopback has it already.
    let is_on = host.rules.tw_reuse == 1 || host.rules.tw_reuse == 2 && loopback;
    // At worst, all that were bound wait: connect() passes over the port of an explicit bind
    // (`__inet_hash_connect`: `fastreuse` not below 0).
    let of_bound = space.bound.min(waiting(space));
    if share(of_bound, waiting(space).max(1)) >= MOST {
        return Some(Remedy::to_do(
            "set IP_BIND_ADDRESS_NO_PORT before bind() to an address and port 0: then connect() chooses the \
             port, for this destination alone. A TIME_WAIT of a socket that bind() gave its port is never \
             taken over, whatever tcp_tw_reuse says",
            "a change of the program or its settings (nginx: since 1.11.2 by itself; haproxy: source without \
             a port range)",
        ));
    }
    if is_on || !timestamps {
        return None;
    }
    let left = taken(space).saturating_sub(waiting(space) - of_bound);
    let without_need = Space {
        need: None,
        ..space.clone()
    };
    if !relieved(&without_need, left, space.capacity) {
        return None;
    }
    let local = space.dst.is_loopback() || host.addresses.contains(&space.dst);
    let remedy = Remedy::to_do(
        "let connect() take over a TIME_WAIT after a second; it does so where the peer sends timestamps, \
         and not for sockets that bind() gave their port",
        "small: timestamps tell old segments from new ones (RFC 6191). Behind a NAT or load balancer that \
         shares one address among hosts, a server may ignore such a SYN",
    );
    Some(
        remedy
            .settings(host, &[("net.ipv4.tcp_tw_reuse", "1".to_owned())])
            .fixes(local),
    )
}
