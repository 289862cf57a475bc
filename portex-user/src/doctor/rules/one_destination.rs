//! All of a source's ports go to one address and port of a destination.

use super::close_wait_leak;
use crate::{
    attribution::snapshot::Space,
    doctor::{
        Case, Remedy, Severity, Verdict,
        danger::share,
        words::{grouped, percent, route},
    },
};

/// From this share of a source's ports on, it is one destination.
const NEARLY_ALL: f64 = 0.9;

pub(super) fn judge(case: &Case) -> Vec<Verdict> {
    let mut found = Vec::new();
    for (space, _) in case.endangered() {
        let all = of_source(&case.snapshot.spaces, space);
        let here = share(space.used, all);
        // A space that explicit binds of others fill has the same trouble towards any destination.
        // One that a leak fills is full again soon.
        let other = space.blocked > space.used || close_wait_leak::explains(space);
        if space.used == 0 || here < NEARLY_ALL || other {
            continue;
        }
        found.push(Verdict {
            severity: Severity::Notice,
            netns: Some(space.netns),
            subject: route(space),
            title: format!("{} of the source's ports go to this one destination", percent(here)),
            evidence: vec![format!(
                "{} of the {} ports that {} holds, whatever the destination (sock_diag)",
                grouped(space.used),
                grouped(all),
                space.src
            )],
            meaning: format!(
                "a port counts per destination address and port: each further address or port of the same \
                 service adds {} more",
                grouped(space.capacity)
            ),
            remedies: vec![Remedy::to_do(
                "let the service be reached at several addresses or ports (several listen ports, several \
                 addresses of a load balancer) and spread connections over them",
                "clients must know the addresses (DNS, service discovery), and must really use them",
            )],
        });
    }
    found
}

fn of_source(spaces: &[Space], space: &Space) -> u32 {
    let same = spaces
        .iter()
        .filter(|other| other.netns == space.netns && other.src == space.src);
    same.map(|other| other.used).fold(0, u32::saturating_add)
}
