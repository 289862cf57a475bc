//! Nothing grows without bound: when to look for what can be forgotten.

use super::clock::SECOND;

/// Decides when a table is swept. A sweep goes through all of it, so it comes only once the table has
/// doubled since the last one, or, when it is full, once in a second.
#[derive(Debug)]
pub(super) struct Sweep {
    pub(super) limit: usize,
    at: usize,
    not_before: u64,
}

const FIRST: usize = 1_024;

impl Sweep {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            at: FIRST.min(limit),
            not_before: 0,
        }
    }

    /// Whether to sweep a table of this length.
    pub(super) fn is_due(&self, len: usize, now: u64) -> bool {
        len >= self.at && (len < self.limit || now >= self.not_before)
    }

    /// A sweep left this many.
    pub(super) fn done(&mut self, len: usize, now: u64) {
        self.at = (len * 2).max(FIRST).min(self.limit);
        self.not_before = now.saturating_add(SECOND);
    }
}
