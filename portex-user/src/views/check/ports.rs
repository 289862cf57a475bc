//! How full a range of ports is, by the thresholds, and as performance data.

use std::fmt::Write as _;

use super::{Status, Thresholds};
use crate::{
    attribution::snapshot::{BindPool, Space},
    views::snapshot::numbers::{percent, share},
};

/// Ports of a range, and how many are left.
#[derive(Clone, Copy)]
pub(super) struct Ports {
    capacity: u32,
    free: u32,
    exact: bool,
}

impl Ports {
    pub(super) fn of_space(space: &Space) -> Self {
        Self {
            capacity: space.capacity,
            free: space.free,
            exact: space.exact,
        }
    }

    pub(super) fn of_pool(pool: &BindPool) -> Self {
        Self {
            capacity: pool.capacity,
            free: pool.free,
            exact: pool.exact,
        }
    }

    pub(super) fn share(self) -> f64 {
        share(self.capacity, self.free)
    }

    pub(super) fn judge(self, thresholds: &Thresholds) -> Status {
        if self.free < self.enough(thresholds.crit) {
            Status::Critical
        } else if self.free < self.enough(thresholds.warn) {
            Status::Warning
        } else {
            Status::Ok
        }
    }

    /// The fewest free ports with which the taken ones are below a share.
    fn enough(self, threshold: f64) -> u32 {
        // What is whole in decimal may be a little more in binary.
        let taken = (f64::from(self.capacity) * threshold - 1e-6)
            .ceil()
            .max(0.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number from 0 to the capacity"
        )]
        let taken = taken as u32;
        self.capacity - taken + 1
    }

    /// Performance data, `label=value;warn;crit;min;max`: `80` is an alarm above, `5647:` below.
    pub(super) fn measure(self, line: &mut String, label: &str, thresholds: &Thresholds) {
        let Self { capacity, free, .. } = self;
        let fill = percent(self.share());
        let (warn, crit) = (rounded(thresholds.warn), rounded(thresholds.crit));
        let (enough, least) = (self.enough(thresholds.warn), self.enough(thresholds.crit));
        let _ok = write!(
            line,
            " {label}_fill={fill};{warn};{crit};0;100 {label}_free={free};{enough}:;{least}:;0;{capacity}"
        );
    }

    pub(super) fn text(self) -> String {
        let Self { capacity, free, .. } = self;
        let bound = if self.exact { "" } else { " (lower bound)" };
        let fill = percent(self.share());
        format!("{fill} of {capacity} ports, {free} free{bound}")
    }
}

/// A share in per cent, to a thousandth.
fn rounded(share: f64) -> f64 {
    (share * 1e5).round() / 1e3
}
