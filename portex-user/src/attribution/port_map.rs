//! What each port of a space's range is used for.

use std::time::Duration;

use super::{
    State,
    binds::Namespace,
    capacity::Field,
    clock,
    recycle::{Claim, Recycling},
    rows::{Ranged, shown_ranges},
    snapshot::SpaceKey,
    space::Key,
};
use crate::ports::PortRange;

/// What a port is to the connects of one space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PortUse {
    /// A connect() can get it.
    Free,
    /// A connection of the space holds it.
    InUse,
    /// A TIME_WAIT of the space holds it.
    TimeWait,
    /// A TIME_WAIT holds it, but a connect() may take it over now.
    Recyclable,
    /// An explicit bind keeps it from every connect().
    Blocked,
    /// `ip_local_reserved_ports` keeps it from every search.
    Reserved,
}

/// The ports of a space's range, one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortMap {
    /// The range.
    pub range: PortRange,
    /// What its ports are used for, from the lowest on.
    pub ports: Vec<PortUse>,
}

impl State {
    /// What each port of a space is used for now; `None` when there is no such space in a snapshot of
    /// this moment.
    ///
    /// By the rules of the space's row, so that its figures are counts of these. `free` is those that
    /// are [`PortUse::Free`] or [`PortUse::Recyclable`]; less, where it is a lower bound: without
    /// sight of the binds, only those that are known are [`PortUse::Blocked`].
    ///
    /// A space without source address, of failures whose source was not known any more, has a map of
    /// its own even where the snapshot counts these failures for the only space that they can be of.
    pub fn port_map(&self, space: &SpaceKey, now: Duration) -> Option<PortMap> {
        let now = clock::nanos(now);
        let key = Key::from(space);
        let known = self.spaces.map.get(&key);
        let known = known.filter(|known| known.is_shown(now))?;
        let unseen = Namespace::default();
        let namespace = self.namespaces.get(&key.netns).unwrap_or(&unseen);
        let rules = &namespace.rules;
        let ranges = shown_ranges(known, rules.range, now);
        let own = |ranged: &Ranged<'_>| ranged.own.then_some(ranged.range);
        let shown = ranges
            .iter()
            .find(|ranged| own(ranged) == space.own_range)?;
        let range = shown.range;
        let blocked = namespace.blocked();
        let field = Field::new(range, &rules.reserved, &blocked);
        let unused = |port| match (field.contains(port), field.is_blocked(port)) {
            (false, _) => PortUse::Reserved,
            (true, true) => PortUse::Blocked,
            (true, false) => PortUse::Free,
        };
        let mut ports: Vec<PortUse> = (range.lo..=range.hi).map(unused).collect();
        let recycling = Recycling::new(rules, &key);
        let prefix = self.spaces.prefix(&key, known);
        for (port, held) in prefix.iter().filter(|(port, _)| field.contains(*port)) {
            let claim = prefix.claim((port, held), field.is_blocked(port), &recycling, now);
            if let Some(place) = ports.get_mut(usize::from(port - range.lo)) {
                *place = claim.into();
            }
        }
        Some(PortMap { range, ports })
    }
}

impl From<Claim> for PortUse {
    fn from(claim: Claim) -> Self {
        match claim {
            Claim::Live => Self::InUse,
            Claim::TimeWait | Claim::Unsure => Self::TimeWait,
            Claim::Recyclable => Self::Recyclable,
        }
    }
}

impl From<&SpaceKey> for Key {
    fn from(space: &SpaceKey) -> Self {
        Self {
            netns: space.netns,
            dev: space.dev,
            src: space.src.into(),
            dst: space.dst.into(),
            dst_port: space.dst_port,
        }
    }
}
