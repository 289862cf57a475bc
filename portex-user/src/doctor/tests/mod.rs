//! Each rule by cases that are made up: where it speaks, where it must not, and its figures.

mod causes;
mod order;
mod portex;
pub(crate) mod samples;
mod settings;

use super::{Case, Finding, examine};

/// The findings of a rule.
fn all(case: &Case, id: &str) -> Vec<Finding> {
    let mut findings = examine(case);
    findings.retain(|finding| finding.id == id);
    findings
}

/// The only finding of a rule.
fn one(case: &Case, id: &str) -> Finding {
    let mut found = all(case, id);
    assert_eq!(found.len(), 1, "{id}: {found:#?}");
    found.remove(0)
}

/// That a rule says nothing.
fn none(case: &Case, id: &str) {
    let found = all(case, id);
    assert!(found.is_empty(), "{found:#?}");
}

/// That title or evidence has each of these.
fn says(finding: &Finding, texts: &[&str]) {
    let verdict = &finding.verdict;
    for text in texts {
        let is_said =
            verdict.title.contains(text) || verdict.evidence.iter().any(|line| line.contains(text));
        assert!(is_said, "{text:?} is not in {verdict:#?}");
    }
}

/// The remedies with a command.
fn commands(finding: &Finding) -> Vec<(&str, bool)> {
    let remedies = finding.verdict.remedies.iter();
    remedies
        .filter_map(|remedy| Some((remedy.command.as_deref()?, remedy.fixes)))
        .collect()
}
