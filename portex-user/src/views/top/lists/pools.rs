//! The list of bind pools that somebody uses, the fullest first, as the snapshot has them.

use std::fmt::Write as _;

use super::{
    Data, List, RowKey, Sorted,
    spaces::{describe_netns, netns},
};
use crate::{
    attribution::snapshot::{BindPool, Snapshot},
    fields::{Field, PoolColumn, SPARE_TOP_POOL_COLUMNS, TOP_POOLS},
    views::snapshot::numbers::share,
};

pub(in crate::views::top) struct Pools;

impl List for Pools {
    type Item = BindPool;
    type Column = PoolColumn;
    const FIELDS: &'static [Field<PoolColumn>] = TOP_POOLS;
    const SPARE: &'static [PoolColumn] = SPARE_TOP_POOL_COLUMNS;
    const NETNS: Option<PoolColumn> = Some(PoolColumn::Netns);

    fn items(snapshot: &Snapshot) -> &[BindPool] {
        &snapshot.bind_pools
    }

    fn present(pool: &BindPool) -> bool {
        pool.bound > 0
    }

    fn key(pool: &BindPool) -> RowKey {
        RowKey::Pool(pool.netns, pool.src)
    }

    fn netns(pool: &BindPool) -> u32 {
        pool.netns
    }

    fn sorted<'a>(pool: &'a BindPool, _: usize, column: PoolColumn, data: &Data<'a>) -> Sorted<'a> {
        Sorted::Number(match column {
            PoolColumn::Netns => return netns(pool.netns, data),
            PoolColumn::Address => return Sorted::Address(pool.src, 0),
            PoolColumn::Capacity => pool.capacity.into(),
            PoolColumn::Used => pool.used.into(),
            PoolColumn::Bound => pool.bound.into(),
            PoolColumn::Free => pool.free.into(),
            PoolColumn::Fill => share(pool.capacity, pool.free),
        })
    }

    fn falls(field: &Field<PoolColumn>) -> bool {
        field.right && field.column != PoolColumn::Free
    }

    fn describe(pool: &BindPool, data: &Data<'_>, out: &mut String) {
        describe_netns(pool.netns, data, out);
        // Writing to a String cannot fail.
        let _ok = write!(out, "{}", pool.src);
    }
}
