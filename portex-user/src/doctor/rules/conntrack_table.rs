//! A table of connection tracking that is full, or nearly.

use crate::{
    doctor::{Case, Remedy, Severity, Verdict, words::percent},
    host::{Conntrack, Host},
};

/// From this share on, a burst fills it.
const FULL: f64 = 0.8;
/// From here on it is critical.
const NEARLY_FULL: f64 = 0.95;
/// An entry takes about so many bytes (`nf_conntrack` in /proc/slabinfo, with extensions).
const BYTES: u64 = 400;

pub(super) fn judge(case: &Case) -> Vec<Verdict> {
    case.hosts
        .iter()
        .filter_map(|host| of_host(host, host.conntrack?))
        .collect()
}

fn of_host(host: &Host, table: Conntrack) -> Option<Verdict> {
    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    let share = table.count as f64 / table.max as f64;
    if table.max == 0 || share < FULL {
        return None;
    }
    let larger = table.max.saturating_mul(2);
    let setting = [("net.netfilter.nf_conntrack_max", larger.to_string())];
    let remedy = Remedy::to_do(
        "raise the bound; then look at timeouts that keep entries long (nf_conntrack_tcp_timeout_established \
         is 5 days by default)",
        format!(
            "about {} MiB of kernel memory when it is full; the hash table stays as it is \
             (nf_conntrack_buckets), so that lookups take longer",
            larger.saturating_mul(BYTES) >> 20
        ),
    );
    let remedy = if table.max_is_own {
        remedy.settings(host, &setting).fixes(true)
    } else {
        let [(name, value)] = &setting;
        // Whether process 1 is the host's is not known in a container: no promise that it helps.
        Remedy {
            text: format!("{}. It is the host's, one for all namespaces", remedy.text),
            persist: Some(format!("{name} = {value}")),
            ..remedy.command(Some(format!(
                "nsenter --net=/proc/1/ns/net sysctl -w {name}={value}"
            )))
        }
    };
    Some(Verdict {
        severity: if share >= NEARLY_FULL {
            Severity::Critical
        } else {
            Severity::Warning
        },
        netns: Some(host.netns),
        subject: "net.netfilter.nf_conntrack_max".to_owned(),
        title: "the table of tracked connections is nearly full".to_owned(),
        evidence: vec![format!(
            "{} entries of {} ({}) (nf_conntrack_count, nf_conntrack_max)",
            table.count,
            table.max,
            percent(share)
        )],
        meaning: "when it is full, packets of new connections are dropped without an error: connect() hangs \
                  and times out, which looks like a dead peer and not like exhaustion"
            .to_owned(),
        remedies: vec![remedy],
    })
}
