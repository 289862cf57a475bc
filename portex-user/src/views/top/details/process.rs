//! A process: who it is, what it holds, where its ports go, what failed.

use std::borrow::Cow;

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{
    canvas::Canvas,
    chart,
    failures::{self, Shown},
    layout::{Part, listed, share, stack},
    table::{Cell, Column, Kind, Table},
    text::{grouped, safe},
    words::{self, percent},
};
use crate::{
    attribution::snapshot::{Failure, Process, Snapshot},
    details::ProcessDetails,
    views::{
        snapshot::numbers::{brief, rate},
        top::{Theme, labels::Labels},
    },
};

/// One destination of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::views::top) struct DestinationRow {
    /// The space, by its place in [`Snapshot::spaces`].
    pub space: u32,
    /// Ports that the process holds there, TIME_WAIT included.
    pub ports: u32,
    /// Of these, in TIME_WAIT.
    pub time_wait: u32,
}

mod identity;

use identity::{NAME, identity, named};

/// What the screen of a process is drawn from.
pub(in crate::views::top) struct ProcessView<'a> {
    /// Which process; `None`: those that nobody can know.
    pub pid: Option<u32>,
    /// Inode number of the namespace.
    pub netns: u32,
    /// What it holds; `None`: it holds nothing any more.
    pub process: Option<&'a Process>,
    /// What else there is.
    pub snapshot: &'a Snapshot,
    /// Where its ports go, most ports first.
    pub destinations: &'a [DestinationRow],
    /// What `/proc` knows of it; `None`: not here yet.
    pub details: Option<&'a ProcessDetails>,
    /// The marked destination, from 0.
    pub selected: usize,
    /// The first destination that is shown, if the marked one can be seen then.
    pub scroll: u16,
    /// Names.
    pub labels: &'a Labels,
    /// What the terminal can show.
    pub theme: Theme,
}

/// Draws the screen of a process.
pub(in crate::views::top) fn draw(view: &ProcessView<'_>, area: Rect, buf: &mut Buffer) {
    let mut canvas = Canvas::new(area, buf, view.theme);
    let width = usize::from(canvas.width());
    let height = canvas.height();
    let failed = failures::latest(view.snapshot, |failure| is_of(failure, view));
    let identity = identity(view, width);
    let holds = holds(view, width);
    // By importance.
    let parts = [
        Part::fixed(1),
        Part::lines(holds.len()),
        listed(view.destinations.len(), height / 5),
        Part::lines(identity.len()),
        listed(failed.len(), (height / 6).min(5)),
    ];
    let rows = share(height, &parts, &[2, 4]);
    let &[title, held, going, known, failing] = rows.as_slice() else {
        return;
    };
    let places = stack([title, known, held, going, failing]);
    let [title, known, held, going, failing] = places;

    canvas.rows(title).lines(&[title_of(view)]);
    canvas.rows(known).lines(&identity);
    canvas.rows(held).lines(&holds);
    destinations(view, &mut canvas.rows(going));
    let now = view.snapshot.time;
    let below = &mut canvas.rows(failing);
    failures::draw(below, &failed, Shown::Destination, now, view.labels);
}

fn is_of(failure: &Failure, view: &ProcessView<'_>) -> bool {
    view.pid.is_some() && (failure.holder.pid, failure.netns) == (view.pid, view.netns)
}

