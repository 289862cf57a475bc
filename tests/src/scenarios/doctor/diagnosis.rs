//! What `portex doctor --json` prints, read by the contract and not by portex's own types.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;
use serde::{Deserialize, Deserializer};

use crate::netns::NetNs;
use crate::process::run_to_end;
use crate::runner::Context;
use crate::told::check_text;
use crate::tracer::Tracer;

/// On the slowest emulated machine.
pub(super) const LIMIT: Duration = Duration::from_secs(180);

/// Longer than any scenario watches: the end comes by a signal.
const WATCH: [&str; 2] = ["--watch", "600s"];

/// One line of it. A field of the contract that is missing is an error; more are not.
#[derive(Clone, Debug, Deserialize)]
#[expect(
    dead_code,
    reason = "that a field is there, and of which type, is checked by reading it"
)]
pub(super) struct Diagnosis {
    pub(super) time: String,
    pub(super) kernel: String,
    #[serde(deserialize_with = "present")]
    pub(super) attach: Option<String>,
    #[serde(deserialize_with = "present")]
    pub(super) watched_s: Option<f64>,
    pub(super) findings: Vec<Finding>,
    pub(super) summary: serde_json::Value,
}

#[derive(Clone, Debug, Deserialize)]
#[expect(
    dead_code,
    reason = "that a field is there, and of which type, is checked by reading it"
)]
pub(super) struct Finding {
    pub(super) id: String,
    pub(super) severity: Severity,
    #[serde(deserialize_with = "present")]
    pub(super) netns: Option<u64>,
    #[serde(deserialize_with = "present")]
    pub(super) netns_name: Option<String>,
    #[serde(deserialize_with = "present")]
    pub(super) subject: Option<String>,
    pub(super) title: String,
    pub(super) evidence: Vec<String>,
    pub(super) meaning: String,
    pub(super) remedies: Vec<Remedy>,
    pub(super) source: String,
}

/// Worst first, which is the order of the findings.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    Critical,
    Warning,
    Notice,
    Info,
}

#[derive(Clone, Debug, Deserialize)]
#[expect(
    dead_code,
    reason = "that a field is there, and of which type, is checked by reading it"
)]
pub(super) struct Remedy {
    pub(super) text: String,
    #[serde(deserialize_with = "present")]
    pub(super) command: Option<String>,
    #[serde(deserialize_with = "present")]
    pub(super) persist: Option<String>,
    pub(super) risk: String,
    pub(super) fixes: bool,
}

/// Null is a value, but a missing field is none: serde by itself takes it for null.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(from)
}

impl Diagnosis {
    /// From all of standard output: one line.
    pub(super) fn parse(stdout: impl AsRef<[u8]>) -> Result<Self> {
        let stdout = stdout.as_ref();
        let text = check_text(stdout.strip_suffix(b"\n").unwrap_or(stdout))?;
        let diagnosis: Self = serde_json::from_str(text).with_context(|| {
            let begin: String = text.chars().take(300).collect();
            format!("not a diagnosis: {begin}")
        })?;
        ensure!(
            diagnosis.time.ends_with('Z'),
            "no time in UTC: {}",
            diagnosis.time
        );
        ensure!(
            diagnosis.findings.is_sorted_by_key(|f| f.severity),
            "not the worst first: {:?}",
            diagnosis.told()
        );
        diagnosis.findings.iter().try_for_each(Finding::check)?;
        Ok(diagnosis)
    }

    /// The findings of a rule, which are of this namespace or of the machine.
    pub(super) fn all(&self, id: &str) -> Vec<&Finding> {
        self.findings.iter().filter(|f| f.id == id).collect()
    }

    /// The only finding of a rule.
    pub(super) fn one(&self, id: &str) -> Result<&Finding> {
        self.one_about(id, "")
    }

    /// The only one whose subject has this word.
    pub(super) fn one_about(&self, id: &str, word: &str) -> Result<&Finding> {
        let mut all = self.all(id);
        all.retain(|f| {
            f.subject
                .as_deref()
                .is_some_and(|text| has_word(text, word))
        });
        match all.as_slice() {
            [finding] => Ok(finding),
            other => bail!(
                "{} findings {id} {word} among {:#?}",
                other.len(),
                self.told()
            ),
        }
    }

