//! A space: how it stands, who holds its ports, what failed, and its ports.
//!
//! ```text
//! netns host: 10.0.0.1 -> 10.0.0.2:443
//! Has 312 of 28,232 ports left (98 % full); at this rate the next connect() fails in 14s.
//! range 32768-60999  capacity 28,232  ...
//! LAST 5m00s                                    p50     p99     max
//! new/s   sparkline     462, max 480            held    ...
//! owners
//! failures
//! port map
//! ```

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
    port_map::{self, Legend},
    table::{Cell, Column, Kind, Table},
    text::{self, grouped, safe},
    words::{self, percent},
};
use crate::{
    attribution::snapshot::{Failure, Owner, PortMap, Snapshot, Space, SpaceKey},
    views::top::{Theme, history::Track, labels::Labels},
};

mod charts;

/// What the screen of a space is drawn from.
pub(in crate::views::top) struct SpaceView<'a> {
    /// Which space.
    pub key: &'a SpaceKey,
    /// How it is; `None`: it is not there any more.
    pub space: Option<&'a Space>,
    /// What else there is.
    pub snapshot: &'a Snapshot,
    /// Its ports; `None`: not here yet.
    pub map: Option<&'a PortMap>,
    /// How it was.
    pub track: Option<&'a Track>,
    /// The marked owner, from 0.
    pub selected: usize,
    /// The first owner that is shown, if the marked one can be seen then.
    pub scroll: u16,
    /// Names.
    pub labels: &'a Labels,
    /// What the terminal can show.
    pub theme: Theme,
}

/// Draws the screen of a space.
pub(in crate::views::top) fn draw(view: &SpaceView<'_>, area: Rect, buf: &mut Buffer) {
    let mut canvas = Canvas::new(area, buf, view.theme);
    let width = usize::from(canvas.width());
    let height = canvas.height();
    let failed = failures::latest(view.snapshot, |failure| is_of(failure, view.key));
    let sentence = sentence(view, width);
    let numbers = view
        .space
        .map_or_else(Vec::new, |space| numbers_of(space, width, view.theme));
    let owners = view.space.map_or(0, |space| space.owners.len());
    // By importance.
    let parts = [
        Part::fixed(1),
        Part::lines(sentence.len()),
        listed(owners, height / 6),
        Part::lines(numbers.len()),
        charts::part(height),
        port_map::part(view.map, canvas.width(), height / 3, view.theme),
        listed(failed.len(), (height / 8).min(5)),
    ];
    let rows = share(height, &parts, &[5, 2, 6]);
    let &[title, said, owned, counted, charted, mapped, failing] = rows.as_slice() else {
        return;
    };
    let places = stack([title, said, counted, charted, owned, failing, mapped]);
    let [title, said, counted, charted, owned, failing, mapped] = places;

    canvas.rows(title).lines(&[title_of(view)]);
    canvas.rows(said).lines(&sentence);
    canvas.rows(counted).lines(&numbers);
    charts::draw(view, &mut canvas.rows(charted));
    if let Some(space) = view.space {
        owners_of(view, space, &mut canvas.rows(owned));
    }
    let now = view.snapshot.time;
    let below = &mut canvas.rows(failing);
    failures::draw(below, &failed, Shown::Process, now, view.labels);
    port_map::draw(view, Legend::Short, &mut canvas.rows(mapped));
}

/// Whether a failure is one of a space. It does not say whether its socket had a range of its own.
fn is_of(failure: &Failure, key: &SpaceKey) -> bool {
    // One whose source is not known is counted for a space of that destination.
    let same_source = failure.src == key.src || failure.src.is_unspecified();
    let Failure {
        netns,
        dst,
        dst_port,
        dev,
        ..
    } = failure;
    same_source && (*netns, *dst, *dst_port, *dev) == (key.netns, key.dst, key.dst_port, key.dev)
}

