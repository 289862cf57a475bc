//! A table with a selected row, of which as much is shown as there is room for.

use ratatui::style::{Modifier, Style};

use super::{canvas::Canvas, text};

/// Between columns.
const GAP: usize = 2;
/// In front of each row: what marks the selected one.
const MARK: u16 = 2;
/// Narrower than this, a text column says nothing.
const NARROWEST: usize = 15;

/// A column.
pub(super) struct Column {
    pub(super) title: &'static str,
    pub(super) kind: Kind,
    /// Columns with a higher number are left out first.
    pub(super) rank: u8,
}

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text, as wide as there is room.
    Text,
    /// Text at the right, of so many columns.
    Number(usize),
    /// Text at the left, of so many columns.
    Fixed(usize),
}

/// A cell.
pub(super) type Cell = (String, Style);

/// A table.
pub(super) struct Table<'a> {
    pub(super) columns: &'a [Column],
    /// Number of rows.
    pub(super) count: usize,
    /// Makes a row.
    pub(super) row: &'a dyn Fn(usize) -> Vec<Cell>,
    /// The row that is marked; `None`: none is.
    pub(super) selected: Option<usize>,
    /// The first row to show, if the selected one can be seen then.
    pub(super) scroll: usize,
}

impl Table<'_> {
    /// Draws it from the top of a canvas: the heading, and the rows that have room.
    pub(super) fn draw(&self, canvas: &mut Canvas<'_>) {
        let Some(room) = usize::from(canvas.height()).checked_sub(1) else {
            return;
        };
        let first = self.first(room);
        let rows: Vec<(usize, Vec<Cell>)> = (first..self.count)
            .take(room)
            .map(|at| (at, (self.row)(at)))
            .collect();
        let widths = self.widths(usize::from(canvas.width().saturating_sub(MARK)), &rows);
        let theme = canvas.theme();
        let titles: Vec<Cell> = self
            .columns
            .iter()
            .map(|column| (column.title.to_owned(), Style::new()))
            .collect();
        self.put(canvas, 0, &titles, &widths);
        canvas.paint(0, theme.heading());
        for (line, (at, cells)) in (1..).zip(&rows) {
            self.put(canvas, line, cells, &widths);
            if self.selected == Some(*at) {
                canvas.glyph(0, line, '>', Style::new());
                // Dim text would be hard to read on its background.
                canvas.paint(line, theme.selected().remove_modifier(Modifier::DIM));
            }
        }
    }

    /// The first row that is shown.
    fn first(&self, room: usize) -> usize {
        let last = self.count.saturating_sub(room);
        let first = self.scroll.min(last);
        match self
            .selected
            .map(|row| row.min(self.count.saturating_sub(1)))
        {
            Some(row) if row < first => row,
            Some(row) if room > 0 && row >= first + room => row + 1 - room,
            _ => first,
        }
    }

    /// The width of each column; 0 for one that is left out.
    fn widths(&self, room: usize, rows: &[(usize, Vec<Cell>)]) -> Vec<usize> {
        let natural = |at: usize, column: &Column| {
            let cells = rows.iter().filter_map(|(_, cells)| cells.get(at));
            let widest = cells.map(|(text, _)| text::width(text)).max();
            widest.unwrap_or(0).max(column.title.len())
        };
        let mut widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| match column.kind {
                Kind::Text => natural(at, column),
                Kind::Number(width) | Kind::Fixed(width) => width,
            })
            .collect();
        let least = |column: &Column, width: usize| match column.kind {
            Kind::Text => width.min(NARROWEST),
            Kind::Number(_) | Kind::Fixed(_) => width,
        };
        loop {
            let shown = || {
                self.columns
                    .iter()
                    .zip(&widths)
                    .filter(|(_, width)| **width > 0)
            };
            let needed: usize = shown()
                .map(|(column, width)| least(column, *width) + GAP)
                .sum();
            if needed <= room + GAP || shown().count() <= 1 {
                break;
            }
            let ranked = self.columns.iter().enumerate();
            let dropped = ranked
                .filter(|(at, _)| widths.get(*at).is_some_and(|width| *width > 0))
                .max_by_key(|(_, column)| column.rank)
                .map(|(at, _)| at);
            if let Some(width) = dropped.and_then(|at| widths.get_mut(at)) {
                *width = 0;
            }
        }
        self.shrink(&mut widths, room);
        widths
    }

    /// Takes columns from the widest text until all have room; gives what is left to the last text.
    fn shrink(&self, widths: &mut [usize], room: usize) {
        let shown = widths.iter().filter(|width| **width > 0).count();
        let used: usize = widths.iter().sum::<usize>() + GAP * shown.saturating_sub(1);
        let all = self.columns.iter().zip(widths.iter()).enumerate();
        let texts: Vec<usize> = all
            .filter(|(_, (column, width))| column.kind == Kind::Text && **width > 0)
            .map(|(at, _)| at)
            .collect();
        for _ in room..used {
            let widest = texts
                .iter()
                .copied()
                .max_by_key(|&at| widths.get(at).copied());
            if let Some(width) = widest.and_then(|at| widths.get_mut(at)) {
                *width = width.saturating_sub(1);
            }
        }
        if let Some(width) = texts.last().and_then(|&at| widths.get_mut(at)) {
            *width += room.saturating_sub(used);
        }
    }

    fn put(&self, canvas: &mut Canvas<'_>, row: u16, cells: &[Cell], widths: &[usize]) {
        let theme = canvas.theme();
        let mut x = MARK;
        let columns = self.columns.iter().zip(widths).zip(cells);
        for ((column, &width), (text, style)) in columns.filter(|((_, width), _)| **width > 0) {
            let text = text::cut(text, width, theme);
            let indent = match column.kind {
                Kind::Number(_) => width.saturating_sub(text::width(&text)),
                Kind::Text | Kind::Fixed(_) => 0,
            };
            canvas.put(x.saturating_add(columns_of(indent)), row, &text, *style);
            x = x.saturating_add(columns_of(width + GAP));
        }
    }
}

fn columns_of(width: usize) -> u16 {
    u16::try_from(width).unwrap_or(u16::MAX)
}
