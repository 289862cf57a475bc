//! `tcp_fin_timeout` lowered, in the belief that it shortens TIME_WAIT.

use crate::doctor::{Case, Remedy, Severity, Verdict};

/// The kernel's default, in seconds (`TCP_FIN_TIMEOUT`).
const DEFAULT: u64 = 60;

pub(super) fn judge(case: &Case) -> Vec<Verdict> {
    let lowered = case
        .hosts
        .iter()
        .filter(|host| host.rules.fin_timeout.as_secs() < DEFAULT);
    lowered
        .map(|host| Verdict {
            severity: Severity::Notice,
            netns: Some(host.netns),
            subject: "net.ipv4.tcp_fin_timeout".to_owned(),
            title: "tcp_fin_timeout is lowered, which does not shorten TIME_WAIT".to_owned(),
            evidence: vec![format!(
                "tcp_fin_timeout = {} s (default {DEFAULT} s)",
                host.rules.fin_timeout.as_secs()
            )],
            meaning: "it is how long an orphaned connection waits in FIN_WAIT2 for the peer's FIN. TIME_WAIT \
                      lasts 60 s whatever it says: if it was lowered against exhaustion of ports, it did \
                      nothing"
                .to_owned(),
            remedies: vec![
                Remedy::to_do(
                    "set the default again, unless it was lowered for orphans in FIN_WAIT2",
                    "where peers never close, orphans stay up to a minute",
                )
                .settings(host, &[("net.ipv4.tcp_fin_timeout", DEFAULT.to_string())])
                .fixes(true),
            ],
        })
        .collect()
}
