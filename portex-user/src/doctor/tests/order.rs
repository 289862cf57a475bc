//! What holds for all rules.

use std::collections::BTreeSet;

use super::{examine, samples};
use crate::{
    attribution::snapshot::Space,
    doctor::{Case, EXPLAINED, RULES, Severity},
    views::snapshot::samples as snapshots,
};

#[test]
fn a_healthy_host_gives_no_more_than_facts() {
    let findings = examine(&samples::healthy());
    let told: Vec<_> = findings.iter().map(|finding| finding.id).collect();
    assert_eq!(told, ["attach", "capacity"]);
    assert!(
        findings
            .iter()
            .all(|f| f.verdict.severity == Severity::Info)
    );
}

#[test]
fn nothing_known_is_no_panic_and_no_alarm() {
    let findings = examine(&Case::default());
    let told: Vec<_> = findings.iter().map(|finding| finding.id).collect();
    assert_eq!(told, ["attach"]);
}

#[test]
fn rules_have_names_of_their_own_and_sources() {
    let names: BTreeSet<_> = RULES.iter().map(|rule| rule.id).collect();
    assert_eq!(names.len(), RULES.len());
    assert!(RULES.iter().all(|rule| !rule.source.is_empty()));
}

#[test]
fn the_worst_comes_first_and_the_order_does_not_depend_on_the_snapshot_s() {
    let mut case = samples::churn();
    for (netns, last) in [(5, 9), (5, 8), (4, 7)] {
        case.snapshot.spaces.push(Space {
            netns,
            dst: [10, 0, 0, last].into(),
            ..snapshots::space()
        });
    }
    let order = |case: &Case| -> Vec<_> {
        let findings = examine(case);
        assert!(findings.is_sorted_by(|a, b| a.verdict.severity >= b.verdict.severity));
        findings
            .iter()
            .map(|finding| {
                (
                    finding.id,
                    finding.verdict.netns,
                    finding.verdict.subject.clone(),
                )
            })
            .collect()
    };
    let before = order(&case);
    case.snapshot.spaces.reverse();
    assert_eq!(order(&case), before);
    let churn: Vec<_> = before
        .iter()
        .filter(|(id, ..)| *id == "time_wait_churn")
        .map(|(_, netns, subject)| (netns.unwrap_or(0), subject.as_str()))
        .collect();
    assert_eq!(
        churn,
        [
            (4, "10.0.0.1 -> 10.0.0.7:443"),
            (5, "10.0.0.1 -> 10.0.0.8:443"),
            (5, "10.0.0.1 -> 10.0.0.9:443"),
            (samples::HOST, "10.0.0.1 -> 10.0.0.2:443"),
        ]
    );
}

#[test]
fn many_endangered_spaces_are_counted_and_the_worst_explained() {
    let mut case = samples::churn();
    let space = case.snapshot.spaces.remove(0);
    case.snapshot.spaces = (0..200)
        .map(|last| Space {
            dst: [10, 1, 0, last].into(),
            ..space.clone()
        })
        .collect();
    assert_eq!(case.endangered_spaces(), 200);
    assert_eq!(super::all(&case, "time_wait_churn").len(), EXPLAINED);
}

#[test]
fn every_remedy_says_what_and_what_it_risks() {
    let mut case = samples::churn();
    case.hosts[0].rules.fin_timeout = std::time::Duration::from_secs(1);
    case.portex.losses = samples::losses();
    for finding in examine(&case) {
        assert!(!finding.verdict.meaning.is_empty(), "{}", finding.id);
        for remedy in &finding.verdict.remedies {
            assert!(
                !remedy.text.is_empty() && !remedy.risk.is_empty(),
                "{}",
                finding.id
            );
            assert!(!remedy.fixes || remedy.command.is_some(), "{}", finding.id);
        }
    }
}
