//! Port searches that take long.

use std::time::Duration;

use crate::doctor::{
    Case, Remedy, Severity, Verdict,
    remedy::wider,
    words::{evidence, grouped, route, time},
};

/// A search in a space with room takes a few microseconds. At half a millisecond it has tried
/// thousands of ports, or waited for a lock.
const SLOW: Duration = Duration::from_micros(500);

pub(super) fn judge(case: &Case) -> Vec<Verdict> {
    let mut found = Vec::new();
    for space in &case.snapshot.spaces {
        let Some(search) = space.search.filter(|search| search.p99 >= SLOW) else {
            continue;
        };
        // One in a hundred may have been interrupted: alone it counts only where ports are short.
        let often = search.p50 >= SLOW;
        if !often && space.fill < 0.5 {
            continue;
        }
        let mut told = vec![format!(
            "port searches: half took less than {}, 99 of 100 less than {}, the longest {} (events)",
            time(search.p50),
            time(search.p99),
            time(search.max)
        )];
        told.extend(evidence(space));
        let host = case.host(space.netns).filter(|_| !space.own_range);
        let ranges = host.map(wider).unwrap_or_default();
        let remedies = ranges.first().zip(host).map(|(wider, host)| {
            Remedy::to_do(
                format!("a wider range: {} ports", grouped(wider.capacity)),
                "services that start later with a fixed port in the new range may find it taken, unless \
                 it is reserved",
            )
            .settings(host, &wider.settings())
        });
        found.push(Verdict {
            severity: if often {
                Severity::Warning
            } else {
                Severity::Notice
            },
            netns: Some(space.netns),
            subject: route(space),
            title: "connect() searches long for a free port".to_owned(),
            evidence: told,
            meaning: "the kernel tries every second port from a random start, then the other half: the \
                      search is short while there is room and jumps once the first half is full. It comes \
                      before the first failure, and it delays every connect()"
                .to_owned(),
            remedies: remedies.into_iter().collect(),
        });
        if found.len() >= crate::doctor::EXPLAINED {
            break;
        }
    }
    found
}
