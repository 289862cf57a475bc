//! An endangered space that none of the usual causes explains.

use super::{close_wait_leak, connection_leak, time_wait_churn};
use crate::{
    attribution::snapshot::Space,
    doctor::{
        Case, Remedy, Verdict,
        danger::{relieved, share, taken},
        remedy::wider,
        words::{evidence, ports, route},
    },
};

/// From this share of what is taken on, explicit binds are the cause.
const MOST: f64 = 0.5;

pub(super) fn judge(case: &Case) -> Vec<Verdict> {
    let endangered = case.endangered();
    let unexplained = endangered.filter(|(space, _)| {
        !time_wait_churn::explains(space)
            && !close_wait_leak::explains(space)
            && connection_leak::suspicion(space).is_none()
    });
    unexplained
        .map(|(space, danger)| {
            let binds = share(space.blocked, taken(space).max(1)) >= MOST;
            let (title, meaning) = if binds {
                (
                    "ports that explicit binds hold leave few for this destination",
                    "a port that somebody bound, to listen or before connecting, is passed over by every \
                     connect() of the namespace, whatever its destination",
                )
            } else {
                (
                    "so many connections at a time need more ports than there are",
                    "connections come and go as they should: there are too many of them for one source \
                     and one destination",
                )
            };
            Verdict {
                severity: danger.severity(),
                netns: Some(space.netns),
                subject: route(space),
                title: title.to_owned(),
                evidence: evidence(space),
                meaning: meaning.to_owned(),
                remedies: remedies(case, space, binds),
            }
        })
        .collect()
}

fn remedies(case: &Case, space: &Space, binds: bool) -> Vec<Remedy> {
    let first = if binds {
        Remedy::to_do(
            "see who binds (portex snapshot shows the bind pools); programs that bind before they connect \
             shall set IP_BIND_ADDRESS_NO_PORT",
            "a change of the programs",
        )
    } else {
        Remedy::to_do(
            "spread them over several source addresses, or several addresses or ports of the destination; \
             multiplex (HTTP/2) where the protocol can",
            "clients and peers must be set up for it",
        )
    };
    let mut remedies = vec![first];
    let host = case.host(space.netns).filter(|_| !space.own_range);
    let ranges = host.map(wider).unwrap_or_default();
    remedies.extend(ranges.first().zip(host).map(|(wider, host)| {
        Remedy::to_do(
            format!("a wider range: {}", ports(wider.capacity)),
            "services that start later with a fixed port in the new range may find it taken, unless it is \
             reserved",
        )
        .settings(host, &wider.settings())
        .fixes(relieved(space, taken(space), wider.capacity))
    }));
    remedies
}
