//! Events that were lost while watching.

use crate::doctor::{Case, Remedy, Severity, Verdict, words::grouped};

/// Twice the ring buffer and twice the table that portex takes by itself on a large host.
const LARGER: &str = "--ring-size 33554432 --max-sockets 524288";

pub(super) fn judge(case: &Case) -> Vec<Verdict> {
    let losses = &case.portex.losses;
    let dropped = case.snapshot.dropped;
    let lost = losses.events().max(case.snapshot.lost);
    if lost == 0 && dropped == 0 {
        return vec![];
    }
    let kinds = losses.by_kind();
    let told = kinds
        .iter()
        .filter(|(name, count)| *count > 0 && *name != "skipped")
        .map(|(name, count)| format!("{name}: {}", grouped(*count)));
    let mut evidence = vec![format!("{} events were lost", grouped(lost))];
    evidence.extend(told);
    if dropped > 0 {
        evidence.push(format!(
            "{} samples found no room in the model",
            grouped(dropped)
        ));
    }
    vec![Verdict {
        severity: Severity::Warning,
        netns: None,
        subject: "portex".to_owned(),
        title: "events were lost while watching".to_owned(),
        evidence,
        meaning: "rates are too low by what was lost; who holds which port is put right by the next scan, \
                  but failures among the lost are not known"
            .to_owned(),
        remedies: vec![Remedy::to_do(
            "watch with a larger ring buffer and table",
            "32 MiB and about 100 MiB of kernel memory while it runs",
        )
        .command(Some(format!("portex doctor --watch 30s {LARGER}")))],
    }]
}
