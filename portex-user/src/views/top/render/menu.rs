//! The menu of columns to sort by.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::{list::order_mark, paint};
use crate::views::top::{
    lists::{columns, with_list},
    state::Top,
};

/// Columns of the terminal that it takes.
const WIDTH: u16 = 30;

pub(super) fn draw(top: &Top, at: usize, body: Rect, buf: &mut Buffer) {
    let theme = top.theme;
    let columns = with_list!(top.view, columns());
    let width = WIDTH.min(body.width);
    let height = paint::columns(columns.len() + 2).min(body.height);
    let area = Rect {
        x: body.right() - width,
        y: body.y,
        width,
        height,
    };
    if area.height < 3 || area.width < 3 {
        return;
    }
    let [h, v, nw, ne, sw, se] = if theme.unicode {
        ["─", "│", "┌", "┐", "└", "┘"]
    } else {
        ["-", "|", "+", "+", "+", "+"]
    };
    let inner = usize::from(width - 2);
    let row = |y: u16| Rect {
        y,
        height: 1,
        ..area
    };
    let title = "Sort by";
    let rule = h.repeat(inner.saturating_sub(title.len() + 2));
    let top_line = format!("{nw} {title} {rule}{ne}");
    paint::text(buf, row(area.y), &top_line, false, theme.title(), theme);
    let bottom = format!("{sw}{}{se}", h.repeat(inner));
    paint::text(
        buf,
        row(area.bottom() - 1),
        &bottom,
        false,
        theme.title(),
        theme,
    );
    let shown = usize::from(area.height - 2);
    let first = (at + 1).saturating_sub(shown);
    let sort = top.list().sort;
    let items = columns.iter().enumerate().skip(first);
    for y in area.y + 1..area.bottom() - 1 {
        buf.set_style(row(y), Style::reset());
        let blank = format!("{v}{}{v}", " ".repeat(inner));
        paint::text(buf, row(y), &blank, false, theme.title(), theme);
    }
    for (y, (number, (heading, ..))) in (area.y + 1..area.bottom() - 1).zip(items) {
        let mark = match sort.filter(|sort| sort.column == number) {
            Some(sort) => order_mark(sort.falling, theme),
            None => " ",
        };
        let pointer = if number == at { ">" } else { " " };
        let inside = Rect {
            x: area.x + 1,
            y,
            width: width - 2,
            height: 1,
        };
        let text = format!("{pointer} {heading} {mark}");
        paint::text(buf, inside, &text, false, Style::new(), theme);
        if number == at {
            buf.set_style(inside, theme.selected());
        }
    }
}