/// `nginx (12), netns host: alive for 3h05m`.
fn title_of(view: &ProcessView<'_>) -> Line<'static> {
    let theme = view.theme;
    let name = match (view.process, view.pid) {
        (Some(process), _) => Labels::holder(&process.holder),
        (None, Some(pid)) => format!("process {pid}"),
        (None, None) => "unknown".to_owned(),
    };
    let netns = view.labels.netns(view.netns);
    let mut spans = vec![
        Span::styled(safe(name.as_bytes(), theme), theme.title()),
        Span::styled(
            format!(", netns {}", safe(netns.as_bytes(), theme)),
            theme.dim(),
        ),
    ];
    let life = match view.details {
        _ if view.pid.is_none() => None,
        None => Some(("looking it up".to_owned(), theme.dim())),
        Some(details) if !details.alive => Some(("ended".to_owned(), theme.warning())),
        Some(details) => {
            let age = details.age.map(|age| format!("alive for {}", brief(age)));
            Some((age.unwrap_or_else(|| "alive".to_owned()), theme.calm()))
        }
    };
    if let Some((life, style)) = life {
        spans.push(Span::styled(": ", theme.dim()));
        spans.push(Span::styled(life, style));
    }
    Line::from(spans)
}

/// What it holds, and how fast.
fn holds(view: &ProcessView<'_>, width: usize) -> Vec<Line<'static>> {
    let theme = view.theme;
    let Some(process) = view.process else {
        let nothing = Span::styled("none any more", theme.warning());
        return vec![named("ports", vec![nothing], theme)];
    };
    let plain = Style::new();
    let first = |name: &str| Cow::from(format!("{name:<width$}", width = NAME - 1));
    let mut items = vec![
        (first("ports"), grouped(process.ports.into()), plain),
        (
            "in TIME_WAIT".into(),
            grouped(process.time_wait.into()),
            theme.time_wait(),
        ),
    ];
    // What should not be: shown only when it is.
    for (name, count) in [
        ("in CLOSE_WAIT", process.close_wait),
        ("bound first", process.bound),
    ] {
        if count > 0 {
            items.push((name.into(), grouped(count.into()), theme.warning()));
        }
    }
    match process.rates {
        Some(rates) => {
            let alarm = if rates.failures > 0.0 {
                theme.alarm()
            } else {
                plain
            };
            items.push(("new/s".into(), rate(rates.connects), plain));
            items.push(("fail/s".into(), rate(rates.failures), alarm));
        }
        None => items.push(("rates".into(), "not watched".to_owned(), theme.dim())),
    }
    if let Some(failures) = process.failures {
        let alarm = if failures > 0 { theme.alarm() } else { plain };
        items.push(("calls failed".into(), grouped(failures), alarm));
    }
    let mut lines = words::flow(items, width, theme);
    let times = [
        ("held", process.hold, words::NONE_HELD),
        ("search", process.search, words::NONE_SEARCHED),
    ];
    let times = times.map(|(name, times, none)| {
        let text = times.map_or_else(
            || none.to_owned(),
            |times| {
                let [p50, p99, max] = [times.p50, times.p99, times.max].map(words::long);
                format!("p50 {p50}, p99 {p99}, max {max}")
            },
        );
        (Cow::from(name), text, plain)
    });
    let [held, search] = times;
    let held = (first("held"), held.1, held.2);
    lines.extend(words::flow(vec![held, search], width, theme));
    lines
}

fn destinations(view: &ProcessView<'_>, canvas: &mut Canvas<'_>) {
    const BAR: u32 = 10;
    let theme = view.theme;
    let column = |title, kind, rank| Column { title, kind, rank };
    let columns = [
        column("SOURCE", Kind::Text, 2),
        column("DESTINATION", Kind::Text, 0),
        column("PORTS", Kind::Number(7), 0),
        column("TIME_WAIT", Kind::Number(9), 1),
        column("LEFT THERE", Kind::Number(10), 5),
        column("FILL", Kind::Number(5), 3),
        column("", Kind::Fixed(BAR as usize), 4),
    ];
    let cells = |at: usize| -> Vec<Cell> {
        let Some(row) = view.destinations.get(at) else {
            return Vec::new();
        };
        let plain = Style::new();
        let ports = [row.ports, row.time_wait].map(|count| (grouped(count.into()), plain));
        let [ports, time_wait] = ports;
        let space = usize::try_from(row.space).ok();
        let Some(space) = space.and_then(|at| view.snapshot.spaces.get(at)) else {
            let [none, gone] = ["-", "gone"].map(|text| (text.to_owned(), theme.dim()));
            return vec![none, gone, ports, time_wait];
        };
        let least = if space.exact { "" } else { ">=" };
        let destination = view.labels.destination(space.dst, space.dst_port);
        let fill = theme.fill(space.fill);
        vec![
            (safe(view.labels.source(space).as_bytes(), theme), plain),
            (safe(destination.as_bytes(), theme), plain),
            ports,
            time_wait,
            (format!("{least}{}", grouped(space.free.into())), fill),
            (percent(space.fill), fill),
            (chart::bar(space.fill, BAR, theme), fill),
        ]
    };
    let table = Table {
        columns: &columns,
        count: view.destinations.len(),
        row: &cells,
        selected: Some(view.selected),
        scroll: view.scroll.into(),
    };
    table.draw(canvas);
}
