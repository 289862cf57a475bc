//! The last line: what keys do here, or the filter while it is typed.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::{Modifier, Style},
};

use super::paint;
use crate::views::{
    snapshot::{names::width, numbers::grouped},
    top::{
        keys,
        state::{Mode, Top},
    },
};

/// Draws it; where the cursor of the terminal belongs, if anywhere.
pub(super) fn draw(top: &Top, area: Rect, buf: &mut Buffer) -> Option<Position> {
    if area.is_empty() {
        return None;
    }
    let number = if top.place().is_none() && !matches!(top.mode, Mode::Help(_)) {
        position(top)
    } else {
        String::new()
    };
    let right = paint::columns(width(&number)).min(area.width / 2);
    let left = Rect {
        width: area.width - right,
        ..area
    };
    let place = Rect {
        x: left.right(),
        width: right,
        ..area
    };
    paint::text(buf, place, &number, true, top.theme.dim(), top.theme);
    if top.mode == Mode::Filter {
        return Some(editor(top, left, buf));
    }
    let mut spans = Vec::new();
    let mut room = usize::from(left.width);
    for (key, hint) in keys::hints(top.keys_of()) {
        // A space between key and hint, and one after it.
        let taken = width(&key) + width(hint) + 2;
        if taken > room {
            break;
        }
        room = room.saturating_sub(taken + 1);
        spans.push((key, Style::new().add_modifier(Modifier::BOLD)));
        spans.push((format!(" {hint}  "), top.theme.dim()));
    }
    paint::spans(buf, left, &spans, top.theme);
    None
}

/// `12/50,000`, of what the filter lets through.
fn position(top: &Top) -> String {
    let list = top.list();
    match list.lines.len() {
        0 => String::new(),
        lines => format!(
            "{}/{}",
            grouped(list.cursor.at as u64 + 1),
            grouped(lines as u64)
        ),
    }
}

fn editor(top: &Top, area: Rect, buf: &mut Buffer) -> Position {
    const PROMPT: &str = "/";
    let before = top.filter.before_cursor();
    let room = usize::from(area.width).saturating_sub(width(PROMPT) + 1);
    // The end of what stands before the cursor is always seen.
    let mut hidden = width(&before).saturating_sub(room);
    let text: String = top
        .filter
        .text()
        .chars()
        .skip_while(|character| {
            let skip = hidden > 0;
            hidden = hidden.saturating_sub(width(character.encode_utf8(&mut [0; 4])));
            skip
        })
        .collect();
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let style = match top.list().found {
        0 => top.theme.alarm(),
        _ => Style::new(),
    };
    let head = Rect {
        width: area.width.min(1),
        ..area
    };
    paint::text(buf, head, PROMPT, false, bold, top.theme);
    let rest = Rect {
        x: area.x + head.width,
        width: area.width - head.width,
        ..area
    };
    let room = usize::from(rest.width);
    // What is behind the cursor and has no room is not seen; nothing is cut in the middle here.
    let mut seen = String::new();
    for character in text.chars() {
        seen.push(character);
        if width(&seen) > room {
            seen.pop();
            break;
        }
    }
    paint::text(buf, rest, &seen, false, style, top.theme);
    let shown = width(&before).min(room);
    Position {
        x: rest
            .x
            .saturating_add(paint::columns(shown))
            .min(area.right().saturating_sub(1)),
        y: area.y,
    }
}