    /// That a rule found nothing.
    pub(super) fn none(&self, id: &str) -> Result<()> {
        match self.all(id).as_slice() {
            [] => Ok(()),
            [first, ..] => bail!("{id} is found where nothing is wrong: {first:#?}"),
        }
    }

    /// That all findings about a namespace are of these rules, or of the one that always speaks.
    pub(super) fn only(&self, ids: &[&str]) -> Result<()> {
        const ALWAYS: &str = "capacity";
        let findings = self.findings.iter().filter(|f| f.netns.is_some());
        let found: BTreeSet<&str> = findings.map(|f| f.id.as_str()).collect();
        let is_more = |id: &&&str| **id != ALWAYS && !ids.contains(id);
        let more: Vec<_> = found.iter().filter(is_more).collect();
        ensure!(
            more.is_empty(),
            "{more:?} are found as well: {:#?}",
            self.told()
        );
        Ok(())
    }

    /// For messages.
    pub(super) fn told(&self) -> Vec<String> {
        let line = |f: &Finding| {
            let subject = f.subject.as_deref().unwrap_or("-");
            format!("{:?} {} {subject}: {}", f.severity, f.id, f.title)
        };
        self.findings.iter().map(line).collect()
    }
}

impl Finding {
    /// What holds for any.
    fn check(&self) -> Result<()> {
        let said = [&self.id, &self.title, &self.meaning, &self.source];
        ensure!(
            said.into_iter().all(|text| !text.is_empty()),
            "something is not said: {self:#?}"
        );
        for remedy in &self.remedies {
            ensure!(
                !remedy.text.is_empty() && !remedy.risk.is_empty(),
                "advice without its risk: {self:#?}"
            );
        }
        Ok(())
    }

    pub(super) fn is(&self, severity: Severity) -> Result<&Self> {
        ensure!(
            self.severity == severity,
            "not {severity:?} but {:?}: {self:#?}",
            self.severity
        );
        Ok(self)
    }

    pub(super) fn is_of(&self, netns: &NetNs) -> Result<&Self> {
        ensure!(
            self.netns == Some(netns.inode()),
            "of {:?}, not {}: {self:#?}",
            self.netns,
            netns.inode()
        );
        Ok(self)
    }

    /// That title, subject or evidence has each of these words or numbers, none as a part of another.
    pub(super) fn says(&self, words: &[&str]) -> Result<&Self> {
        for word in words {
            let is_said = self.texts().any(|text| has_word(text, word));
            ensure!(is_said, "does not say {word:?}: {self:#?}");
        }
        Ok(self)
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        let subject = self.subject.as_deref();
        let more = self.evidence.iter().map(String::as_str);
        [self.title.as_str()].into_iter().chain(subject).chain(more)
    }

    /// Commands that are said to remove it.
    pub(super) fn fixes(&self) -> Vec<&str> {
        self.commands(true)
    }

    /// Commands that show more about it, or help otherwise.
    pub(super) fn others(&self) -> Vec<&str> {
        self.commands(false)
    }

    fn commands(&self, fixes: bool) -> Vec<&str> {
        let remedies = self.remedies.iter().filter(|remedy| remedy.fixes == fixes);
        remedies
            .filter_map(|remedy| remedy.command.as_deref())
            .collect()
    }
}

/// Whether a text has a word, or a number, that is no part of another. Thousands may be set apart.
fn has_word(text: &str, word: &str) -> bool {
    let (text, word) = (ungrouped(text), ungrouped(word));
    text.match_indices(&word).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        word.is_empty() || !goes_on(before.chars().rev()) && !goes_on(after.chars())
    })
}

/// Without the commas between digits.
fn ungrouped(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let is_digit = |at: Option<usize>| {
        at.and_then(|at| characters.get(at))
            .is_some_and(char::is_ascii_digit)
    };
    let groups = |at: usize| is_digit(at.checked_sub(1)) && is_digit(at.checked_add(1));
    let kept = characters
        .iter()
        .enumerate()
        .filter(|(at, c)| **c != ',' || !groups(*at));
    kept.map(|(_, c)| c).collect()
}

