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
    style::Style,
    text::{Line, Span},
};

pub(super) use glyphs::recyclable;
use pack::{Grid, Uses};

use super::{
    SpaceView,
    canvas::Canvas,
    layout::Part,
    space::title_of,
    text::{self, grouped},
};
use crate::{attribution::snapshot::PortMap, views::top::Theme};

/// Columns of the number of a row's first port, and the space behind it.
const NUMBER: u16 = 6;
/// Below this width rows have no numbers.
const NARROW: u16 = 24;
/// Rows above the cells.
const ABOVE: u16 = 2;

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
    if canvas.height() < ABOVE + 3 {
        draw(view.map, Legend::Full, &mut canvas);
        return;
    }
    canvas.rows((0, 1)).lines(&[title_of(view)]);
    let rest = canvas.height() - 1;
    draw(view.map, Legend::Full, &mut canvas.rows((1, rest)));
}

/// The rows that it wants in a width: so many are enough.
pub(super) fn part(map: Option<&PortMap>, width: u16, enough: u16) -> Part {
    let Some(map) = map.filter(|map| !map.ports.is_empty()) else {
        return Part::fixed(1);
    };
    let columns = usize::from(width.saturating_sub(left_of(width)).max(1));
    let rows = map.ports.len().div_ceil(columns);
    let most = u16::try_from(rows)
        .unwrap_or(u16::MAX)
        .saturating_add(ABOVE);
    Part {
        least: ABOVE + 1,
        enough: most.min(enough.max(ABOVE + 2)),
        most,
    }
}

/// Draws it on the whole canvas.
pub(super) fn draw(map: Option<&PortMap>, legend: Legend, canvas: &mut Canvas<'_>) {
    let theme = canvas.theme();
    let Some(map) = map else {
        nothing(canvas, "not here yet");
        return;
    };
    if map.ports.is_empty() {
        nothing(canvas, "the range is empty: no connect() gets a port");
        return;
    }
    let left = left_of(canvas.width());
    let columns = usize::from(canvas.width().saturating_sub(left));
    let rows = usize::from(canvas.height().saturating_sub(ABOVE));
    let Some(mut grid) = Grid::new(map.ports.len(), columns, rows) else {
        return;
    };
    let halves = Grid::new(map.ports.len(), columns, rows * 2).filter(|halves| {
        let able = theme.unicode && theme.color && legend == Legend::Full;
        able && grid.each > 1 && halves.each == 1
    });
    let doubled = halves.is_some();
    grid = halves.unwrap_or(grid);
    heading(map, grid, canvas);
    let each = if doubled { 2 } else { 1 };
    let all: Vec<(usize, Vec<Uses>)> = grid.cells(map).collect();
    for (row, lines) in (ABOVE..).zip(all.chunks(each)) {
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
fn heading(map: &PortMap, grid: Grid, canvas: &mut Canvas<'_>) {
    let theme = canvas.theme();
    let width = usize::from(canvas.width());
    let mut spans = vec![Span::styled(
        format!("PORT MAP {}", map.range),
        theme.title(),
    )];
    if grid.each == 1 {
        spans.push(Span::raw("  one cell = 1 port"));
    } else {
        let each = grouped(grid.each as u64);
        spans.push(Span::raw(format!("  one cell = {each} ports  ")));
        spans.extend(glyphs::densities(theme));
    }
    let mut lines = vec![Line::from(spans)];
    lines.push(counts(Uses::of(&map.ports), grid.each, width, theme));
    canvas.rows((0, ABOVE)).lines(&lines);
}

/// The count of each use, behind its glyph: as widely as there is room.
fn counts(uses: Uses, each: usize, width: usize, theme: Theme) -> Line<'static> {
    let line = |all: bool, gap: &str, space: &str| {
        let mut spans: Vec<Span<'static>> = Vec::new();
        for of in pack::USES {
            let count = uses.count(of);
            if count == 0 && !all {
                continue;
            }
            if !spans.is_empty() {
                spans.push(Span::raw(gap.to_owned()));
            }
            if let Some((glyph, style)) = glyphs::key(of, each, theme) {
                spans.push(Span::styled(format!("{glyph}{space}"), style));
            }
            let name = glyphs::name(of);
            let text = format!("{} {name}", grouped(count.into()));
            spans.push(Span::styled(text, Style::new()));
        }
        Line::from(spans)
    };
    let roomy = [
        line(true, "  ", " "),
        line(false, "  ", " "),
        line(true, " ", ""),
    ];
    let fits = |line: &&Line<'_>| {
        let spans = line.spans.iter();
        spans.map(|span| text::width(&span.content)).sum::<usize>() <= width
    };
    roomy
        .iter()
        .find(fits)
        .cloned()
        .unwrap_or_else(|| line(false, " ", ""))
}
