//! The list of bind pools that somebody uses, the fullest first, as the snapshot has them.

use std::fmt::Write as _;

use super::{
    Data, List, RowKey, Sorted,
    processes::float,
    spaces::{describe_holder, describe_netns, netns},
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
        pool.is_needed()
    }

    fn key(pool: &BindPool) -> RowKey {
        RowKey::Pool(pool.netns, pool.proto, pool.src)
    }

    fn netns(pool: &BindPool) -> u32 {
        pool.netns
    }

    fn sorted<'a>(pool: &'a BindPool, _: usize, column: PoolColumn, data: &Data<'a>) -> Sorted<'a> {
        Sorted::Number(match column {
            PoolColumn::Netns => return netns(pool.netns, data),
            PoolColumn::Proto => return Sorted::Text(pool.proto.name().as_bytes()),
            PoolColumn::Address => return Sorted::Address(pool.src, 0),
            PoolColumn::Capacity => pool.capacity.into(),
            PoolColumn::Used => pool.used.into(),
            PoolColumn::Bound => pool.bound.into(),
            PoolColumn::Free => pool.free.into(),
            PoolColumn::Fill => share(pool.capacity, pool.free),
            PoolColumn::Failures => pool.failures.map_or(-1.0, float),
            PoolColumn::Owner => {
                let owner = pool.owners.first();
                return Sorted::Text(owner.map_or(&[], |owner| &owner.holder.comm));
            }
        })
    }

    fn falls(field: &Field<PoolColumn>) -> bool {
        field.right && field.column != PoolColumn::Free
    }

    fn describe(pool: &BindPool, data: &Data<'_>, out: &mut String) {
        describe_netns(pool.netns, data, out);
        // Writing to a String cannot fail.
        let _ok = write!(out, "{} {} ", pool.proto.name(), pool.src);
        for owner in &pool.owners {
            describe_holder(&owner.holder, out);
        }
    }
}
