//! A network namespace with a workload in it: held by a process of ours, gone when that ends.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result};
use serde_json::Value;

use super::child::Tracked;

/// A network namespace of its own.
pub(super) struct Space<'a> {
    tests: &'a Path,
    holder: Tracked,
    inode: String,
}

/// What a workload did.
#[derive(Clone, Debug)]
pub(super) struct Done {
    pub(super) pid: u32,
    /// Its line of JSON.
    pub(super) report: Value,
}

impl Done {
    /// A number of its report; none is 0.
    pub(super) fn number(&self, name: &str) -> f64 {
        self.report[name].as_f64().unwrap_or_default()
    }

    pub(super) fn count(&self, name: &str) -> u64 {
        self.report[name].as_u64().unwrap_or_default()
    }
}

impl<'a> Space<'a> {
    /// A new one, by the scenarios' way.
    pub(super) fn new(tests: &'a Path) -> Result<Self> {
        let mut command = Command::new(tests);
        command.arg("netns").stdin(Stdio::piped());
        let mut holder = Tracked::spawn(command.stdout(Stdio::piped()))?;
        let stdout = holder.child().stdout.take().context("no output")?;
        let mut inode = String::new();
        BufReader::new(stdout).read_line(&mut inode)?;
        inode.truncate(inode.trim_end().len());
        inode
            .parse::<u64>()
            .ok()
            .context("cannot make a network namespace")?;
        Ok(Self {
            tests,
            holder,
            inode,
        })
    }

    /// Inode number.
    pub(super) fn inode(&self) -> &str {
        &self.inode
    }

    /// Where any process can open it.
    pub(super) fn path(&self) -> String {
        format!("/proc/{}/ns/net", self.holder.pid())
    }

    /// Starts the churn, with these words.
    pub(super) fn start(&self, words: &str) -> Result<Tracked> {
        let mut command = Command::new(self.tests);
        command
            .args(["workload", "--netns", &self.path(), "churn"])
            .args(words.split_whitespace())
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        Tracked::spawn(&mut command)
    }

    /// Runs the churn to its end.
    pub(super) fn churn(&self, words: &str) -> Result<Done> {
        finish(self.start(words)?)
    }

    /// Sockets in TIME_WAIT.
    pub(super) fn time_wait(&self) -> Result<u64> {
        let path = format!("/proc/{}/net/sockstat", self.holder.pid());
        let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        word_after(&text, "tw").with_context(|| format!("no TIME_WAIT in {path}"))
    }
}

/// Waits for the line at a churn's end.
pub(super) fn finish(mut churn: Tracked) -> Result<Done> {
    let pid = churn.pid();
    let stdout = churn.child().stdout.take().context("no output")?;
    let line = std::io::read_to_string(stdout)?;
    churn.finish()?;
    let report = serde_json::from_str(&line).context("the churn's report")?;
    Ok(Done { pid, report })
}

/// The number that follows a word.
fn word_after(text: &str, word: &str) -> Option<u64> {
    let mut words = text.split_whitespace();
    words.find(|found| *found == word)?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::word_after;

    #[test]
    fn time_wait_is_found() {
        let text = "sockets: used 9\nTCP: inuse 4 orphan 0 tw 17 alloc 6 mem 1\n";
        assert_eq!(word_after(text, "tw"), Some(17));
        assert_eq!(word_after("TCP: inuse 4", "tw"), None);
        assert_eq!(word_after("tw x", "tw"), None);
    }
}
