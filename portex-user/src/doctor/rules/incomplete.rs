//! Parts of the host that could not be seen: nothing is known of them, not that they are healthy.

use crate::{
    doctor::{Case, Remedy, Severity, Verdict, words::grouped},
    host::Host,
};

/// Lines of evidence that are told one by one.
const TOLD: usize = 16;
/// Each of them is kept to this many characters.
const LONGEST: usize = 300;

pub(super) fn judge(case: &Case) -> Vec<Verdict> {
    let hidden = case.snapshot.hidden_namespaces;
    let notes = case.notes.iter().chain(&case.refusals).cloned();
    let mut evidence: Vec<String> = Vec::new();
    for note in notes.chain(case.hosts.iter().flat_map(unread)) {
        if !evidence.contains(&note) {
            evidence.push(note);
        }
    }
    if hidden > 0 {
        evidence.insert(
            0,
            format!(
                "network namespaces that could not be looked into: {}",
                grouped(hidden)
            ),
        );
    }
    if evidence.is_empty() {
        return vec![];
    }
    let missed = hidden > 0 || !case.refusals.is_empty() || case.hosts.is_empty();
    let (severity, title, meaning) = if missed {
        (
            Severity::Warning,
            "a part of this host could not be seen",
            "no finding says anything of it: its ports may run out all the same",
        )
    } else {
        (
            Severity::Notice,
            "not everything of this host could be seen",
            "findings do without it: owners, namespaces or figures may be missing from them",
        )
    };
    vec![Verdict {
        severity,
        netns: None,
        subject: "portex".to_owned(),
        title: title.to_owned(),
        evidence: bounded(&evidence),
        meaning: meaning.to_owned(),
        remedies: vec![Remedy::to_do(
            "remove the cause that is named and look again: permissions go away as root of the host (in a \
             container with --privileged --pid=host); what changed too fast may be read at another try",
            "none beyond those of a root shell",
        )],
    }]
}

/// Files of a namespace that was looked into.
fn unread(host: &Host) -> Vec<String> {
    let of = |what: &str| {
        let netns = host.netns;
        format!("network namespace {netns}: {what} could not be read")
    };
    let mut missing = Vec::new();
    if host.time_waits.is_none() {
        missing.push(of("its number of TIME_WAITs (sockstat)"));
    }
    if host.time_wait_overflows.is_none() {
        missing.push(of("TCPTimeWaitOverflow (netstat)"));
    }
    missing.extend(
        host.addresses_unread
            .iter()
            .map(|name| of(&format!("its addresses ({name})"))),
    );
    missing
}

fn bounded(evidence: &[String]) -> Vec<String> {
    let told = evidence.iter().take(TOLD);
    let mut lines: Vec<String> = told
        .map(|line| line.chars().take(LONGEST).collect())
        .collect();
    if evidence.len() > TOLD {
        let more = evidence.len() - TOLD;
        lines.push(format!("and {more} more"));
    }
    lines
}
