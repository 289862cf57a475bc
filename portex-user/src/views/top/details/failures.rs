//! The latest failed allocations of what is looked at.

use std::{net::SocketAddr, time::Duration};

use ratatui::style::Style;

use super::{
    canvas::Canvas,
    table::{Cell, Column, Kind, Table},
    text::safe,
    words::long,
};
use crate::{
    attribution::snapshot::{FailedCall, Failure, Snapshot},
    views::{
        errno_name,
        snapshot::{cells::call, numbers::brief},
        top::{Theme, labels::Labels},
    },
};

/// More are not looked for: there is no room.
const MOST: usize = 32;

/// What tells a failure from the others here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// Who it was.
    Process,
    /// Where to.
    Destination,
}

/// The latest that are wanted, the latest first.
pub(super) fn latest(snapshot: &Snapshot, wanted: impl Fn(&Failure) -> bool) -> Vec<&Failure> {
    let failures = snapshot.failures.iter();
    failures
        .filter(|failure| wanted(failure))
        .take(MOST)
        .collect()
}

/// Draws them as a table.
pub(super) fn draw(
    canvas: &mut Canvas<'_>,
    failures: &[&Failure],
    shown: Shown,
    now: Duration,
    labels: &Labels,
) {
    let theme = canvas.theme();
    let column = |title, kind, rank| Column { title, kind, rank };
    let who = match shown {
        Shown::Process => "FAILED connect() OF",
        Shown::Destination => "FAILED connect() TO",
    };
    let columns = [
        column("AGO", Kind::Number(7), 1),
        column(who, Kind::Text, 0),
        column("WHY", Kind::Fixed(17), 0),
        column("ERRNO", Kind::Fixed(13), 3),
        column("SEARCH", Kind::Number(7), 2),
    ];
    let row = |at: usize| {
        failures.get(at).map_or_else(Vec::new, |failure| {
            cells(failure, shown, now, labels, theme)
        })
    };
    let table = Table {
        columns: &columns,
        count: failures.len(),
        row: &row,
        selected: None,
        scroll: 0,
    };
    table.draw(canvas);
}

fn cells(
    failure: &Failure,
    shown: Shown,
    now: Duration,
    labels: &Labels,
    theme: Theme,
) -> Vec<Cell> {
    let what = match shown {
        Shown::Process => {
            let holder = Labels::holder(&failure.holder);
            match failure.holder.pid {
                Some(pid) if pid != failure.tid => format!("{holder}, thread {}", failure.tid),
                _ => holder,
            }
        }
        Shown::Destination if failure.call != FailedCall::Connect => {
            let address = SocketAddr::new(failure.src, failure.src_port.unwrap_or(0));
            format!("- ({} at {address})", call(failure))
        }
        Shown::Destination => labels.destination(failure.dst, failure.dst_port),
    };
    let what = match failure.src_port {
        Some(port) if failure.call == FailedCall::Connect => {
            format!("{what}, bound to port {port}")
        }
        _ => what,
    };
    let cause = if failure.cause.is_exhaustion() {
        theme.alarm()
    } else {
        theme.warning()
    };
    let search = failure.search.map_or_else(|| "-".to_owned(), long);
    vec![
        (brief(now.saturating_sub(failure.time)), Style::new()),
        (safe(what.as_bytes(), theme), Style::new()),
        (failure.cause.name().to_owned(), cause),
        (errno_name(failure.errno), Style::new()),
        (search, Style::new()),
    ]
}
