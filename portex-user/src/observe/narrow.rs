//! A snapshot of what is wanted only.

use std::collections::HashSet;

use crate::{
    attribution::snapshot::{FailedCall, Holder, Snapshot},
    filter::Filter,
};

/// Leaves out the rows that the filter does not want. A space is wanted for its addresses, and for any
/// of its owners; what it says of its ports stays whole. A process is wanted for itself, and for a port
/// in a space that is wanted; a failed allocation as in `portex trace`. A bind pool is wanted for its
/// address, and for any of its owners or in a namespace of what is left; it has no destination, so that
/// who asks for one does not mean it.
pub fn narrow(snapshot: &mut Snapshot, filter: &Filter) {
    let by_owner = filter.pid.is_some() || filter.comm.is_some() || filter.cgroup.is_some();
    let by_address = filter.src.is_some() || filter.dst.is_some();
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
    let holders: HashSet<(u32, &Holder)> = snapshot
        .spaces
        .iter()
        .flat_map(|space| {
            let owners = space.owners.iter();
            owners.map(|owner| (space.netns, &owner.holder))
        })
        .collect();
    snapshot.processes.retain(|process| {
        filter.wants_netns(process.netns)
            && wants(filter, &process.holder)
            && (!by_address || holders.contains(&(process.netns, &process.holder)))
    });
    snapshot.failures.retain(|failure| {
        filter.wants_netns(failure.netns)
            && filter.wants_src(failure.src, failure.src_port)
            && (filter.dst.is_none()
                || failure.call == FailedCall::Connect
                    && filter.wants_dst(failure.dst, failure.dst_port))
            && wants(filter, &failure.holder)
    });
    let left: HashSet<u32> = snapshot
        .spaces
        .iter()
        .map(|space| space.netns)
        .chain(snapshot.processes.iter().map(|process| process.netns))
        .collect();
    snapshot.bind_pools.retain(|pool| {
        filter.wants_netns(pool.netns)
            && filter.dst.is_none()
            && filter.wants_src(pool.src, None)
            && (!by_owner
                || left.contains(&pool.netns)
                || pool.owners.iter().any(|owner| wants(filter, &owner.holder)))
    });
    snapshot
        .namespaces
        .retain(|namespace| filter.wants_netns(namespace.inode));
}

fn wants(filter: &Filter, holder: &Holder) -> bool {
    filter.wants_owner(holder.pid, &holder.comm, || holder.cgroup.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::snapshot::samples;

    fn narrowed(filter: &Filter) -> (usize, usize, usize, usize) {
        let mut snapshot = samples::snapshot();
        snapshot.failures = vec![samples::failure()];
        narrow(&mut snapshot, filter);
        (
            snapshot.spaces.len(),
            snapshot.processes.len(),
            snapshot.bind_pools.len(),
            snapshot.failures.len(),
        )
    }

    #[test]
    fn rows_go_by_address_owner_and_namespace() {
        assert_eq!(narrowed(&Filter::default()), (1, 1, 1, 1));
        let of = |dst: &str| Filter {
            dst: Some(dst.parse().expect("an endpoint")),
            ..Filter::default()
        };
        assert_eq!(narrowed(&of("192.0.2.1")), (0, 0, 0, 0));
        assert_eq!(narrowed(&of("10.0.0.2:443")), (1, 1, 0, 1));
        let nobody = Filter {
            comm: Some("no such name".into()),
            ..Filter::default()
        };
        assert_eq!(narrowed(&nobody), (0, 0, 0, 0));
        let elsewhere = Filter {
            netns: Some(1),
            ..Filter::default()
        };
        assert_eq!(narrowed(&elsewhere), (0, 0, 0, 0));
    }

    #[test]
    fn who_asks_for_a_destination_does_not_mean_binds() {
        let failed = |dst: Option<&str>| {
            let mut snapshot = samples::snapshot();
            snapshot.failures = vec![samples::failure(), samples::udp_failure()];
            let dst = dst.map(|dst| dst.parse().expect("an endpoint"));
            let filter = Filter {
                dst,
                ..Filter::default()
            };
            narrow(&mut snapshot, &filter);
            snapshot.failures.len()
        };
        assert_eq!(failed(None), 2);
        assert_eq!(failed(Some("0.0.0.0/0")), 1);
    }

    #[test]
    fn a_pool_is_wanted_for_its_owners() {
        let pools = |comm: &str| {
            let mut snapshot = samples::snapshot();
            snapshot.bind_pools = vec![samples::udp_pool()];
            snapshot.spaces.clear();
            snapshot.processes.clear();
            let filter = Filter {
                comm: Some(comm.into()),
                ..Filter::default()
            };
            narrow(&mut snapshot, &filter);
            snapshot.bind_pools.len()
        };
        assert_eq!((pools("unbound"), pools("nginx")), (1, 0));
    }
}