/// Whether what comes next belongs to it: a letter or digit, or a point with a digit behind.
fn goes_on(mut next: impl Iterator<Item = char>) -> bool {
    let is = |c: Option<char>, such: fn(char) -> bool| c.is_some_and(such);
    match next.next() {
        Some('.') => is(next.next(), |c| c.is_ascii_digit()),
        c => is(c, char::is_alphanumeric),
    }
}

/// The command, with the arguments that all have.
pub(super) fn command(portex: impl AsRef<OsStr>, context: &Context<'_>) -> Command {
    let mut command = Command::new(portex);
    command.args(arguments(context));
    command
}

/// The same, of a command that runs it.
pub(super) fn arguments(context: &Context<'_>) -> [&'static str; 4] {
    ["doctor", "--json", "--attach", context.way.name()]
}

/// Asks about one namespace.
pub(super) fn diagnose(context: &Context<'_>, netns: &NetNs) -> Result<Diagnosis> {
    let inode = netns.inode().to_string();
    let diagnosis = run(command(context.portex, context).args(["--netns", &inode]))?;
    is_of_this(diagnosis, netns)
}

/// Runs it to its end.
pub(super) fn run(command: &mut Command) -> Result<Diagnosis> {
    let finished = run_to_end(command, LIMIT)?;
    ensure!(
        finished.status.success(),
        "ended with {}:\n{}",
        finished.status,
        finished.stderr
    );
    Diagnosis::parse(&finished.stdout).with_context(|| finished.stderr)
}

fn is_of_this(diagnosis: Diagnosis, netns: &NetNs) -> Result<Diagnosis> {
    let mut findings = diagnosis.findings.iter();
    let other = findings.find(|f| f.netns.is_some_and(|inode| inode != netns.inode()));
    ensure!(other.is_none(), "of a namespace not asked for: {other:#?}");
    Ok(diagnosis)
}

/// A doctor that watches, and says what is wrong when it is told to.
pub(super) struct Watch<'a> {
    tracer: Tracer,
    netns: &'a NetNs,
}

impl<'a> Watch<'a> {
    /// Returns when it has attached.
    pub(super) fn start(
        context: &Context<'_>,
        netns: &'a NetNs,
        arguments: &[&str],
    ) -> Result<Self> {
        let inode = netns.inode().to_string();
        let mut command = command(context.portex, context);
        command
            .args(["--netns", &inode])
            .args(WATCH)
            .args(arguments);
        let tracer = Tracer::start_command(&mut command, context.way)?;
        Ok(Self { tracer, netns })
    }

    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        self.tracer.signal(signal)
    }

    pub(super) fn finish(self) -> Result<Diagnosis> {
        let ended = self.tracer.stop(Signal::INT)?;
        ensure!(
            ended.status.success(),
            "ended with {}:\n{}",
            ended.status,
            ended.stderr
        );
        let [line] = ended.lines.as_slice() else {
            bail!("{} lines of output:\n{}", ended.lines.len(), ended.stderr);
        };
        let diagnosis = Diagnosis::parse(line).with_context(|| ended.stderr.clone())?;
        ensure!(
            diagnosis.watched_s.is_some_and(|seconds| seconds > 0.0),
            "watched for {:?} s",
            diagnosis.watched_s
        );
        is_of_this(diagnosis, self.netns)
    }
}

#[cfg(test)]
mod tests {
    use super::has_word;

    #[test]
    fn a_number_is_not_part_of_another() {
        for (text, word, is_there) in [
            ("40 of 40 ports", "40", true),
            ("140 of 400 ports", "40", false),
            ("140 of 40, or so", "40", true),
            ("27,920 ports", "920", false),
            ("27,920 ports", "27920", true),
            ("27920, 5", "27,920", true),
            ("0.7 in a second", "7", false),
            ("by load (7)", "load", true),
            ("by loader (70)", "7", false),
            ("", "7", false),
        ] {
            assert_eq!(has_word(text, word), is_there, "{word} in {text}");
        }
    }
}
