//! One line per scenario, and the sum.

use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

/// Lines of a failure that are printed.
const DETAILS: usize = 40;

pub(crate) enum Outcome {
    Ok,
    Skipped(String),
    Failed(String),
}

#[derive(Default)]
pub(crate) struct Report(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Report {
    /// Prints and counts; scenarios that run at the same time do not mix their lines.
    pub(crate) fn add(&self, title: &str, outcome: &Outcome) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Outcome::Ok => {
                counts.passed += 1;
                println!("test {title} ... ok");
            }
            Outcome::Skipped(why) => {
                counts.skipped += 1;
                println!("test {title} ... skipped: {why}");
            }
            Outcome::Failed(details) => {
                counts.failed += 1;
                println!("test {title} ... FAILED");
                for line in details.lines().take(DETAILS) {
                    println!("    {line}");
                }
            }
        }
    }

    /// The last line.
    pub(crate) fn finish(&self) -> ExitCode {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Counts {
            passed,
            failed,
            skipped,
        } = *counts;
        println!("portex-tests: {passed} passed, {failed} failed, {skipped} skipped");
        if failed > 0 {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    }
}
