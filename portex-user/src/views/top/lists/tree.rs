//! Lists with what belongs to each row below it: owners below a space, destinations below a process.

use rustc_hash::FxHashMap;

use super::{Data, ProcessKey, RowKey, View};
use crate::{attribution::snapshot::Snapshot, views::top::details::DestinationRow};

/// Most rows below a row.
pub(in crate::views::top) const CHILDREN: usize = 5;

/// A line of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::views::top) struct Line {
    /// Which item of the snapshot it belongs to.
    pub(in crate::views::top) item: u32,
    pub(in crate::views::top) part: Part,
}

/// What of an item a line shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::views::top) enum Part {
    /// The item itself.
    Whole,
    /// One of those below it.
    Child(u8),
    /// What stands for the rest of them.
    More,
}

/// Where the ports of each process go, most ports first.
pub(in crate::views::top) type Links = FxHashMap<ProcessKey, Vec<DestinationRow>>;

/// Of all processes.
pub(in crate::views::top) fn links(snapshot: &Snapshot) -> Links {
    collect(snapshot, |_| true)
}

/// Of one process.
pub(in crate::views::top) fn links_of(snapshot: &Snapshot, process: ProcessKey) -> Links {
    collect(snapshot, |key| key == process)
}

fn collect(snapshot: &Snapshot, wanted: impl Fn(ProcessKey) -> bool) -> Links {
    let mut links = Links::default();
    for (space, row) in (0..).zip(&snapshot.spaces) {
        for owner in &row.owners {
            let key = ProcessKey {
                pid: owner.holder.pid,
                netns: row.netns,
            };
            if wanted(key) {
                links.entry(key).or_default().push(DestinationRow {
                    space,
                    ports: owner.ports,
                    time_wait: owner.time_wait,
                });
            }
        }
    }
    for rows in links.values_mut() {
        rows.sort_by_key(|row| std::cmp::Reverse(row.ports));
    }
    links
}

/// How many an item has below it.
pub(in crate::views::top) fn children(data: &Data<'_>, view: View, item: u32) -> usize {
    let at = item as usize;
    match view {
        View::Spaces => {
            let space = data.snapshot.spaces.get(at);
            space.map_or(0, |space| space.owners.len())
        }
        View::Processes => {
            let process = data.snapshot.processes.get(at);
            let below = process.and_then(|process| data.links.get(&ProcessKey::of(process)));
            below.map_or(0, Vec::len)
        }
        View::Failures | View::Namespaces | View::Pools => 0,
    }
}

/// The lines of a list: a line for each row, and those below it if wanted.
pub(in crate::views::top) fn lines(
    data: &Data<'_>,
    view: View,
    rows: &[u32],
    tree: bool,
) -> Vec<Line> {
    let mut lines = Vec::with_capacity(rows.len());
    for &item in rows {
        let line = |part| Line { item, part };
        lines.push(line(Part::Whole));
        if tree {
            let below = children(data, view, item);
            let shown = u8::try_from(below.min(CHILDREN)).unwrap_or(0);
            lines.extend((0..shown).map(|child| line(Part::Child(child))));
            if below > CHILDREN {
                lines.push(line(Part::More));
            }
        }
    }
    lines
}

/// What tells one of those below an item from all others.
pub(super) fn child_key(
    data: &Data<'_>,
    whole: &RowKey,
    item: u32,
    child: usize,
) -> Option<RowKey> {
    match whole {
        RowKey::Space(key) => {
            let owner = data.snapshot.spaces.get(item as usize)?.owners.get(child)?;
            Some(RowKey::Owner(*key, owner.holder.pid))
        }
        RowKey::Process(key) => {
            let row = data.links.get(key)?.get(child)?;
            let space = data.snapshot.spaces.get(row.space as usize)?;
            Some(RowKey::Link(*key, space.key()))
        }
        _ => None,
    }
}
