//! What each port of a space's range is used for.

use std::time::Duration;

use super::{State, snapshot::SpaceKey};
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
    /// What each port of a space is used for now; `None` when there is no such space.
    pub fn port_map(&self, space: &SpaceKey, now: Duration) -> Option<PortMap> {
        let _ = (space, now);
        None
    }
}
