//! The doctor: from what is known of a host to findings, each with its evidence, what it means, and
//! what to do.
//!
//! * `case`: all that rules judge by
//! * `danger`: which spaces run out of ports
//! * `rules`: the table of rules, a file each: pure functions from a case to findings
//! * `finding`: what a rule says
//! * `remedy`: what to do, with commands for the namespace that is meant
//! * `words`: figures and names in sentences
//!
//! Rules do no I/O and know no time: whoever makes the case looks.

mod case;
mod danger;
mod finding;
mod remedy;
mod rules;
mod words;

pub use case::{Attach, Attached, Case, Missing, Off, Portex};
pub use danger::{Danger, EXPLAINED, danger};
pub use finding::{Finding, Severity, Verdict};
pub use remedy::Remedy;
pub use rules::{RULES, Rule};

/// What all rules find, the worst first; of the same severity in the order of the table, then by
/// namespace and subject.
pub fn examine(case: &Case) -> Vec<Finding> {
    let mut findings: Vec<(usize, Finding)> = Vec::new();
    for (place, rule) in RULES.iter().enumerate() {
        let verdicts = (rule.judge)(case).into_iter();
        findings.extend(verdicts.map(|verdict| {
            let finding = Finding {
                id: rule.id,
                source: rule.source,
                netns_name: verdict.netns.and_then(|netns| case.name(netns)),
                verdict,
            };
            (place, finding)
        }));
    }
    findings.sort_by(|(place, one), (other_place, other)| {
        let key = |finding: &Finding| (finding.verdict.netns, finding.verdict.subject.clone());
        other
            .verdict
            .severity
            .cmp(&one.verdict.severity)
            .then(place.cmp(other_place))
            .then_with(|| key(one).cmp(&key(other)))
    });
    findings.into_iter().map(|(_, finding)| finding).collect()
}

#[cfg(test)]
pub(crate) mod tests;
