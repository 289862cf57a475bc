//! `ip_autobind_reuse` switched on.

use crate::doctor::{Case, Remedy, Severity, Verdict};

pub(super) fn judge(case: &Case) -> Vec<Verdict> {
    let on = case.hosts.iter().filter(|host| host.rules.autobind_reuse);
    on.map(|host| Verdict {
        severity: Severity::Notice,
        netns: Some(host.netns),
        subject: "net.ipv4.ip_autobind_reuse".to_owned(),
        title: "bind() to port 0 may give one port to several sockets".to_owned(),
        evidence: vec!["ip_autobind_reuse = 1 (default 0)".to_owned()],
        meaning: "when no port is left, sockets with SO_REUSEADDR share one; a connect() of two of them to \
                  the same destination then fails with EADDRNOTAVAIL. It is meant for who binds before \
                  connecting and knows the destinations to differ; IP_BIND_ADDRESS_NO_PORT does the same \
                  without that risk"
            .to_owned(),
        remedies: vec![
            Remedy::to_do(
                "switch it off, after programs that bind before they connect set IP_BIND_ADDRESS_NO_PORT",
                "a pool that is full without sharing fails with EADDRINUSE then",
            )
            .settings(host, &[("net.ipv4.ip_autobind_reuse", "0".to_owned())])
            .fixes(true),
        ],
    })
    .collect()
}
