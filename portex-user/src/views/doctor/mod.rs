//! Views of findings: a report for people, or one JSON object.

mod json;
mod text;

use std::time::Duration;

use jiff::Timestamp;

pub use json::json;
pub use text::text;

use crate::doctor::{Finding, Severity};

/// Findings, and what they come from.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// Release of the kernel.
    pub kernel: &'a str,
    /// How portex was attached; `None` when nothing could be traced.
    pub attach: Option<&'a str>,
    /// When the host was looked at.
    pub time: Timestamp,
    /// For how long events were seen before that.
    pub watched: Option<Duration>,
    /// The worst first.
    pub findings: &'a [Finding],
    /// Spaces that run out of ports, those that are not explained one by one too.
    pub endangered: usize,
}

impl Report<'_> {
    /// Findings of a severity.
    fn count(&self, severity: Severity) -> usize {
        let findings = self.findings.iter();
        findings
            .filter(|finding| finding.verdict.severity == severity)
            .count()
    }
}

#[cfg(test)]
mod tests;
