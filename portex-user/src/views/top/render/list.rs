//! A list: headings, and the rows that are on the screen.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::{
    areas::Areas,
    cells::{Cell, Context, Shown},
    columns::{Column, fitting},
    paint,
};
use crate::views::{
    snapshot::numbers::grouped,
    top::{
        labels::Labels,
        lists::{CHILDREN, Data, Line, Part, ProcessKey, View, children, with_list},
        state::Top,
        theme::Theme,
    },
};

/// How far what belongs to a row stands to the right.
const INDENT: u16 = 2;

pub(super) fn draw(top: &Top, areas: &Areas, buf: &mut Buffer) {
    with_list!(top.view, draw_list(top, areas, buf));
}

fn draw_list<L: Shown>(top: &Top, areas: &Areas, buf: &mut Buffer) {
    let frame = top.frame.as_ref();
    let one_namespace = frame.is_some_and(|frame| frame.snapshot.namespaces.len() == 1);
    let redundant = L::NETNS.filter(|_| one_namespace);
    let columns = fitting::<L>(areas.headings.width, redundant);
    headings::<L>(top, &columns, areas.headings, buf);
    let list = top.list();
    let Some(data) = top.data() else {
        return sentence(top, "waiting for the first frame", areas.rows, buf);
    };
    if list.lines.is_empty() {
        return sentence(top, &nothing(top, &data), areas.rows, buf);
    }
    let context = Context { top, data };
    let height = usize::from(areas.rows.height);
    // The screen may be smaller than was last said.
    let least = (list.cursor.at + 1).saturating_sub(height);
    let first = list.cursor.offset.max(least);
    let lines = list.lines.iter().enumerate().skip(first).take(height);
    for (y, (at, line)) in (areas.rows.y..).zip(lines) {
        let area = Rect {
            y,
            height: 1,
            ..areas.rows
        };
        match line.part {
            Part::Whole => whole::<L>(&context, *line, &columns, area, buf),
            part => below(&context, top.view, line.item, part, area, buf),
        }
        if at == list.cursor.at {
            buf.set_style(area, top.theme.selected());
        }
    }
}

/// The places of the columns on a line.
fn places(columns: &[Column], line: Rect) -> impl Iterator<Item = (usize, Rect)> {
    let mut x = line.x;
    columns.iter().map(move |column| {
        let left = line.right().saturating_sub(x);
        let place = Rect {
            x,
            width: column.width.min(left),
            ..line
        };
        x = x
            .saturating_add(column.width)
            .saturating_add(1)
            .min(line.right());
        (column.field, place)
    })
}

fn headings<L: Shown>(top: &Top, columns: &[Column], line: Rect, buf: &mut Buffer) {
    if line.is_empty() {
        return;
    }
    buf.set_style(line, top.theme.heading());
    let sort = top.list().sort;
    for (at, place) in places(columns, line) {
        let Some(field) = L::FIELDS.get(at) else {
            continue;
        };
        let mark = match sort.filter(|sort| sort.column == at) {
            Some(sort) => order_mark(sort.falling, top.theme),
            None => "",
        };
        let heading = format!("{}{mark}", field.heading);
        paint::text(
            buf,
            place,
            &heading,
            field.right,
            top.theme.heading(),
            top.theme,
        );
    }
}

/// How the column is marked that rows are sorted by.
pub(super) fn order_mark(falling: bool, theme: Theme) -> &'static str {
    match (falling, theme.unicode) {
        (true, true) => "▼",
        (false, true) => "▲",
        (true, false) => "v",
        (false, false) => "^",
    }
}

fn whole<L: Shown>(
    context: &Context<'_>,
    line: Line,
    columns: &[Column],
    area: Rect,
    buf: &mut Buffer,
) {
    let at = line.item as usize;
    let Some(item) = L::items(context.data.snapshot).get(at) else {
        return;
    };
    let theme = context.top.theme;
    for (column, place) in places(columns, area) {
        let Some(field) = L::FIELDS.get(column) else {
            continue;
        };
        match L::cell(item, at, field.column, context) {
            Cell::Text(text, style) => {
                paint::text(buf, place, &text, field.right, style, theme);
            }
            Cell::Bar(share) => {
                let bar = paint::bar(place.width, share, theme);
                paint::text(buf, place, &bar, false, theme.fill(share), theme);
            }
        }
    }
}