/// `netns host: 10.0.0.1 -> 10.0.0.2:443`.
pub(super) fn title_of(view: &SpaceView<'_>) -> Line<'static> {
    let SpaceView {
        key, labels, theme, ..
    } = view;
    let source = match view.space {
        Some(space) => labels.source(space),
        None => match key.dev {
            0 => key.src.to_string(),
            index => format!("{}%{index}", key.src),
        },
    };
    let destination = labels.destination(key.dst, key.dst_port);
    let netns = safe(labels.netns(key.netns).as_bytes(), *theme);
    Line::from(vec![
        Span::styled(format!("netns {netns}: "), theme.dim()),
        Span::styled(format!("{source} -> {destination}"), theme.title()),
    ])
}

fn sentence(view: &SpaceView<'_>, width: usize) -> Vec<Line<'static>> {
    const MOST: usize = 3;
    let theme = view.theme;
    let Some(space) = view.space else {
        let gone = "This space is gone: nobody holds a port of it, and none was asked for lately.";
        return wrapped(gone, width, MOST, theme.warning(), theme);
    };
    let standing = words::standing(space, view.track);
    let mut lines = wrapped(&standing, width, MOST, theme.fill(space.fill), theme);
    let Some((need, style)) = words::need(space, theme) else {
        return lines;
    };
    let span = Span::styled(format!(" {need}"), style);
    match lines.last_mut() {
        Some(line) if line.width() + span.width() <= width => line.push_span(span),
        _ => lines.extend(wrapped(&need, width, MOST, style, theme)),
    }
    lines
}

fn wrapped(
    text: &str,
    width: usize,
    most: usize,
    style: Style,
    theme: Theme,
) -> Vec<Line<'static>> {
    text::wrap(text, width, most, theme)
        .into_iter()
        .map(|line| Line::from(Span::styled(line, style)))
        .collect()
}

fn numbers_of(space: &Space, width: usize, theme: Theme) -> Vec<Line<'static>> {
    let count = |number: u32| grouped(number.into());
    let plain = Style::new();
    let reserved = space.range.size().saturating_sub(space.capacity);
    let own = if space.own_range { " (its own)" } else { "" };
    let least = if space.exact { "" } else { ">=" };
    let mut items = vec![
        ("range".into(), format!("{}{own}", space.range), plain),
        ("reserved".into(), count(reserved), theme.reserved()),
        ("capacity".into(), count(space.capacity), plain),
        ("used".into(), count(space.used), theme.in_use()),
        (
            "of these TIME_WAIT".into(),
            count(space.time_wait),
            theme.time_wait(),
        ),
        (
            "recyclable".into(),
            count(space.recyclable),
            port_map::recyclable(theme),
        ),
        ("blocked".into(), count(space.blocked), theme.blocked()),
        (
            "free".into(),
            format!("{least}{}", count(space.free)),
            theme.fill(space.fill),
        ),
    ];
    if let Some(failures) = space.failures.filter(|&count| count > 0) {
        items.push(("connect() failed".into(), grouped(failures), theme.alarm()));
    }
    words::flow(items, width, theme)
}

fn owners_of(view: &SpaceView<'_>, space: &Space, canvas: &mut Canvas<'_>) {
    const BAR: u32 = 10;
    let theme = view.theme;
    let column = |title, kind, rank| Column { title, kind, rank };
    let columns = [
        column("OWNER", Kind::Text, 0),
        column("CGROUP", Kind::Text, 4),
        column("PORTS", Kind::Number(7), 0),
        column("TIME_WAIT", Kind::Number(9), 2),
        column("SHARE", Kind::Number(5), 1),
        column("", Kind::Fixed(BAR as usize), 3),
    ];
    let cells = |owner: &Owner| -> Vec<Cell> {
        let share = match space.used {
            0 => 0.0,
            used => f64::from(owner.ports) / f64::from(used),
        };
        let holder = &owner.holder;
        let cgroup = holder.cgroup.as_deref().unwrap_or("-");
        let plain = Style::new();
        vec![
            (safe(Labels::holder(holder).as_bytes(), theme), plain),
            (safe(cgroup.as_bytes(), theme), theme.dim()),
            (grouped(owner.ports.into()), plain),
            (grouped(owner.time_wait.into()), plain),
            (percent(share), plain),
            (chart::bar(share, BAR, theme), theme.in_use()),
        ]
    };
    let table = Table {
        columns: &columns,
        count: space.owners.len(),
        row: &|at| space.owners.get(at).map_or_else(Vec::new, cells),
        selected: Some(view.selected),
        scroll: view.scroll.into(),
    };
    table.draw(canvas);
}
