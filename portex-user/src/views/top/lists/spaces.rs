//! The list of spaces. Its order of danger is that of the snapshot.

use std::fmt::Write as _;

use super::{Data, List, RowKey, Sorted};
use crate::{
    attribution::snapshot::{Snapshot, Space},
    fields::{Field, SPARE_TOP_SPACE_COLUMNS, SpaceColumn, TOP_SPACES, TopSpaceColumn},
};

/// Owners that a filter looks at.
const OWNERS: usize = 32;

pub(in crate::views::top) struct Spaces;

impl List for Spaces {
    type Item = Space;
    type Column = TopSpaceColumn;
    const FIELDS: &'static [Field<TopSpaceColumn>] = TOP_SPACES;
    const SPARE: &'static [TopSpaceColumn] = SPARE_TOP_SPACE_COLUMNS;
    const NETNS: Option<TopSpaceColumn> = Some(TopSpaceColumn::Cell(SpaceColumn::Netns));

    fn items(snapshot: &Snapshot) -> &[Space] {
        &snapshot.spaces
    }

    fn key(space: &Space) -> RowKey {
        RowKey::Space(space.key())
    }

    fn netns(space: &Space) -> u32 {
        space.netns
    }

    fn sorted<'a>(
        space: &'a Space,
        _: usize,
        column: TopSpaceColumn,
        data: &Data<'a>,
    ) -> Sorted<'a> {
        let rate = |rate: Option<f64>| Sorted::Number(rate.unwrap_or(-1.0));
        let column = match column {
            TopSpaceColumn::Cell(column) => column,
            TopSpaceColumn::Used => SpaceColumn::Used,
            TopSpaceColumn::Bar => SpaceColumn::Fill,
        };
        match column {
            SpaceColumn::Netns => netns(space.netns, data),
            SpaceColumn::Source => Sorted::Address(space.src, 0),
            SpaceColumn::Destination => Sorted::Address(space.dst, space.dst_port),
            SpaceColumn::Used => Sorted::Number(space.used.into()),
            SpaceColumn::TimeWait => Sorted::Number(space.time_wait.into()),
            SpaceColumn::Blocked => Sorted::Number(space.blocked.into()),
            SpaceColumn::Free => Sorted::Number(space.free.into()),
            SpaceColumn::Fill => Sorted::Number(space.fill),
            SpaceColumn::Connects => rate(space.rates.map(|rates| rates.connects)),
            SpaceColumn::Failures => rate(space.rates.map(|rates| rates.failures)),
            SpaceColumn::Exhausts => Sorted::Number(match space.exhausts_in {
                _ if space.free == 0 && space.exact => 0.0,
                Some(time) => time.as_secs_f64(),
                None => f64::INFINITY,
            }),
            SpaceColumn::Owner => {
                let first = space.owners.first();
                Sorted::Text(first.map_or(&[], |owner| &owner.holder.comm))
            }
        }
    }

    fn falls(field: &Field<TopSpaceColumn>) -> bool {
        match field.column {
            TopSpaceColumn::Cell(SpaceColumn::Free | SpaceColumn::Exhausts) => false,
            TopSpaceColumn::Bar => true,
            _ => field.right,
        }
    }

    fn grows(field: &Field<TopSpaceColumn>) -> bool {
        !field.right && field.column != TopSpaceColumn::Bar
    }

    fn describe(space: &Space, data: &Data<'_>, out: &mut String) {
        describe_netns(space.netns, data, out);
        // Writing to a String cannot fail.
        let _ok = write!(out, "{} ", space.src);
        describe_destination(space.dst, space.dst_port, data, out);
        for owner in space.owners.iter().take(OWNERS) {
            describe_holder(&owner.holder, out);
        }
    }
}

/// A namespace as something to sort by: those with a name first.
pub(super) fn netns<'a>(inode: u32, data: &Data<'a>) -> Sorted<'a> {
    match data.labels.netns_name(inode) {
        Some(name) => Sorted::Text(name.as_bytes()),
        None => Sorted::Number(inode.into()),
    }
}

/// Appends a namespace's name and number.
pub(super) fn describe_netns(inode: u32, data: &Data<'_>, out: &mut String) {
    if let Some(name) = data.labels.netns_name(inode) {
        out.push_str(name);
        out.push(' ');
    }
    let _ok = write!(out, "{inode} ");
}

/// Appends a destination by number, and as it is shown.
pub(super) fn describe_destination(
    dst: std::net::IpAddr,
    port: u16,
    data: &Data<'_>,
    out: &mut String,
) {
    let _ok = write!(out, "{}", std::net::SocketAddr::new(dst, port));
    if data.labels.names_destination(dst, port) {
        out.push(' ');
        data.labels.put_destination(out, dst, port);
    }
    out.push(' ');
}

/// Appends a process: name, id and cgroup.
pub(super) fn describe_holder(holder: &crate::attribution::snapshot::Holder, out: &mut String) {
    out.push_str(&String::from_utf8_lossy(&holder.comm));
    if let Some(pid) = holder.pid {
        let _ok = write!(out, " {pid}");
    }
    if let Some(cgroup) = &holder.cgroup {
        out.push(' ');
        out.push_str(cgroup);
    }
    out.push(' ');
}
