//! The part of the screen that a view draws on, and nothing beyond it.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::text;
use crate::views::top::Theme;

/// A part of the screen. Columns and rows count from its own corner.
pub(super) struct Canvas<'a> {
    area: Rect,
    buf: &'a mut Buffer,
    theme: Theme,
}

impl<'a> Canvas<'a> {
    /// On an area; what of it lies outside of the buffer is left out.
    pub(super) fn new(area: Rect, buf: &'a mut Buffer, theme: Theme) -> Self {
        Self {
            area: area.intersection(buf.area),
            buf,
            theme,
        }
    }

    pub(super) fn theme(&self) -> Theme {
        self.theme
    }

    pub(super) fn width(&self) -> u16 {
        self.area.width
    }

    pub(super) fn height(&self) -> u16 {
        self.area.height
    }

    /// Some of its rows: from which one, and how many.
    pub(super) fn rows(&mut self, (first, count): (u16, u16)) -> Canvas<'_> {
        let first = first.min(self.area.height);
        let area = Rect {
            y: self.area.y.saturating_add(first),
            height: count.min(self.area.height - first),
            ..self.area
        };
        Canvas {
            area,
            buf: self.buf,
            theme: self.theme,
        }
    }

    /// Writes a text; returns the column after it. What has no room is left out, and what a terminal
    /// could obey, or not show, is escaped, should it not have been before.
    pub(super) fn put(&mut self, column: u16, row: u16, text: &str, style: Style) -> u16 {
        if column >= self.area.width || row >= self.area.height {
            return column;
        }
        let y = self.area.y + row;
        let mut x = self.area.x + column;
        let mut bytes = [0; 4];
        for character in text::plain(text, self.theme).chars() {
            // One by one: a cell shall never hold several that belong together.
            let symbol = character.encode_utf8(&mut bytes);
            let room = usize::from(self.area.right().saturating_sub(x));
            let (end, _) = self.buf.set_stringn(x, y, symbol, room, style);
            if end == x {
                break;
            }
            x = end;
        }
        x - self.area.x
    }

    /// Writes spans one after the other, from a column on.
    pub(super) fn spans(&mut self, column: u16, row: u16, spans: &[Span<'_>]) -> u16 {
        spans.iter().fold(column, |column, span| {
            self.put(column, row, &span.content, span.style)
        })
    }

    /// Writes lines one below the other from the top.
    pub(super) fn lines(&mut self, lines: &[Line<'_>]) {
        for (row, line) in (0..).zip(lines.iter().take(usize::from(self.height()))) {
            self.spans(0, row, &line.spans);
        }
    }

    /// Writes one character of portex' own.
    pub(super) fn glyph(&mut self, column: u16, row: u16, glyph: char, style: Style) {
        if column < self.area.width && row < self.area.height {
            let position = (self.area.x + column, self.area.y + row);
            if let Some(cell) = self.buf.cell_mut(position) {
                cell.set_char(glyph).set_style(style);
            }
        }
    }

    /// Gives a whole row a style, on top of what it has.
    pub(super) fn paint(&mut self, row: u16, style: Style) {
        let row = self.rows((row, 1)).area;
        self.buf.set_style(row, style);
    }
}
