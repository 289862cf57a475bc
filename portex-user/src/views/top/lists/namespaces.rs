//! The list of namespaces: those with the fullest space first.

use std::cmp::Ordering;

use super::{
    Data, List, Places, RowKey, Sorted,
    processes::float,
    spaces::{describe_netns, netns},
};
use crate::{
    attribution::snapshot::{Namespace, Snapshot},
    fields::{Field, NamespaceColumn, SPARE_NAMESPACE_COLUMNS, TOP_NAMESPACES},
};

pub(in crate::views::top) struct Namespaces;

/// What the spaces of a namespace come to, and of its pools the failures.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::views::top) struct Sums {
    pub(in crate::views::top) spaces: u32,
    pub(in crate::views::top) ports: u64,
    /// `None`: nobody watched.
    pub(in crate::views::top) failures: Option<u64>,
    /// Fill of the fullest, 0 to 1.
    pub(in crate::views::top) worst: f64,
}

impl Sums {
    /// Of each namespace of a snapshot.
    pub(in crate::views::top) fn of(snapshot: &Snapshot) -> Vec<Self> {
        let mut sums = vec![Self::default(); snapshot.namespaces.len()];
        let namespaces = snapshot.namespaces.iter().enumerate();
        let places: Places = namespaces.map(|(at, netns)| (netns.inode, at)).collect();
        for space in &snapshot.spaces {
            let place = places.get(&space.netns);
            if let Some(sum) = place.and_then(|at| sums.get_mut(*at)) {
                sum.spaces += 1;
                sum.ports += u64::from(space.used);
                sum.worst = sum.worst.max(space.fill);
                if let Some(failures) = space.failures {
                    *sum.failures.get_or_insert(0) += failures;
                }
            }
        }
        for pool in &snapshot.bind_pools {
            let place = places.get(&pool.netns);
            if let (Some(sum), Some(failures)) =
                (place.and_then(|at| sums.get_mut(*at)), pool.failures)
            {
                *sum.failures.get_or_insert(0) += failures;
            }
        }
        sums
    }
}

impl List for Namespaces {
    type Item = Namespace;
    type Column = NamespaceColumn;
    const FIELDS: &'static [Field<NamespaceColumn>] = TOP_NAMESPACES;
    const SPARE: &'static [NamespaceColumn] = SPARE_NAMESPACE_COLUMNS;

    fn items(snapshot: &Snapshot) -> &[Namespace] {
        &snapshot.namespaces
    }

    fn key(netns: &Namespace) -> RowKey {
        RowKey::Namespace(netns.inode)
    }

    fn netns(netns: &Namespace) -> u32 {
        netns.inode
    }

    fn danger(a: (&Namespace, u32), b: (&Namespace, u32), data: &Data<'_>) -> Ordering {
        let worst = |at: u32| data.sums.get(at as usize).map_or(0.0, |sums| sums.worst);
        worst(b.1).total_cmp(&worst(a.1))
    }

    fn sorted<'a>(
        item: &'a Namespace,
        at: usize,
        column: NamespaceColumn,
        data: &Data<'a>,
    ) -> Sorted<'a> {
        let sums = data.sums.get(at).copied().unwrap_or_default();
        Sorted::Number(match column {
            NamespaceColumn::Name => return netns(item.inode, data),
            NamespaceColumn::Inode => item.inode.into(),
            NamespaceColumn::Range => item.range.lo.into(),
            NamespaceColumn::Reserved => item.reserved.into(),
            NamespaceColumn::Reuse => item.tw_reuse.into(),
            NamespaceColumn::TimeWait => item.time_wait.into(),
            NamespaceColumn::Spaces => sums.spaces.into(),
            NamespaceColumn::Ports => float(sums.ports),
            NamespaceColumn::Failures => sums.failures.map_or(-1.0, float),
            NamespaceColumn::Worst => sums.worst,
        })
    }

    fn falls(field: &Field<NamespaceColumn>) -> bool {
        field.right && field.column != NamespaceColumn::Inode
    }

    fn describe(netns: &Namespace, data: &Data<'_>, out: &mut String) {
        describe_netns(netns.inode, data, out);
    }
}
