//! Passed, failed and skipped, and the lines of test programs that tell them.

use std::{
    fmt,
    iter::Sum,
    ops::{Add, AddAssign},
};

/// How many tests or checks came out which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Counts {
    /// Nothing was there to count.
    pub(crate) const NONE: Self = Self::new(0, 0, 0);
    /// One check that passed.
    pub(crate) const PASSED: Self = Self::new(1, 0, 0);
    /// One check that failed.
    pub(crate) const FAILED: Self = Self::new(0, 1, 0);
    /// One check that could not be made here.
    pub(crate) const SKIPPED: Self = Self::new(0, 0, 1);

    pub(crate) const fn new(passed: usize, failed: usize, skipped: usize) -> Self {
        Self {
            passed,
            failed,
            skipped,
        }
    }

    /// Reads `portex-tests: 3 passed, 0 failed, 1 skipped`.
    pub(crate) fn of_scenarios(line: &str) -> Option<Self> {
        let mut parts = line
            .trim()
            .strip_prefix("portex-tests: ")?
            .split(", ")
            .map(|part| part.split_once(' '));
        let mut next = |what| match parts.next()?? {
            (number, word) if word == what => number.parse().ok(),
            _ => None,
        };
        let counts = Self::new(next("passed")?, next("failed")?, next("skipped")?);
        parts.next().is_none().then_some(counts)
    }

    /// Reads `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; ...` of `cargo test`.
    pub(crate) fn of_unit_tests(line: &str) -> Option<Self> {
        let (_, counts) = line
            .trim()
            .strip_prefix("test result: ")?
            .split_once(". ")?;
        let number = |what| {
            counts
                .split("; ")
                .filter_map(|part| part.split_once(' '))
                .find(|(_, word)| *word == what)?
                .0
                .parse()
                .ok()
        };
        Some(Self::new(
            number("passed")?,
            number("failed")?,
            number("ignored")?,
        ))
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self::new(
            self.passed + other.passed,
            self.failed + other.failed,
            self.skipped + other.skipped,
        )
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::NONE, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_last_line_of_the_scenarios() {
        let read = Counts::of_scenarios;
        assert_eq!(
            read("portex-tests: 12 passed, 0 failed, 3 skipped\r"),
            Some(Counts::new(12, 0, 3))
        );
        assert_eq!(read("portex-tests: 12 passed"), None);
        assert_eq!(read("portex-tests: 1 passed, 0 failed, 3 skipped, 1"), None);
        assert_eq!(read("portex-tests: x passed, 0 failed, 3 skipped"), None);
        assert_eq!(read("portex-tests: 1 failed, 0 passed, 3 skipped"), None);
    }

    #[test]
    fn reads_the_last_line_of_unit_tests() {
        let line = "test result: FAILED. 4 passed; 1 failed; 2 ignored; 0 measured; \
                    0 filtered out; finished in 0.01s";
        assert_eq!(Counts::of_unit_tests(line), Some(Counts::new(4, 1, 2)));
        assert_eq!(Counts::of_unit_tests("test a ... ok"), None);
    }

    #[test]
    fn adds_up() {
        let sum: Counts = [
            Counts::PASSED,
            Counts::FAILED,
            Counts::SKIPPED,
            Counts::PASSED,
        ]
        .into_iter()
        .sum();
        assert_eq!(sum.to_string(), "2 passed, 1 failed, 1 skipped");
    }
}
