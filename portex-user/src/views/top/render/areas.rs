//! Where on the screen things are.

use ratatui::layout::Rect;

use crate::views::top::state::Top;

/// Rows that are kept for the list when the header is cut: tabs, headings, four rows, footer.
const KEPT: u16 = 7;

/// Where things are; from top to bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::views::top) struct Areas {
    pub(in crate::views::top) header: Rect,
    pub(in crate::views::top) tabs: Rect,
    /// All between tabs and footer.
    pub(in crate::views::top) body: Rect,
    /// Of a list: the line of its headings.
    pub(in crate::views::top) headings: Rect,
    /// Its rows.
    pub(in crate::views::top) rows: Rect,
    pub(in crate::views::top) footer: Rect,
}

/// On the terminal as it was last said to be.
pub(in crate::views::top) fn of(top: &Top) -> Areas {
    let (columns, rows) = top.size;
    within(top, Rect::new(0, 0, columns, rows))
}

/// On this screen.
pub(in crate::views::top) fn within(top: &Top, screen: Rect) -> Areas {
    let wanted = super::header::height(top);
    let header = wanted.min(screen.height.saturating_sub(KEPT));
    let mut rest = screen;
    let mut take = |rows: u16| {
        let rows = rows.min(rest.height);
        let taken = Rect {
            height: rows,
            ..rest
        };
        rest.y += rows;
        rest.height -= rows;
        taken
    };
    let header = take(header);
    let tabs = take(1);
    let below = screen.height.saturating_sub(header.height + tabs.height);
    let body = take(below.saturating_sub(1));
    let footer = take(1);
    let headings = Rect {
        height: body.height.min(1),
        ..body
    };
    let rows = Rect {
        y: body.y + headings.height,
        height: body.height - headings.height,
        ..body
    };
    Areas {
        header,
        tabs,
        body,
        headings,
        rows,
        footer,
    }
}
