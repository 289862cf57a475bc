//! What portex can do here.

use super::{commands, none, one, samples, says};
use crate::doctor::{Attach, Attached, Missing, Severity};

#[test]
fn the_best_way_is_told_as_a_fact() {
    let finding = one(&samples::healthy(), "attach");
    assert_eq!(finding.verdict.severity, Severity::Info);
    says(
        &finding,
        &["by trampoline", "kernel 6.18.44, lockdown none"],
    );
}

#[test]
fn another_way_is_a_notice_with_the_reasons() {
    let mut case = samples::healthy();
    case.portex.attach = Attach::Worked(samples::tracepoint());
    case.portex.walks_refused = Some("no ring buffer".to_owned());
    let finding = one(&case, "attach");
    assert_eq!(finding.verdict.severity, Severity::Notice);
    says(
        &finding,
        &[
            "not by trampoline: no programs of this type",
            "timer_cancel is off: no such tracepoint; not told: TIME_WAIT",
            "explicit binds are estimated: no ring buffer",
        ],
    );
    assert!(finding.verdict.meaning.contains("io_uring"));
}

#[test]
fn a_way_that_was_asked_for_is_told_as_such() {
    let mut case = samples::healthy();
    case.portex.attach = Attach::Worked(Attached {
        refused: vec![],
        ..samples::tracepoint()
    });
    let finding = one(&case, "attach");
    says(&finding, &["asked for (--attach)"]);
    assert_eq!(finding.verdict.remedies.len(), 1);
}

#[test]
fn what_failed_is_a_warning_and_what_was_not_tried_is_not() {
    let mut case = samples::healthy();
    case.portex.attach = Attach::Failed("cannot attach\n  what to do: something".to_owned());
    let finding = one(&case, "attach");
    assert_eq!(finding.verdict.severity, Severity::Warning);
    says(&finding, &["cannot attach", "what to do: something"]);
    case.portex.attach = Attach::NotTried;
    assert_eq!(one(&case, "attach").verdict.severity, Severity::Info);
}

#[test]
fn estimated_binds_are_told_however_attaching_went() {
    let mut case = samples::healthy();
    case.portex.walks_refused = Some("no ring buffer".to_owned());
    for attach in [Attach::NotTried, Attach::Failed("no".to_owned())] {
        case.portex.attach = attach;
        let told = "explicit binds are estimated: no ring buffer";
        says(&one(&case, "attach"), &[told]);
    }
}

#[test]
fn what_could_not_be_seen_is_a_warning_whatever_the_capabilities() {
    let mut case = samples::healthy();
    none(&case, "incomplete");
    case.snapshot.hidden_namespaces = 2;
    case.notes = vec!["network namespace 7: its settings could not be read: no".to_owned()];
    case.refusals = case.notes.clone();
    none(&case, "capabilities");
    let finding = one(&case, "incomplete");
    assert_eq!(finding.verdict.severity, Severity::Warning);
    assert_eq!(
        finding.verdict.evidence,
        [
            "network namespaces that could not be looked into: 2",
            "network namespace 7: its settings could not be read: no"
        ]
    );
    case.snapshot.hidden_namespaces = 0;
    case.refusals.clear();
    assert_eq!(one(&case, "incomplete").verdict.severity, Severity::Notice);
    case.hosts.clear();
    assert_eq!(one(&case, "incomplete").verdict.severity, Severity::Warning);
}

#[test]
fn files_that_cannot_be_read_are_told_and_much_is_cut() {
    let mut case = samples::healthy();
    case.hosts[0].time_waits = None;
    case.hosts[0].addresses_unread = vec!["if_inet6"];
    let finding = one(&case, "incomplete");
    assert_eq!(finding.verdict.severity, Severity::Notice);
    says(&finding, &["TIME_WAITs (sockstat)", "addresses (if_inet6)"]);
    case.refusals = (0..40)
        .map(|at| format!("{at}{}", "x".repeat(900)))
        .collect();
    let evidence = one(&case, "incomplete").verdict.evidence;
    assert_eq!(evidence.last().map(String::as_str), Some("and 26 more"));
    assert_eq!(evidence.len(), 17);
    assert!(evidence.iter().all(|line| line.len() <= 300));
}

#[test]
fn capabilities_that_are_missing_are_granted_by_a_command() {
    let mut case = samples::healthy();
    none(&case, "capabilities");
    case.portex.uid = 1_000;
    case.portex.missing = vec![Missing {
        name: "CAP_SYS_PTRACE",
        serves: "to see whose sockets they are",
        essential: false,
    }];
    assert_eq!(
        one(&case, "capabilities").verdict.severity,
        Severity::Notice
    );
    case.portex.missing.push(Missing {
        name: "CAP_BPF",
        serves: "to load kernel programs",
        essential: true,
    });
    let finding = one(&case, "capabilities");
    assert_eq!(finding.verdict.severity, Severity::Warning);
    says(
        &finding,
        &[
            "CAP_BPF is missing: to load kernel programs",
            "user id 1000",
        ],
    );
    let commands = commands(&finding);
    assert_eq!(
        commands[0],
        ("sudo /usr/bin/portex doctor --watch 30s", false)
    );
    assert!(commands[1].0.starts_with("setcap cap_bpf,") && commands[1].1);
    case.portex.uid = 0;
    assert!(
        super::commands(&one(&case, "capabilities")).is_empty(),
        "a container's root"
    );
}

#[test]
fn missing_type_information_is_a_warning() {
    let mut case = samples::healthy();
    none(&case, "btf");
    case.portex.btf_refused = Some("No such file".to_owned());
    says(
        &one(&case, "btf"),
        &["/sys/kernel/btf/vmlinux: No such file"],
    );
}

#[test]
fn losses_are_told_by_kind() {
    let mut case = samples::healthy();
    none(&case, "losses");
    case.portex.losses.skipped = 7;
    none(&case, "losses");
    case.portex.losses = samples::losses();
    let finding = one(&case, "losses");
    assert_eq!(finding.verdict.severity, Severity::Warning);
    says(
        &finding,
        &["1,234 events were lost", "connect: 1,200", "table_full: 34"],
    );
    let all = finding.verdict.evidence.join("\n");
    assert!(!all.contains("skipped"), "{all}");
    case.portex.losses = crate::event::Losses::default();
    case.snapshot.dropped = 5;
    says(&one(&case, "losses"), &["5 samples found no room"]);
}
