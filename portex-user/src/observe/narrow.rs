//! A snapshot of what is wanted only.

use crate::{
    attribution::snapshot::{Holder, Snapshot},
    filter::Filter,
};

/// Leaves out the rows that the filter does not want. A space is wanted for its addresses, and for any
/// of its owners; what it says of its ports stays whole.
pub fn narrow(snapshot: &mut Snapshot, filter: &Filter) {
    let by_owner = filter.pid.is_some() || filter.comm.is_some() || filter.cgroup.is_some();
    snapshot.spaces.retain(|space| {
        filter.wants_netns(space.netns)
            && filter.wants_src(space.src, None)
            && filter.wants_dst(space.dst, space.dst_port)
            && (!by_owner
                || space
                    .owners
                    .iter()
                    .any(|owner| wants(filter, &owner.holder)))
    });
    snapshot.processes.retain(|process| {
        filter.wants_netns(process.netns)
            && wants(filter, &process.holder)
            && process
                .top
                .is_none_or(|top| filter.wants_dst(top.dst, top.dst_port))
    });
    snapshot
        .bind_pools
        .retain(|pool| filter.wants_netns(pool.netns) && filter.wants_src(pool.src, None));
    snapshot
        .namespaces
        .retain(|namespace| filter.wants_netns(namespace.inode));
}

fn wants(filter: &Filter, holder: &Holder) -> bool {
    filter.wants_owner(holder.pid, &holder.comm, || holder.cgroup.as_deref())
}
