//! The rows of each list: which of a snapshot, and in which order. Computed when something changes, not
//! when the screen is drawn.

mod failures;
mod filter;
mod namespaces;
mod pools;
mod processes;
mod spaces;
mod tree;

use std::{cmp::Ordering, net::IpAddr};

use rustc_hash::FxHashMap;

pub(super) use self::{
    failures::{FailureKey, Failures},
    filter::Filter,
    namespaces::{Namespaces, Sums},
    pools::Pools,
    processes::{ProcessKey, Processes, short_cgroup},
    spaces::Spaces,
    tree::{CHILDREN, Line, Links, Part, children, lines, links, links_of},
};
use super::labels::Labels;
use crate::{
    attribution::snapshot::{Snapshot, SpaceKey},
    event::Proto,
    fields::Field,
};

/// A list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum View {
    Spaces,
    Processes,
    Failures,
    Namespaces,
    Pools,
}

impl View {
    /// In the order of their numbers.
    pub(super) const ALL: [Self; 5] = [
        Self::Spaces,
        Self::Processes,
        Self::Failures,
        Self::Namespaces,
        Self::Pools,
    ];

    /// Its name, and a short one.
    pub(super) fn titles(self) -> (&'static str, &'static str) {
        match self {
            Self::Spaces => ("Spaces", "Spaces"),
            Self::Processes => ("Processes", "Procs"),
            Self::Failures => ("Failures", "Fails"),
            Self::Namespaces => ("Namespaces", "Netns"),
            Self::Pools => ("Bind pools", "Binds"),
        }
    }

    /// What comes first when nothing else was asked for.
    pub(super) fn order(self) -> &'static str {
        match self {
            Self::Spaces => "danger",
            Self::Processes => "failing",
            Self::Failures => "latest",
            Self::Namespaces | Self::Pools => "fullest",
        }
    }

    /// Whether its rows have something below them.
    pub(super) fn grows(self) -> bool {
        matches!(self, Self::Spaces | Self::Processes)
    }
}

/// What tells a row from all others, in every snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RowKey {
    Space(SpaceKey),
    Process(ProcessKey),
    Failure(FailureKey),
    Namespace(u32),
    /// Namespace and address.
    Pool(u32, Proto, IpAddr),
    /// In the tree: an owner of a space.
    Owner(SpaceKey, Option<u32>),
    /// In the tree: a destination of a process.
    Link(ProcessKey, SpaceKey),
    /// In the tree: what stands for the rest.
    More(Box<Self>),
}

/// What rows are made from.
#[derive(Clone, Copy)]
pub(super) struct Data<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) labels: &'a Labels,
    /// Of each namespace of the snapshot.
    pub(super) sums: &'a [Sums],
    pub(super) links: &'a Links,
}

/// What rows are sorted by.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sorted<'a> {
    Number(f64),
    Text(&'a [u8]),
    Address(IpAddr, u16),
}

impl Sorted<'_> {
    fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Address(a, p), Self::Address(b, q)) => a.cmp(b).then(p.cmp(q)),
            _ => self.rank().cmp(&other.rank()),
        }
    }

    /// Names come first, then addresses, then what has neither.
    fn rank(&self) -> u8 {
        match self {
            Self::Text(_) => 0,
            Self::Address(..) => 1,
            Self::Number(_) => 2,
        }
    }
}

/// One of the lists.
pub(super) trait List {
    type Item: 'static;
    type Column: Copy + PartialEq + 'static;
    /// From left to right.
    const FIELDS: &'static [Field<Self::Column>];
    /// What a narrow terminal does without, in this order.
    const SPARE: &'static [Self::Column];
    /// What says the same in each row while there is one namespace only.
    const NETNS: Option<Self::Column> = None;

    /// All that could be rows.
    fn items(snapshot: &Snapshot) -> &[Self::Item];

    /// Whether it is worth a row.
    fn present(_: &Self::Item) -> bool {
        true
    }

    /// What tells it from all others.
    fn key(item: &Self::Item) -> RowKey;

    /// Its namespace.
    fn netns(item: &Self::Item) -> u32;

    /// Which of two, given with their places, comes first when nothing else was asked for; items that
    /// are alike stay as the snapshot has them.
    fn danger(_: (&Self::Item, u32), _: (&Self::Item, u32), _: &Data<'_>) -> Ordering {
        Ordering::Equal
    }

    /// What it is sorted by; `at` is its place in [`List::items`].
    fn sorted<'a>(
        item: &'a Self::Item,
        at: usize,
        column: Self::Column,
        data: &Data<'a>,
    ) -> Sorted<'a>;

    /// Whether the greatest come first at the beginning.
    fn falls(field: &Field<Self::Column>) -> bool {
        field.right
    }

    /// Whether a wide terminal gives it more room.
    fn grows(field: &Field<Self::Column>) -> bool {
        !field.right
    }

    /// Appends all texts that a filter may find.
    fn describe(item: &Self::Item, data: &Data<'_>, out: &mut String);
}

/// Which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sort {
    /// Place in [`List::FIELDS`].
    pub(super) column: usize,
    /// The greatest first.
    pub(super) falling: bool,
}

/// What is wanted of a list.
pub(super) struct Wanted<'a> {
    pub(super) sort: Option<Sort>,
    /// Without [`Self::sort`]: the least endangered first.
    pub(super) reversed: bool,
    pub(super) filter: &'a Filter,
    /// Only of this namespace.
    pub(super) netns: Option<u32>,
}