/// What belongs to a row, in the tree.
fn below(context: &Context<'_>, view: View, item: u32, part: Part, area: Rect, buf: &mut Buffer) {
    let theme = context.top.theme;
    let count = children(&context.data, view, item);
    let last = match part {
        Part::Child(child) => usize::from(child) + 1 == count,
        Part::Whole | Part::More => true,
    };
    let branch = match (last, theme.unicode) {
        (true, true) => "└ ",
        (false, true) => "├ ",
        (true, false) => "` ",
        (false, false) => "| ",
    };
    let text = match part {
        Part::Child(child) => child_text(&context.data, view, item, usize::from(child)),
        Part::Whole | Part::More => {
            let dots = if theme.unicode { "…" } else { "..." };
            Some((
                format!("{dots} {} more", count.saturating_sub(CHILDREN)),
                String::new(),
            ))
        }
    };
    let (name, figures) = text.unwrap_or_default();
    let indented = Rect {
        x: area.x + INDENT.min(area.width),
        width: area.width.saturating_sub(INDENT),
        ..area
    };
    let name_style = if matches!(part, Part::Child(_)) {
        Style::new()
    } else {
        theme.dim()
    };
    let spans = [
        (branch.to_owned(), theme.dim()),
        (name, name_style),
        (figures, theme.dim()),
    ];
    paint::spans(buf, indented, &spans, theme);
}

fn child_text(data: &Data<'_>, view: View, item: u32, child: usize) -> Option<(String, String)> {
    let at = item as usize;
    let (name, ports, time_wait) = match view {
        View::Spaces => {
            let owner = data.snapshot.spaces.get(at)?.owners.get(child)?;
            (Labels::holder(&owner.holder), owner.ports, owner.time_wait)
        }
        View::Processes => {
            let process = data.snapshot.processes.get(at)?;
            let row = data.links.get(&ProcessKey::of(process))?.get(child)?;
            let space = data.snapshot.spaces.get(row.space as usize)?;
            let route = format!(
                "{} -> {}",
                data.labels.source(space),
                data.labels.destination(space.dst, space.dst_port)
            );
            (route, row.ports, row.time_wait)
        }
        View::Failures | View::Namespaces | View::Pools => return None,
    };
    let figures = format!(
        "  {} ports, {} in TIME_WAIT",
        grouped(ports.into()),
        grouped(time_wait.into())
    );
    Some((name, figures))
}

/// Why a list has no row.
fn nothing(top: &Top, data: &Data<'_>) -> String {
    let snapshot = data.snapshot;
    let hidden = View::ALL.iter().position(|view| *view == top.view);
    let all = hidden.and_then(|at| top.computed.counts.get(at)).copied();
    if let Some(all @ 1..) = all {
        return format!(
            "none of {} rows is let through by the filter; Esc takes it away",
            grouped(all as u64)
        );
    }
    match top.view {
        View::Spaces => "nobody has an outbound connection".to_owned(),
        View::Processes => "nobody holds a port".to_owned(),
        View::Failures if snapshot.watched.is_none() => {
            "nothing is traced: failed allocations are not seen".to_owned()
        }
        View::Failures => format!(
            "no failed allocation so far: {} events seen",
            grouped(snapshot.events)
        ),
        View::Namespaces => "no network namespace has an outbound connection".to_owned(),
        View::Pools => "nobody holds a port that bind() chose".to_owned(),
    }
}

fn sentence(top: &Top, text: &str, area: Rect, buf: &mut Buffer) {
    let line = Rect {
        height: area.height.min(1),
        ..area
    };
    paint::text(buf, line, text, false, top.theme.dim(), top.theme);
}
