//! Every port of a range as a cell: how exhaustion is seen to come.
//!
//! Ports ascend, and each row names its first one. Where there is a cell for each port, it shows the
//! port's use; otherwise a cell is the denser the fewer of its ports are free, has the colour of the
//! use that most of the others have, and is solid only when no connect() can get any of them.

mod glyphs;
mod pack;

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

pub(super) use glyphs::recyclable;
use pack::{Grid, Uses};

use super::{SpaceView, canvas::Canvas, layout::Part, space::title_of, text::grouped, words};
use crate::{attribution::snapshot::PortMap, views::top::Theme};

/// Columns of the number of a row's first port, and the space behind it.
const NUMBER: u16 = 6;
/// Below this width rows have no numbers.
const NARROW: u16 = 24;
/// Lines of the legend, at most.
const COUNTS: usize = 3;

/// How much room the heading may take.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Legend {
    /// In a part of the screen.
    Short,
    /// The whole screen, where half a character may be a cell.
    Full,
}

/// Draws the map alone, on the whole area.
pub(in crate::views::top) fn draw_full(view: &SpaceView<'_>, area: Rect, buf: &mut Buffer) {
    let mut canvas = Canvas::new(area, buf, view.theme);
    let least = part(view.map, canvas.width(), 0, view.theme).least;
    if canvas.height() <= least {
        draw(view, Legend::Full, &mut canvas);
        return;
    }
    canvas.rows((0, 1)).lines(&[title_of(view)]);
    let rest = canvas.height() - 1;
    draw(view, Legend::Full, &mut canvas.rows((1, rest)));
}

/// The rows that it wants in a width: so many are enough.
pub(super) fn part(map: Option<&PortMap>, width: u16, enough: u16, theme: Theme) -> Part {
    let Some(map) = map.filter(|map| !map.ports.is_empty()) else {
        return Part::fixed(1);
    };
    let columns = usize::from(width.saturating_sub(left_of(width)).max(1));
    let above = above(map, width, theme);
    let most = above.saturating_add(rows_of(map.ports.len().div_ceil(columns)));
    Part {
        least: above + 1,
        enough: most.min(enough.max(above + 2)),
        most,
    }
}

/// Rows above the cells.
fn above(map: &PortMap, width: u16, theme: Theme) -> u16 {
    // Whether a cell is one port or several makes the legend shorter, not longer.
    1 + rows_of(counts(Uses::of(&map.ports), 1, width.into(), theme).len())
}

fn rows_of(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

/// Draws it on the whole canvas.
pub(super) fn draw(view: &SpaceView<'_>, legend: Legend, canvas: &mut Canvas<'_>) {
    let theme = canvas.theme();
    let Some(map) = view.map else {
        let gone = view.space.is_none();
        nothing(
            canvas,
            if gone {
                "the space is gone"
            } else {
                "not here yet"
            },
        );
        return;
    };
    if map.ports.is_empty() {
        nothing(canvas, "the range is empty: no connect() gets a port");
        return;
    }
    let left = left_of(canvas.width());
    let columns = usize::from(canvas.width().saturating_sub(left));
    let above = above(map, canvas.width(), theme);
    let rows = usize::from(canvas.height().saturating_sub(above));
    let Some(mut grid) = Grid::new(map.ports.len(), columns, rows) else {
        return;
    };
    let halves = Grid::new(map.ports.len(), columns, rows * 2).filter(|halves| {
        let able = theme.unicode && theme.color && legend == Legend::Full;
        able && grid.each > 1 && halves.each == 1
    });
    let doubled = halves.is_some();
    grid = halves.unwrap_or(grid);
    heading(map, grid, doubled, canvas);
    let all: Vec<(usize, Vec<Uses>)> = grid.cells(map).collect();
    let each = if doubled { 2 } else { 1 };
    for (row, lines) in (above..).zip(all.chunks(each)) {
        let Some((first, upper)) = lines.first() else {
            break;
        };
        if left > 0 {
            canvas.put(0, row, &format!("{first:>5}"), theme.dim());
        }
        let lower = lines.get(1).map(|(_, cells)| cells.as_slice());
        for (column, cell) in (left..).zip(0..upper.len()) {
            let (glyph, style) = match (upper.get(cell), lower) {
                (Some(upper), Some(lower)) => glyphs::halves(upper, lower.get(cell), theme),
                (Some(uses), None) if doubled => glyphs::halves(uses, None, theme),
                (Some(uses), None) => glyphs::cell(uses, grid.each, theme),
                (None, _) => continue,
            };
            canvas.glyph(column, row, glyph, style);
        }
    }
}

fn left_of(width: u16) -> u16 {
    if width < NARROW { 0 } else { NUMBER }
}

fn nothing(canvas: &mut Canvas<'_>, why: &str) {
    let theme = canvas.theme();
    canvas.spans(
        0,
        0,
        &[
            Span::styled("PORT MAP  ", theme.title()),
            Span::styled(why, theme.dim()),
        ],
    );
}

/// What a cell is, and how many ports have each use.
fn heading(map: &PortMap, grid: Grid, doubled: bool, canvas: &mut Canvas<'_>) {
    let theme = canvas.theme();
    let mut spans = vec![Span::styled(
        format!("PORT MAP {}", map.range),
        theme.title(),
    )];
    match grid.each {
        1 if doubled => spans.push(Span::raw("  half a cell = 1 port, the upper row first")),
        1 => spans.push(Span::raw("  one cell = 1 port")),
        each => {
            let each = grouped(each as u64);
            spans.push(Span::raw(format!("  one cell = {each} ports  ")));
            spans.push(Span::raw(glyphs::densities(theme)));
        }
    }
    let mut lines = vec![Line::from(spans)];
    let width = canvas.width().into();
    lines.extend(counts(Uses::of(&map.ports), grid.each, width, theme));
    canvas.lines(&lines);
}

/// The count of each use, behind its glyph, in a line if that can be.
fn counts(uses: Uses, each: usize, width: usize, theme: Theme) -> Vec<Line<'static>> {
    let lines = |all: bool| {
        let shown = pack::USES.into_iter().map(|of| (of, uses.count(of)));
        let items = shown
            .filter(|(_, count)| *count > 0 || all)
            .map(|(of, count)| {
                let text = format!("{} {}", grouped(count.into()), glyphs::name(of));
                match glyphs::key(of, each, theme) {
                    Some((glyph, style)) => {
                        vec![Span::styled(format!("{glyph} "), style), Span::raw(text)]
                    }
                    None => vec![Span::raw(text)],
                }
            });
        let mut lines = words::flow_spans(items, width);
        lines.truncate(COUNTS);
        lines
    };
    let all = lines(true);
    if all.len() == 1 { all } else { lines(false) }
}
