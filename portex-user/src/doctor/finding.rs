//! What a rule says.

use std::sync::Arc;

use super::Remedy;

/// How bad it is; the worst is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is wrong: it is told always.
    Info,
    /// Worth knowing; nothing suffers from it now.
    Notice,
    /// Something should be done.
    Warning,
    /// Allocations fail, or will at any moment.
    Critical,
}

impl Severity {
    /// Worst first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::Warning, Self::Notice, Self::Info];

    /// Name in every output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Notice => "notice",
            Self::Info => "info",
        }
    }
}

/// A finding: what a rule says, and which rule.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule's name, the same in every version.
    pub id: &'static str,
    /// The kernel function or manual page that the rule follows.
    pub source: &'static str,
    /// What people call the namespace. Untrusted.
    pub netns_name: Option<Arc<str>>,
    /// What is found.
    pub verdict: Verdict,
}

/// What a rule says. Any text may hold names of other processes' making: escape before it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How bad.
    pub severity: Severity,
    /// Inode number of the network namespace, where it is about one.
    pub netns: Option<u32>,
    /// What it is about: `10.0.0.1 -> 10.0.0.2:443`, a setting, a process.
    pub subject: String,
    /// One sentence, without full stop.
    pub title: String,
    /// Figures with their units, and where they come from.
    pub evidence: Vec<String>,
    /// What it means.
    pub meaning: String,
    /// What to do, the safest first.
    pub remedies: Vec<Remedy>,
}
