//! How spaces, holders and namespaces are called in text.

use std::{
    borrow::Cow,
    net::{IpAddr, SocketAddr},
};

use rustc_hash::FxHashMap;
use unicode_width::UnicodeWidthChar as _;

use crate::{
    attribution::snapshot::{Failure, Holder, Snapshot, Space},
    escape,
};

/// A name of another process is shown up to this many columns; escaping makes it longer than the
/// kernel lets it be.
const LONGEST: usize = 40;

/// What stands for characters that were cut out.
pub(in crate::views) const CUT: char = '…';

/// Most combining characters in a row.
const MARKS: usize = 2;

/// The names of namespaces.
#[derive(Default)]
pub(in crate::views) struct Names<'a>(FxHashMap<u32, &'a str>);

impl<'a> Names<'a> {
    /// Of a snapshot.
    pub(in crate::views) fn of(snapshot: &'a Snapshot) -> Self {
        let named = snapshot.namespaces.iter();
        Self(
            named
                .filter_map(|netns| Some((netns.inode, netns.name.as_deref()?)))
                .collect(),
        )
    }

    /// As it is. Untrusted.
    pub(in crate::views) fn raw(&self, inode: u32) -> Option<&'a str> {
        self.0.get(&inode).copied()
    }

    /// For text: the name, or the inode number.
    pub(in crate::views) fn shown(&self, inode: u32) -> String {
        self.raw(inode)
            .map_or_else(|| inode.to_string(), |name| safe(name.as_bytes()))
    }
}

/// Number of columns that a text takes on a terminal, character by character. What is joined to one
/// sign by some terminals only (emoji with U+200D) counts as its parts.
pub(in crate::views) fn width(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

fn columns_of(character: char) -> usize {
    character.width().unwrap_or(0)
}

/// A text of at most so many columns: what is too long is cut in the middle, so that the end (a port,
/// a process id) stays. Of combining characters in a row no more than [`MARKS`] are kept.
pub(in crate::views) fn fit(text: &str, columns: usize) -> String {
    let text = &*bounded(text);
    if width(text) <= columns {
        return text.to_owned();
    }
    let Some(kept) = columns.checked_sub(1) else {
        return String::new();
    };
    let mut cut: String = whole(text.chars(), kept / 2).collect();
    // Half of a wide character is nothing: the other side gets that room.
    let rest = kept - width(&cut);
    cut.push(CUT);
    let tail: Vec<char> = whole(text.chars().rev(), rest).collect();
    // What combines with a character that was cut out would combine with the mark of the cut.
    let shown = tail.iter().rev().skip_while(|c| columns_of(**c) == 0);
    cut.extend(shown);
    cut
}

/// The characters of the first so many columns, none of them in part.
fn whole(characters: impl Iterator<Item = char>, columns: usize) -> impl Iterator<Item = char> {
    let mut left = columns;
    characters.map_while(move |character| {
        left = left.checked_sub(columns_of(character))?;
        Some(character)
    })
}

/// Without the excess of combining characters.
fn bounded(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut run = 0;
    let kept = text.chars().filter(|character| {
        run = if columns_of(*character) == 0 {
            run + 1
        } else {
            0
        };
        run <= MARKS
    });
    Cow::Owned(kept.collect())
}

/// Text of another process, safe and not too long.
pub(in crate::views) fn safe(bytes: &[u8]) -> String {
    fit(&escape::text(bytes), LONGEST)
}

/// The source of a space, with what tells it from others of the same address: `10.0.0.1`,
/// `10.0.0.1%3` when bound to device 3, `10.0.0.1:4000-4999` with a port range of its own.
pub(in crate::views) fn source(space: &Space) -> String {
    let device = match space.dev {
        0 => String::new(),
        index => format!("%{index}"),
    };
    match (space.src, space.own_range) {
        (address, false) => format!("{address}{device}"),
        (IpAddr::V4(address), true) => format!("{address}{device}:{}", space.range),
        (IpAddr::V6(address), true) => format!("[{address}{device}]:{}", space.range),
    }
}

/// The source of a failed allocation: `10.0.0.1`, `*` without address, `10.0.0.1%3` when bound to
/// device 3, `10.0.0.1:4000` when a bind had chosen the port.
pub(in crate::views) fn failed_source(failure: &Failure) -> String {
    let device = match failure.dev {
        0 => String::new(),
        index => format!("%{index}"),
    };
    match (failure.src, failure.src_port) {
        (address, Some(port)) if address.is_unspecified() => format!("*{device}:{port}"),
        (address, None) if address.is_unspecified() => format!("*{device}"),
        (address, None) => format!("{address}{device}"),
        (IpAddr::V4(address), Some(port)) => format!("{address}{device}:{port}"),
        (IpAddr::V6(address), Some(port)) => format!("[{address}{device}]:{port}"),
    }
}

/// From where to where: `10.0.0.1 -> 10.0.0.2:443`.
pub(in crate::views) fn route(space: &Space) -> String {
    let destination = SocketAddr::new(space.dst, space.dst_port);
    format!("{} -> {destination}", source(space))
}

/// A process by name and id: `nginx (12)`.
pub(in crate::views) fn holder(holder: &Holder) -> String {
    let comm = safe(&holder.comm);
    match holder.pid {
        Some(pid) => format!("{comm} ({pid})"),
        None => comm,
    }
}
