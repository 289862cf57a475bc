//! How spaces, holders and namespaces are called in text.

use std::net::{IpAddr, SocketAddr};

use rustc_hash::FxHashMap;

use crate::{
    attribution::snapshot::{Holder, Snapshot, Space},
    escape,
};

/// A name of another process is shown up to this many characters; escaping makes it longer than the
/// kernel lets it be.
const LONGEST: usize = 40;

/// What stands for characters that were cut out.
const CUT: char = '…';

/// The names of namespaces.
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

/// Number of columns that a text takes on a terminal: a character each.
pub(in crate::views) fn width(text: &str) -> usize {
    text.chars().count()
}

/// A text of at most so many columns: what is too long is cut in the middle, so that the end (a port,
/// a process id) stays.
pub(in crate::views) fn fit(text: &str, columns: usize) -> String {
    let long = width(text);
    if long <= columns {
        return text.to_owned();
    }
    let Some(kept) = columns.checked_sub(1) else {
        return String::new();
    };
    let head = kept / 2;
    let tail = kept - head;
    let mut cut: String = text.chars().take(head).collect();
    cut.push(CUT);
    cut.extend(text.chars().skip(long - tail));
    cut
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