/// Places of the rows in [`List::items`], in order.
pub(super) fn rows<L: List>(data: &Data<'_>, wanted: &Wanted<'_>) -> Vec<u32> {
    let items = L::items(data.snapshot);
    let mut text = String::new();
    let mut rows: Vec<u32> = (0..)
        .zip(items)
        .filter(|(_, item)| L::present(item))
        .filter(|(_, item)| wanted.netns.is_none_or(|netns| netns == L::netns(item)))
        .filter(|(_, item)| {
            wanted.filter.is_empty() || {
                text.clear();
                L::describe(item, data, &mut text);
                wanted.filter.finds(&mut text)
            }
        })
        .map(|(at, _)| at)
        .collect();
    let item = |row: u32| items.get(row as usize);
    rows.sort_by(|&a, &b| match (item(a), item(b)) {
        (Some(first), Some(second)) => L::danger((first, a), (second, b), data),
        _ => Ordering::Equal,
    });
    let field = wanted.sort.and_then(|sort| L::FIELDS.get(sort.column));
    match (wanted.sort, field) {
        (Some(sort), Some(field)) => {
            let mut sorted: Vec<(Sorted<'_>, u32)> = rows
                .iter()
                .filter_map(|&row| {
                    let at = row as usize;
                    Some((L::sorted(items.get(at)?, at, field.column, data), row))
                })
                .collect();
            // Stable: what is alike stays in the order of danger.
            if sort.falling {
                sorted.sort_by(|(a, _), (b, _)| b.order(a));
            } else {
                sorted.sort_by(|(a, _), (b, _)| a.order(b));
            }
            rows = sorted.into_iter().map(|(_, row)| row).collect();
        }
        _ if wanted.reversed => rows.reverse(),
        _ => {}
    }
    rows
}

/// How many rows there are without filters.
pub(super) fn count<L: List>(snapshot: &Snapshot) -> usize {
    let items = L::items(snapshot).iter();
    items.filter(|item| L::present(item)).count()
}

/// Calls a generic function for the list of a view: `with_list!(view, count(snapshot))`.
macro_rules! with_list {
    ($view:expr, $($call:ident)::+ ($($argument:expr),* $(,)?)) => {
        match $view {
            $crate::views::top::lists::View::Spaces =>
                $($call)::+::<$crate::views::top::lists::Spaces>($($argument),*),
            $crate::views::top::lists::View::Processes =>
                $($call)::+::<$crate::views::top::lists::Processes>($($argument),*),
            $crate::views::top::lists::View::Failures =>
                $($call)::+::<$crate::views::top::lists::Failures>($($argument),*),
            $crate::views::top::lists::View::Namespaces =>
                $($call)::+::<$crate::views::top::lists::Namespaces>($($argument),*),
            $crate::views::top::lists::View::Pools =>
                $($call)::+::<$crate::views::top::lists::Pools>($($argument),*),
        }
    };
}
pub(super) use with_list;

/// Headings of a list's columns, whether they fall at the beginning, and what they say.
pub(super) fn columns<L: List>() -> Vec<(&'static str, bool, &'static str)> {
    let fields = L::FIELDS.iter();
    fields
        .map(|field| (field.heading, L::falls(field), field.help))
        .collect()
}

/// What tells the row from all others.
pub(super) fn key_of<L: List>(data: &Data<'_>, line: Line) -> Option<RowKey> {
    let whole = L::key(L::items(data.snapshot).get(line.item as usize)?);
    match line.part {
        Part::Whole => Some(whole),
        Part::More => Some(RowKey::More(Box::new(whole))),
        Part::Child(child) => tree::child_key(data, &whole, line.item, usize::from(child)),
    }
}

/// Whether it is the row that is looked for, or at least belongs to it.
fn same_item(key: &RowKey, whole: &RowKey) -> bool {
    match (key, whole) {
        (RowKey::Owner(space, _), RowKey::Space(other)) => space == other,
        (RowKey::Link(process, _), RowKey::Process(other)) => process == other,
        (RowKey::More(inner), _) => **inner == *whole,
        _ => key == whole,
    }
}

/// Where the row is now; the row above it in the tree where it is there no more. `hint`: where it may
/// be.
pub(super) fn find<L: List>(
    data: &Data<'_>,
    lines: &[Line],
    key: &RowKey,
    hint: usize,
) -> Option<usize> {
    let items = L::items(data.snapshot);
    let is_item = |line: &Line| {
        let item = items.get(line.item as usize);
        item.is_some_and(|item| same_item(key, &L::key(item)))
    };
    let there = |at: usize| key_of::<L>(data, *lines.get(at)?).filter(|found| found == key);
    if there(hint).is_some() {
        return Some(hint);
    }
    let whole = |line: &Line| line.part == Part::Whole && is_item(line);
    let first = lines.iter().position(whole)?;
    let rest = lines.iter().enumerate().skip(first);
    let parts = rest.take_while(|(at, line)| *at == first || line.part != Part::Whole);
    let exact = parts.map(|(at, _)| at).find(|at| there(*at).is_some());
    Some(exact.unwrap_or(first))
}

/// Places of things by what tells them from others; for the namespaces' sums.
type Places = FxHashMap<u32, usize>;
