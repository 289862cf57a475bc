//! `tcp_max_tw_buckets` lowered, as advice against TIME_WAITs has it.

use crate::doctor::{Case, Remedy, Severity, Verdict, words::grouped};

/// Kernels set half of the number of hash buckets, which on a host of 1 GiB is 4,096 and on smaller ones
/// is less (`tcp_init`); what is below both is somebody's doing.
const LOW: u32 = 4_096;
/// What hosts of several GiB have by themselves.
const USUAL: u32 = 131_072;

pub(super) fn judge(case: &Case) -> Vec<Verdict> {
    let low = case.hosts.iter().filter(|host| {
        let max = host.rules.max_tw_buckets;
        let usual = host.usual_tw_buckets.unwrap_or(LOW);
        max < LOW.min(usual) && max < host.rules.range.size()
    });
    low.map(|host| Verdict {
        severity: Severity::Notice,
        netns: Some(host.netns),
        subject: "net.ipv4.tcp_max_tw_buckets".to_owned(),
        title: "tcp_max_tw_buckets is lower than one destination can need".to_owned(),
        evidence: vec![format!(
            "tcp_max_tw_buckets = {}, and one destination can have {} ports in TIME_WAIT",
            grouped(host.rules.max_tw_buckets),
            grouped(host.rules.range.size())
        )],
        meaning:
            "a low bound hides TIME_WAITs instead of avoiding them: connections beyond it close \
                  without one, unprotected from late segments"
                .to_owned(),
        remedies: vec![
            Remedy::to_do(
                "set what larger hosts have by default",
                "up to 36 MiB of kernel memory when all are there",
            )
            .settings(host, &[("net.ipv4.tcp_max_tw_buckets", USUAL.to_string())])
            .fixes(true),
        ],
    })
    .collect()
}
