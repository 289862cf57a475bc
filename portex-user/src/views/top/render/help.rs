//! The help: keys, columns of the list, what portex costs, and what portex could not do or see.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::{header::OWN_COST, paint};
use crate::{
    escape, fields,
    views::{
        snapshot::names::width,
        top::{
            keys::{Group, Key, TABLE},
            lists::{columns, with_list},
            state::Top,
        },
    },
};

/// Columns of the keys, and of headings.
const KEYS: usize = 22;

/// A line: what is explained, and how.
pub(in crate::views::top) struct Line {
    term: String,
    text: String,
    title: bool,
}

impl Line {
    fn title(text: &str) -> Self {
        Self {
            term: text.to_owned(),
            text: String::new(),
            title: true,
        }
    }
}

/// All lines, at the width of the terminal.
pub(in crate::views::top) fn lines(top: &Top) -> Vec<Line> {
    let room = usize::from(top.size.0);
    let mut lines = Vec::new();
    let notes = top.frame.iter().flat_map(|frame| frame.status.notes.iter());
    let notes: Vec<String> = notes.map(|note| escape::text(note.as_bytes())).collect();
    if !notes.is_empty() {
        lines.push(Line::title("What is missing"));
        for note in &notes {
            put(&mut lines, "-", 2, note, room);
        }
    }
    for group in Group::ALL {
        lines.push(Line::title(group.title()));
        for row in TABLE.iter().filter(|row| row.group == group) {
            let names: Vec<String> = row.keys.iter().map(|key| Key::name(*key)).collect();
            put(&mut lines, &names.join(" "), KEYS, row.help, room);
        }
    }
    let (title, _) = top.view.titles();
    lines.push(Line::title(&format!("Columns of {title}")));
    for (heading, _, help) in with_list!(top.view, columns()) {
        put(&mut lines, heading, KEYS, help, room);
    }
    lines.push(Line::title("Own cost, in the header"));
    for (name, column) in OWN_COST {
        let field = fields::OWN_COST.iter().find(|field| field.column == column);
        put(
            &mut lines,
            name,
            KEYS,
            field.map_or("", |field| field.help),
            room,
        );
    }
    lines
}

/// Appends a term and what it means, on as many lines as that takes.
fn put(lines: &mut Vec<Line>, term: &str, indent: usize, text: &str, room: usize) {
    let mut line = Line {
        term: format!("  {term}"),
        text: String::new(),
        title: false,
    };
    if width(&line.term) > indent {
        lines.push(line);
        line = Line {
            term: String::new(),
            text: String::new(),
            title: false,
        };
    }
    pad(&mut line.term, indent + 2);
    let room = room.saturating_sub(indent + 2).max(10);
    for word in text.split_whitespace() {
        let full = width(&line.text) + 1 + width(word) > room;
        if full && !line.text.is_empty() {
            let mut term = String::new();
            pad(&mut term, indent + 2);
            let next = Line {
                term,
                text: String::new(),
                title: false,
            };
            lines.push(std::mem::replace(&mut line, next));
        }
        if !line.text.is_empty() {
            line.text.push(' ');
        }
        line.text.push_str(word);
    }
    lines.push(line);
}

fn pad(text: &mut String, columns: usize) {
    let missing = columns.saturating_sub(width(text));
    text.extend(std::iter::repeat_n(' ', missing));
}

pub(super) fn draw(top: &Top, first: u16, area: Rect, buf: &mut Buffer) {
    let lines = lines(top);
    let shown = lines.iter().skip(usize::from(first));
    for (y, line) in (area.y..area.bottom()).zip(shown) {
        let place = Rect {
            y,
            height: 1,
            ..area
        };
        let style = if line.title {
            top.theme.title()
        } else {
            Style::new()
        };
        let spans = [
            (line.term.clone(), style),
            (line.text.clone(), Style::new()),
        ];
        paint::spans(buf, place, &spans, top.theme);
    }
}
