//! Which spaces run out of ports.

use std::time::Duration;

use super::{Case, Severity};
use crate::{
    attribution::{Snapshot, snapshot::Space},
    event::Cause,
};

/// From this share of taken ports on, a space is endangered: a burst of a quarter of what it holds
/// empties it. The same as where `portex check` warns.
pub(super) const FULL: f64 = 0.8;
/// From here on it is critical, as in `portex check`.
const NEARLY_EMPTY: f64 = 0.95;
/// From here on, failures of any cause are taken for those of an empty range: the log of the latest
/// failures may have lost the others.
const HALF: f64 = 0.5;
/// A forecast this near is one: beyond, a short watch says little.
const SOON: Duration = Duration::from_secs(600);
/// What fails within a minute, fails before anybody can act.
const AT_ONCE: Duration = Duration::from_secs(60);
/// Most endangered spaces that rules explain one by one, the worst first.
pub const EXPLAINED: usize = 20;

/// Why a space is endangered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Danger {
    /// So many connect() got no port while it was watched.
    Failing(u64),
    /// The next connect() fails.
    Empty,
    /// The next connect() fails after this time, at this rate.
    Soon(Duration),
    /// This share of its ports is taken.
    Full(f64),
}

impl Danger {
    /// How bad.
    pub fn severity(self) -> Severity {
        match self {
            Self::Failing(_) | Self::Empty => Severity::Critical,
            Self::Soon(time) if time <= AT_ONCE => Severity::Critical,
            Self::Full(share) if share >= NEARLY_EMPTY => Severity::Critical,
            Self::Soon(_) | Self::Full(_) => Severity::Warning,
        }
    }
}

/// Why a space runs out of ports, if it does. Where it is not known exactly, by what is taken for sure.
pub fn danger(snapshot: &Snapshot, space: &Space) -> Option<Danger> {
    let share = share(taken(space), space.capacity);
    let failures = space.failures.unwrap_or(0);
    let empty = taken(space) >= space.capacity || space.exact && space.free == 0;
    if failures > 0 && (share >= HALF || ran_out(snapshot, space)) {
        return Some(Danger::Failing(failures));
    }
    if empty {
        return Some(Danger::Empty);
    }
    let soon = space
        .exhausts_in
        .filter(|time| *time <= SOON)
        .map(Danger::Soon);
    let full = (share >= FULL).then_some(Danger::Full(share));
    // The worse of them; of the same, that which says when.
    match (soon, full) {
        (Some(soon), Some(full)) if full.severity() > soon.severity() => Some(full),
        (soon, full) => soon.or(full),
    }
}

/// Whether one of the latest failures was for want of ports of this space: a tuple in use, or no source
/// address, fails in an empty space too.
fn ran_out(snapshot: &Snapshot, space: &Space) -> bool {
    snapshot.failures.iter().any(|failure| {
        failure.cause == Cause::RangeExhausted
            && (failure.netns, failure.src) == (space.netns, space.src)
            && (failure.dst, failure.dst_port) == (space.dst, space.dst_port)
    })
}

/// Ports that the next connects cannot get, for sure.
pub(super) fn taken(space: &Space) -> u32 {
    if space.exact {
        return space.capacity.saturating_sub(space.free);
    }
    let held = space.used.saturating_sub(space.recyclable);
    held.saturating_add(space.blocked).min(space.capacity)
}

/// Of ports, 0 to 1; all of nothing.
pub(super) fn share(ports: u32, of: u32) -> f64 {
    if of == 0 {
        return 1.0;
    }
    f64::from(ports) / f64::from(of)
}

/// Whether a space with so many ports taken, of so many, and such a need is out of danger.
pub(super) fn relieved(space: &Space, taken: u32, capacity: u32) -> bool {
    let capacity = f64::from(capacity.max(1));
    let need = space.need.unwrap_or(0.0);
    f64::from(taken) / capacity < FULL && need / capacity < FULL
}

impl Case {
    /// Endangered spaces, the worst first, at most [`EXPLAINED`].
    pub(super) fn endangered(&self) -> impl Iterator<Item = (&Space, Danger)> {
        let endangered = |space| Some((space, danger(&self.snapshot, space)?));
        let spaces = self.snapshot.spaces.iter();
        spaces.filter_map(endangered).take(EXPLAINED)
    }

    /// The worst endangered space of each namespace, ascending by namespace.
    pub(super) fn worst_by_namespace(&self) -> Vec<(&Space, Danger)> {
        let mut worst: Vec<(&Space, Danger)> = Vec::new();
        for (space, danger) in self.endangered() {
            if worst.iter().all(|(known, _)| known.netns != space.netns) {
                worst.push((space, danger));
            }
        }
        worst.sort_by_key(|(space, _)| space.netns);
        worst
    }

    /// How many spaces are endangered in all.
    pub fn endangered_spaces(&self) -> usize {
        let spaces = self.snapshot.spaces.iter();
        spaces
            .filter(|space| danger(&self.snapshot, space).is_some())
            .count()
    }
}
