//! Connections that connection tracking, and NAT with it, refused.

use crate::{
    doctor::{Case, Remedy, Severity, Verdict, remedy::inside, words::grouped},
    host::{ConntrackCounters, Host},
};

/// So many refused while watched, and so many a second, are worth doing something: two packets that
/// want the same tuple at once are nothing unusual.
const MANY: u64 = 10;
const PER_SECOND: f64 = 1.0;

pub(super) fn judge(case: &Case) -> Vec<Verdict> {
    case.hosts
        .iter()
        .filter_map(|host| of_host(case, host))
        .collect()
}

fn of_host(case: &Case, host: &Host) -> Option<Verdict> {
    let counters = |host: &Host| host.conntrack.and_then(|conntrack| conntrack.counters);
    let now = counters(host)?;
    if now.insert_failed == 0 && now.drop == 0 {
        return None;
    }
    let grown = case
        .earlier(host.netns)
        .and_then(counters)
        .map(|then| ConntrackCounters {
            insert_failed: now.insert_failed.saturating_sub(then.insert_failed),
            drop: now.drop.saturating_sub(then.drop),
            early_drop: now.early_drop.saturating_sub(then.early_drop),
        });
    // A packet whose entry could not be inserted counts in both.
    let refused = grown.map_or(0, |grown| grown.insert_failed.max(grown.drop));
    let seconds = case.watched().map_or(0.0, |time| time.as_secs_f64());
    let most = u32::try_from(refused).unwrap_or(u32::MAX);
    let goes_on = refused >= MANY && f64::from(most) >= PER_SECOND * seconds;
    let told = |since: &str, counters: &ConntrackCounters| {
        format!(
            "{since}: insert_failed {}, drop {}, early_drop {} (/proc/net/stat/nf_conntrack)",
            grouped(counters.insert_failed),
            grouped(counters.drop),
            grouped(counters.early_drop)
        )
    };
    let mut evidence = vec![told("since the namespace exists", &now)];
    evidence.extend(grown.map(|grown| told("while watched", &grown)));
    Some(Verdict {
        severity: if goes_on {
            Severity::Warning
        } else {
            Severity::Notice
        },
        netns: Some(host.netns),
        subject: "connection tracking".to_owned(),
        title: if goes_on {
            "connection tracking drops packets of new connections".to_owned()
        } else {
            "connection tracking has dropped packets of new connections".to_owned()
        },
        evidence,
        meaning: "insert_failed with SNAT or masquerading: no free source port was found in 248 tries, or two \
                  packets wanted the same tuple at once. drop alone: the table was full. A \
                  connect() of TCP hangs and tries again, without an error; a send() of UDP from this \
                  machine gets EPERM"
            .to_owned(),
        remedies: vec![
            Remedy::to_do(
                "see which counter moves under load; numbers are hexadecimal, a line for each CPU",
                "none: it only reads",
            )
            .command(inside(host, "cat /proc/net/stat/nf_conntrack")),
            Remedy::to_do(
                "where it is SNAT: give the rule more source addresses (nftables: snat to a range; \
                 iptables: --to-source A-B), fewer connections, or no NAT for this destination",
                "peers see other addresses",
            ),
        ],
    })
}
