//! The kernel's rule for what a connect() or a bind() without a port can still get.
//!
//! R is the range without the reserved ports, B the blocked ones, E those in use towards the
//! destination: connect() can get R − B − E (`__inet_hash_connect`).

use crate::ports::{PortRange, PortSet};

/// The ports that a socket may get if nothing is in use: R, and what of it is B.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'a> {
    range: PortRange,
    reserved: &'a PortSet,
    blocked: &'a PortSet,
    /// |R|
    pub(super) capacity: u32,
    /// |B ∩ R|
    pub(super) in_b: u32,
}

/// What is free of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Free {
    /// How many; the least, when not exact.
    pub(super) ports: u32,
    pub(super) exact: bool,
}

impl<'a> Field<'a> {
    /// No reserved port may be among the blocked ones.
    pub(super) fn new(range: PortRange, reserved: &'a PortSet, blocked: &'a PortSet) -> Self {
        Self {
            range,
            reserved,
            blocked,
            capacity: size(range) - reserved.count_in(range),
            in_b: blocked.count_in(range),
        }
    }

    /// The same for another range.
    pub(super) fn of(&self, range: PortRange) -> Self {
        if range == self.range {
            return *self;
        }
        Self::new(range, self.reserved, self.blocked)
    }

    /// Whether a port is in R.
    pub(super) fn contains(&self, port: u16) -> bool {
        self.range.contains(port) && !self.reserved.contains(port)
    }

    /// Whether a port is in B.
    pub(super) fn is_blocked(&self, port: u16) -> bool {
        self.blocked.contains(port)
    }

    /// What is free when `taken` ports of R − B are in use; `in_use` says which.
    pub(super) fn free(&self, taken: u32, in_use: impl Fn(u16) -> bool) -> Free {
        let left = self
            .capacity
            .saturating_sub(self.in_b)
            .saturating_sub(taken);
        let is_free = |port: u16| self.contains(port) && !self.is_blocked(port) && !in_use(port);
        // A search goes through an even number of ports, so that of an odd one it leaves out the
        // first or the last: which of them depends on where it begins. A socket with a range of its
        // own misses neither from 6.8 on.
        let odd = size(self.range) % 2 == 1 && size(self.range) > 1;
        if odd && (is_free(self.range.lo) || is_free(self.range.hi)) {
            return Free {
                ports: left.saturating_sub(1),
                exact: false,
            };
        }
        Free {
            ports: left,
            exact: true,
        }
    }
}

/// Number of ports; none in a range that is the wrong way round.
fn size(range: PortRange) -> u32 {
    if range.lo > range.hi { 0 } else { range.size() }
}

/// The share of a range that lies in another one.
pub(super) fn share(range: PortRange, within: PortRange) -> f64 {
    let common = PortRange {
        lo: range.lo.max(within.lo),
        hi: range.hi.min(within.hi),
    };
    match size(range) {
        0 => 0.0,
        all => f64::from(size(common)) / f64::from(all),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ports: &[u16]) -> PortSet {
        ports.iter().copied().collect()
    }

    #[test]
    fn free_is_the_range_without_the_reserved_the_blocked_and_the_taken() {
        let (reserved, blocked) = (set(&[103, 500]), set(&[105, 99]));
        let field = Field::new(PortRange { lo: 100, hi: 109 }, &reserved, &blocked);
        assert_eq!((field.capacity, field.in_b), (9, 1));
        let free = field.free(2, |port| port == 100 || port == 101);
        assert_eq!(
            free,
            Free {
                ports: 6,
                exact: true
            }
        );
    }

    #[test]
    fn an_odd_range_is_exact_only_once_both_its_ends_are_taken() {
        let none = PortSet::default();
        let field = Field::new(PortRange { lo: 100, hi: 104 }, &none, &none);
        assert_eq!(
            field.free(0, |_| false),
            Free {
                ports: 4,
                exact: false
            }
        );
        assert_eq!(
            field.free(4, |port| port != 104),
            Free {
                ports: 0,
                exact: false
            }
        );
        let middle = field.free(2, |port| port == 100 || port == 104);
        assert_eq!(
            middle,
            Free {
                ports: 3,
                exact: true
            }
        );
        let one = Field::new(PortRange { lo: 7, hi: 7 }, &none, &none);
        assert_eq!(
            one.free(0, |_| false),
            Free {
                ports: 1,
                exact: true
            }
        );
    }

    #[test]
    fn a_range_the_wrong_way_round_has_no_port() {
        let none = PortSet::default();
        let field = Field::new(PortRange { lo: 9, hi: 8 }, &none, &none);
        assert_eq!(
            field.free(0, |_| false),
            Free {
                ports: 0,
                exact: true
            }
        );
    }
}
