//! Tables that fit a terminal: columns as wide as their content, narrower where room is scarce, left
//! out where even that does not do.

use std::io;

use super::names::{fit, width};
use crate::{fields::Field, views::trace::RESET};

/// What stands in a row under a heading.
pub(in crate::views) struct Cell {
    /// Safe for a terminal.
    pub(in crate::views) text: String,
    /// ANSI sequence that begins its colour, empty for none.
    pub(in crate::views) color: &'static str,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, color: "" }
    }
}

impl Cell {
    /// In this colour.
    pub(super) fn colored(self, color: &'static str) -> Self {
        Self { color, ..self }
    }
}

/// A column with its content.
struct Filled<'a, C> {
    field: &'a Field<C>,
    cells: Vec<Cell>,
    width: usize,
}

/// Rows under headings.
pub(super) struct Table<'a, C> {
    columns: Vec<Filled<'a, C>>,
    rows: usize,
}

impl<'a, C: Copy + PartialEq> Table<'a, C> {
    /// With these columns, and a row for each item.
    pub(super) fn new<T>(
        fields: impl Iterator<Item = &'a Field<C>>,
        items: &[T],
        cell: impl Fn(&T, C) -> Cell,
    ) -> Self {
        let columns = fields.map(|field| {
            let cells: Vec<Cell> = items.iter().map(|item| cell(item, field.column)).collect();
            let widest = cells.iter().map(|cell| width(&cell.text)).max();
            Filled {
                field,
                width: widest.unwrap_or(0).max(field.heading.len()),
                cells,
            }
        });
        Self {
            columns: columns.collect(),
            rows: items.len(),
        }
    }

    /// Writes it, no line longer than `room`. `spare` are the columns that it can do without, the
    /// least important first.
    pub(super) fn write(
        mut self,
        out: &mut impl io::Write,
        room: usize,
        spare: &[C],
    ) -> io::Result<()> {
        let mut spare = spare.iter();
        while self.least() > room {
            let Some(&column) = spare.next() else { break };
            self.columns.retain(|filled| filled.field.column != column);
        }
        self.shrink(room);
        let headings = |filled: &Filled<'_, C>| (filled.field.heading.to_owned(), "");
        self.line(out, room, headings)?;
        for row in 0..self.rows {
            let cell = |filled: &Filled<'_, C>| match filled.cells.get(row) {
                Some(cell) => (fit(&cell.text, filled.width), cell.color),
                None => (String::new(), ""),
            };
            self.line(out, room, cell)?;
        }
        Ok(())
    }

    /// Columns of the terminal that it takes at the least.
    fn least(&self) -> usize {
        let columns = self.columns.iter();
        columns
            .map(|filled| filled.least() + 1)
            .sum::<usize>()
            .saturating_sub(1)
    }

    /// Takes what is too much from the widest, column by column.
    fn shrink(&mut self, room: usize) {
        let taken: usize = self.columns.iter().map(|filled| filled.width + 1).sum();
        for _ in room..taken.saturating_sub(1) {
            let columns = self.columns.iter_mut();
            let widest = columns
                .filter(|filled| filled.width > filled.least())
                .max_by_key(|filled| filled.width);
            match widest {
                Some(filled) => filled.width -= 1,
                None => break,
            }
        }
    }

    fn line(
        &self,
        out: &mut impl io::Write,
        room: usize,
        cell: impl Fn(&Filled<'_, C>) -> (String, &'static str),
    ) -> io::Result<()> {
        let mut left = room;
        for (at, filled) in self.columns.iter().enumerate() {
            if at > 0 && left > 0 {
                out.write_all(b" ")?;
                left -= 1;
            }
            let (text, color) = cell(filled);
            let text = fit(&text, left);
            let padding = filled.width.min(left) - width(&text).min(filled.width);
            let last = at + 1 == self.columns.len();
            let (before, after) = match (filled.field.right, last) {
                (true, _) => (padding, 0),
                (false, false) => (0, padding),
                (false, true) => (0, 0),
            };
            let reset = if color.is_empty() { "" } else { RESET };
            write!(out, "{:before$}{color}{text}{reset}{:after$}", "", "")?;
            left = left.saturating_sub(filled.width);
        }
        out.write_all(b"\n")
    }
}

impl<C> Filled<'_, C> {
    /// The least width: of text, that of its field; numbers are not cut.
    fn least(&self) -> usize {
        match self.field.width {
            0 => self.width,
            least => least.max(self.field.heading.len()).min(self.width),
        }
    }
}

/// Writes sentences, broken at spaces so that no line is longer than `room`.
pub(in crate::views) fn paragraph(
    out: &mut impl io::Write,
    text: &str,
    room: usize,
) -> io::Result<()> {
    let mut taken = 0;
    for word in text.split_whitespace() {
        let word = fit(word, room);
        let long = width(&word);
        if taken > 0 && taken + 1 + long <= room {
            out.write_all(b" ")?;
            taken += 1;
        } else if taken > 0 {
            out.write_all(b"\n")?;
            taken = 0;
        }
        out.write_all(word.as_bytes())?;
        taken += long;
    }
    out.write_all(b"\n")
}
