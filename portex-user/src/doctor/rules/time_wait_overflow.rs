//! More TIME_WAITs than `tcp_max_tw_buckets` allows.

use crate::{
    doctor::{
        Case, Remedy, Severity, Verdict,
        words::{grouped, percent},
    },
    host::Host,
};

/// From this share of the bound on, the next wave of closes reaches it.
const NEAR: f64 = 0.9;
/// A TIME_WAIT minisocket takes about so many bytes (`tw_sock_TCP` in /proc/slabinfo: 248 to 288).
const BYTES: u64 = 288;

pub(super) fn judge(case: &Case) -> Vec<Verdict> {
    case.hosts
        .iter()
        .filter_map(|host| of_host(case, host))
        .collect()
}

fn of_host(case: &Case, host: &Host) -> Option<Verdict> {
    let max = u64::from(host.rules.max_tw_buckets);
    let now = host.time_waits;
    let overflows = host.time_wait_overflows;
    let earlier = case
        .earlier(host.netns)
        .and_then(|host| host.time_wait_overflows);
    let grown = overflows
        .zip(earlier)
        .map(|(overflows, earlier)| overflows.saturating_sub(earlier));
    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    let share = |now: u64| now as f64 / max.max(1) as f64;
    let near = now.is_some_and(|now| share(now) >= NEAR);
    let goes_on = grown.is_some_and(|grown| grown > 0);
    let overflowed = overflows.is_some_and(|overflows| overflows > 0);
    if !overflowed && !near {
        return None;
    }
    let mut evidence = vec![
        match now {
            Some(now) => format!(
                "{} TIME_WAITs of {} at most ({}) (sockstat, tcp_max_tw_buckets)",
                grouped(now),
                grouped(max),
                percent(share(now))
            ),
            None => format!(
                "{} TIME_WAITs at most (tcp_max_tw_buckets); how many there are is not readable (sockstat)",
                grouped(max)
            ),
        },
        overflows.map_or_else(
            || "TCPTimeWaitOverflow is not readable (netstat)".to_owned(),
            |overflows| {
                format!(
                    "TCPTimeWaitOverflow: {} since the namespace exists (netstat)",
                    grouped(overflows)
                )
            },
        ),
    ];
    evidence.extend(grown.map(|grown| format!("of these, {} while watched", grouped(grown))));
    let title = if goes_on {
        "TIME_WAITs are refused: tcp_max_tw_buckets is reached"
    } else if near {
        "the number of TIME_WAITs is near tcp_max_tw_buckets"
    } else {
        "TIME_WAITs were refused at some time: tcp_max_tw_buckets was reached"
    };
    let larger = (max * 2).max(262_144).min(i32::MAX.unsigned_abs().into());
    Some(Verdict {
        severity: if goes_on || near {
            Severity::Warning
        } else {
            Severity::Notice
        },
        netns: Some(host.netns),
        subject: "net.ipv4.tcp_max_tw_buckets".to_owned(),
        title: title.to_owned(),
        evidence,
        meaning: "a connection that finds no room for its TIME_WAIT gives its port back at once: ports \
                  last longer, but late segments of it may end the next connection of the same ports. \
                  The bound is a guard against floods, no remedy against exhaustion"
            .to_owned(),
        remedies: vec![
            Remedy::to_do(
                "raise the bound",
                format!(
                    "up to {} MiB of kernel memory when all are there; ports that the overflow gave back \
                     early stay taken for 60 s then",
                    (larger * BYTES) >> 20
                ),
            )
            .settings(host, &[("net.ipv4.tcp_max_tw_buckets", larger.to_string())])
            // What was counted stays counted.
            .fixes(!overflowed),
        ],
    })
}
