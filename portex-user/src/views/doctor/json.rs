//! Findings as one JSON object on one line: the contract for scripts.

use std::io;

use serde::Serialize;

use super::Report;
use crate::{
    doctor::{Finding, Remedy, Severity},
    escape::JsonFormatter,
};

#[derive(Serialize)]
struct ReportObject<'a> {
    time: String,
    kernel: &'a str,
    attach: Option<&'a str>,
    watched_s: Option<f64>,
    endangered_spaces: usize,
    findings: Vec<FindingObject<'a>>,
    summary: Summary,
}

#[derive(Serialize)]
struct Summary {
    critical: usize,
    warning: usize,
    notice: usize,
    info: usize,
}

#[derive(Serialize)]
struct FindingObject<'a> {
    id: &'a str,
    severity: &'a str,
    netns: Option<u32>,
    netns_name: Option<&'a str>,
    subject: &'a str,
    title: &'a str,
    evidence: &'a [String],
    meaning: &'a str,
    remedies: Vec<RemedyObject<'a>>,
    source: &'a str,
}

#[derive(Serialize)]
struct RemedyObject<'a> {
    text: &'a str,
    command: Option<&'a str>,
    persist: Option<&'a str>,
    risk: &'a str,
    fixes: bool,
}

impl<'a> From<&'a Finding> for FindingObject<'a> {
    fn from(finding: &'a Finding) -> Self {
        let verdict = &finding.verdict;
        Self {
            id: finding.id,
            severity: verdict.severity.name(),
            netns: verdict.netns,
            netns_name: finding.netns_name.as_deref(),
            subject: &verdict.subject,
            title: &verdict.title,
            evidence: &verdict.evidence,
            meaning: &verdict.meaning,
            remedies: verdict.remedies.iter().map(RemedyObject::from).collect(),
            source: finding.source,
        }
    }
}

impl<'a> From<&'a Remedy> for RemedyObject<'a> {
    fn from(remedy: &'a Remedy) -> Self {
        Self {
            text: &remedy.text,
            command: remedy.command.as_deref(),
            persist: remedy.persist.as_deref(),
            risk: &remedy.risk,
            fixes: remedy.fixes,
        }
    }
}

/// Writes the report as one JSON object and a line feed. What people would not see for what it is
/// (control characters, directions of writing) is escaped in it.
pub fn json<W: io::Write>(mut out: W, report: &Report<'_>) -> io::Result<()> {
    let object = ReportObject {
        time: format!("{:.9}", report.time),
        kernel: report.kernel,
        attach: report.attach,
        watched_s: report.watched.map(|time| time.as_secs_f64()),
        endangered_spaces: report.endangered,
        findings: report.findings.iter().map(FindingObject::from).collect(),
        summary: Summary {
            critical: report.count(Severity::Critical),
            warning: report.count(Severity::Warning),
            notice: report.count(Severity::Notice),
            info: report.count(Severity::Info),
        },
    };
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, JsonFormatter);
    object.serialize(&mut serializer)?;
    out.write_all(b"\n")
}
