//! Who holds the ports of a bind pool.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use super::snapshot::{Holder, Owner};
use crate::{found, ports::PortSet};

/// Owners of a pool that are told.
const MOST: usize = 10;
/// Pools of a namespace and protocol whose owners are told: the fullest.
pub(super) const POOLS: usize = 16;

/// A process: its id, and when it began. `None`: nobody can know.
pub(super) type Who = Option<(u32, u32)>;

/// Ports, each counted once, by who holds them.
#[derive(Default)]
pub(super) struct PoolOwners {
    seen: PortSet,
    owners: FxHashMap<Who, Owner>,
}

impl PoolOwners {
    /// Of a port that is held several times, the first counts.
    pub(super) fn add(
        &mut self,
        port: u16,
        time_wait: bool,
        who: Who,
        holder: impl FnOnce() -> Holder,
    ) {
        if !self.seen.insert(port) {
            return;
        }
        let owner = self.owners.entry(who).or_insert_with(|| Owner {
            holder: holder(),
            ports: 0,
            time_wait: 0,
        });
        owner.ports += 1;
        owner.time_wait += u32::from(time_wait);
    }

    /// Those who hold most.
    pub(super) fn most(self) -> Vec<Owner> {
        let mut owners: Vec<(Who, Owner)> = self.owners.into_iter().collect();
        owners.sort_unstable_by_key(|(who, owner)| (Reverse(owner.ports), *who));
        owners.truncate(MOST);
        owners.into_iter().map(|(_, owner)| owner).collect()
    }
}

/// Who a scan found, and as what.
pub(super) fn who(process: Option<&found::Process>) -> Who {
    process.map(|process| (process.pid, process.start))
}

/// The same as a holder.
pub(super) fn holder(process: Option<&found::Process>) -> Holder {
    process.map_or_else(Holder::unknown, |process| Holder {
        pid: Some(process.pid),
        comm: process.comm.clone(),
        cgroup: process.cgroup.clone(),
    })
}
