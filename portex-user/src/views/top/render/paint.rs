//! Text and bars on cells. All that is shown goes through here: nothing leaves its place, and nothing
//! that a terminal obeys gets through.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use crate::{
    escape,
    views::{
        snapshot::names::{CUT, fit, width},
        top::theme::Theme,
    },
};

/// What stands where a text was cut, in ASCII.
const ASCII_CUT: char = '~';

/// Puts a text at the left, or at the right, of a line; what is too long is cut in the middle.
pub(super) fn text(
    buf: &mut Buffer,
    area: Rect,
    text: &str,
    right: bool,
    style: Style,
    theme: Theme,
) {
    if area.is_empty() {
        return;
    }
    let room = usize::from(area.width);
    let mut shown = if theme.unicode || text.is_ascii() {
        fit(text, room)
    } else {
        fit(&in_ascii(text), room)
    };
    if shown.contains(escape::is_unsafe) {
        shown = fit(&escape::text(shown.as_bytes()), room);
    }
    if !theme.unicode {
        shown = in_ascii(&shown);
    }
    let free = room.saturating_sub(width(&shown));
    let x = area.x + if right { columns(free) } else { 0 };
    buf.set_stringn(x, area.y, &shown, room, style);
}

/// What a terminal shows that has nothing beyond ASCII.
fn in_ascii(text: &str) -> String {
    let plain = |character: char| match character {
        CUT => ASCII_CUT,
        '\0'..='\x7f' => character,
        _ => '?',
    };
    text.chars().map(plain).collect()
}

/// Puts spans one after the other, as far as they fit; the last one that does not fit is cut. Gives
/// back how many columns they take.
pub(super) fn spans(buf: &mut Buffer, area: Rect, spans: &[(String, Style)], theme: Theme) -> u16 {
    let mut rest = area;
    for (span, style) in spans {
        if rest.width == 0 {
            break;
        }
        text(buf, rest, span, false, *style, theme);
        let taken = columns(width(span)).min(rest.width);
        rest.x += taken;
        rest.width -= taken;
    }
    area.width - rest.width
}

/// A bar that is full to this share, 0 to 1.
pub(super) fn bar(columns: u16, share: f64, theme: Theme) -> String {
    const EIGHTHS: [char; 8] = ['·', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let columns = usize::from(columns);
    let share = if share.is_finite() {
        share.clamp(0.0, 1.0)
    } else {
        1.0
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of some columns"
    )]
    let parts = (share * columns as f64 * 8.0).floor() as usize;
    let (full, part) = (parts / 8, parts % 8);
    if !theme.unicode {
        return "#".repeat(full) + &"-".repeat(columns - full);
    }
    let mut bar = "█".repeat(full);
    bar.extend(EIGHTHS.get(part).filter(|_| full < columns));
    let empty = columns.saturating_sub(full + 1);
    bar.push_str(&"·".repeat(empty));
    bar
}

/// A number of columns, as cells are counted.
pub(super) fn columns(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}
