//! A report for people:
//!
//! ```text
//! when, kernel, how it was watched
//! how many findings of each severity
//!
//! CRITICAL  title (rule)
//!   subject, network namespace
//!   - evidence
//!   what it means
//!   1. what to do
//!        command
//!      to keep it, in a file:
//!        lines of it
//!      risk: what it may break
//! ```

use std::io;

use super::Report;
use crate::{
    doctor::{EXPLAINED, Finding, Remedy, Severity},
    escape,
    views::{
        snapshot::{
            Tables,
            names::{fit, width},
            numbers::brief,
            paragraph,
        },
        trace::RESET,
    },
};

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
/// Width of the longest word of a severity, and the space behind it.
const WORD: usize = 10;
/// A name is shown up to this many columns.
const NAME: usize = 40;

/// Writes a report to a writer, which should be buffered. Commands and lines of files are never broken:
/// they are there to be copied.
pub fn text<W: io::Write>(mut out: W, report: &Report<'_>, tables: &Tables) -> io::Result<()> {
    let mut page = Page {
        out: &mut out,
        room: tables.width,
        color: tables.style.color,
    };
    page.head(report, tables)?;
    for finding in report.findings {
        page.finding(finding)?;
    }
    Ok(())
}

struct Page<'a, W> {
    out: &'a mut W,
    room: usize,
    color: bool,
}

impl<W: io::Write> Page<'_, W> {
    fn head(&mut self, report: &Report<'_>, tables: &Tables) -> io::Result<()> {
        let time = report.time.to_zoned(tables.style.zone.clone());
        let kernel = escape::text(report.kernel.as_bytes());
        let watched = match (report.watched, report.attach) {
            (Some(time), Some(way)) => format!("watched for {} by {way}", brief(time)),
            (Some(time), None) => format!("watched for {}", brief(time)),
            (None, None) => "not watched: portex cannot trace here".to_owned(),
            (None, Some(_)) => "not watched (--watch 30s sees rates and failures)".to_owned(),
        };
        let time = time.strftime("%F %T %Z");
        paragraph(
            self.out,
            &format!("{time}, kernel {kernel}, {watched}"),
            self.room,
        )?;
        let counts = Severity::ALL.map(|severity| count(severity, report.count(severity)));
        let counts: Vec<String> = counts.into_iter().flatten().collect();
        paragraph(self.out, &counts.join(", "), self.room)?;
        if report.endangered > EXPLAINED {
            let more = format!(
                "{} spaces are endangered: the {EXPLAINED} worst are explained",
                report.endangered
            );
            paragraph(self.out, &more, self.room)?;
        }
        Ok(())
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        let verdict = &finding.verdict;
        let word = verdict.severity.name().to_uppercase();
        let (color, bold, reset) = self.paint(color(verdict.severity));
        write!(self.out, "\n{color}{word:<WORD$}{reset}{bold}")?;
        let title = format!(
            "{} [{}]",
            escape::text(verdict.title.as_bytes()),
            finding.id
        );
        self.wrapped(&title, WORD, WORD)?;
        write!(self.out, "{reset}")?;
        self.line(2, 2, &place(finding))?;
        for evidence in &verdict.evidence {
            self.line(2, 4, &format!("- {}", escape::text(evidence.as_bytes())))?;
        }
        if !verdict.meaning.is_empty() {
            self.line(2, 2, &sentence(&verdict.meaning))?;
        }
        for (number, remedy) in (1..).zip(&verdict.remedies) {
            self.remedy(number, remedy)?;
        }
        Ok(())
    }

    fn remedy(&mut self, number: usize, remedy: &Remedy) -> io::Result<()> {
        self.line(2, 5, &format!("{number}. {}", sentence(&remedy.text)))?;
        let (_, bold, reset) = self.paint("");
        if let Some(command) = &remedy.command {
            let command = escape::text(command.as_bytes());
            writeln!(self.out, "       {bold}{command}{reset}")?;
        }
        if let Some(lines) = &remedy.persist {
            self.line(5, 7, "To keep it, in /etc/sysctl.d/90-ports.conf:")?;
            for line in lines.lines() {
                writeln!(self.out, "       {}", escape::text(line.as_bytes()))?;
            }
        }
        if !remedy.risk.is_empty() {
            let (dim, _, reset) = self.paint(DIM);
            write!(self.out, "{dim}")?;
            self.line(5, 7, &format!("Risk: {}", sentence(&remedy.risk)))?;
            write!(self.out, "{reset}")?;
        }
        Ok(())
    }

    /// This colour, bold, and the end of both; nothing without colours.
    fn paint(&self, color: &'static str) -> (&'static str, &'static str, &'static str) {
        if self.color {
            (color, BOLD, RESET)
        } else {
            ("", "", "")
        }
    }

    /// A line of its own, indented; what is too long goes on below, indented as `hanging` says.
    fn line(&mut self, indent: usize, hanging: usize, text: &str) -> io::Result<()> {
        write!(self.out, "{:indent$}", "")?;
        self.wrapped(text, indent, hanging)
    }

    /// The rest of a line of which `taken` columns are written.
    fn wrapped(&mut self, text: &str, mut taken: usize, hanging: usize) -> io::Result<()> {
        let room = self.room.saturating_sub(hanging).max(1);
        let mut first = true;
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let word = fit(word, room);
            let long = width(&word);
            if !first && taken + 1 + long > self.room {
                write!(self.out, "\n{:hanging$}", "")?;
                taken = hanging;
            } else if !first {
                self.out.write_all(b" ")?;
                taken += 1;
            }
            self.out.write_all(word.as_bytes())?;
            taken += long;
            first = false;
        }
        self.out.write_all(b"\n")
    }
}

/// What it is about, and where.
fn place(finding: &Finding) -> String {
    let verdict = &finding.verdict;
    let subject = escape::text(verdict.subject.as_bytes());
    let Some(inode) = verdict.netns else {
        return subject;
    };
    match &finding.netns_name {
        Some(name) => {
            let name = fit(&escape::text(name.as_bytes()), NAME);
            format!("{subject} (network namespace {name}, {inode})")
        }
        None => format!("{subject} (network namespace {inode})"),
    }
}

/// As a sentence: safe, with a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let text = escape::text(text.as_bytes());
    let mut characters = text.chars();
    let Some(first) = characters.next() else {
        return text;
    };
    // Names of settings stay as they are.
    let word = text.split(' ').next().unwrap_or_default();
    let setting = word.contains(['_', '.', '/', '(', '0', '1', '2']);
    let first = if setting {
        first
    } else {
        first.to_ascii_uppercase()
    };
    let end = if text.ends_with(['.', '?']) { "" } else { "." };
    format!("{first}{}{end}", characters.as_str())
}

fn color(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "\x1b[1;31m",
        Severity::Warning => "\x1b[1;33m",
        Severity::Notice => "\x1b[1;36m",
        Severity::Info => "\x1b[1;32m",
    }
}

fn count(severity: Severity, count: usize) -> Option<String> {
    let name = severity.name();
    match (severity, count) {
        (Severity::Critical | Severity::Warning, 0) => Some(format!("no {name}")),
        (_, 0) => None,
        (Severity::Warning | Severity::Notice, 2..) => Some(format!("{count} {name}s")),
        _ => Some(format!("{count} {name}")),
    }
}
