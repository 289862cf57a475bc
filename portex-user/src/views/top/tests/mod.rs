//! The screen, driven by messages and looked at as text.

mod key_table;
mod samples;
mod screens;
mod survives;
mod updates;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use jiff::tz::TimeZone;
use ratatui::{Terminal, backend::TestBackend};

use unicode_width::UnicodeWidthStr as _;

use super::*;
use crate::{attribution::snapshot::Snapshot, escape};

/// A screen of this size that has seen no frame.
fn blank(size: (u16, u16), theme: Theme) -> Top {
    let mut top = Top::new(Options {
        theme,
        interval: std::time::Duration::from_secs(1),
        size,
        services: samples::services(),
        resolve: false,
    });
    top.zone = TimeZone::UTC;
    top
}

/// A screen of this size that shows a snapshot.
fn showing(snapshot: Snapshot, size: (u16, u16)) -> Top {
    let mut top = blank(size, Theme::default());
    send(&mut top, snapshot);
    top
}

fn send(top: &mut Top, snapshot: Snapshot) -> Vec<Request> {
    top.update(Message::Frame(Box::new(samples::frame(snapshot))))
}

/// What is pressed: characters, or names in angle brackets: `/nginx<Enter>`, `<C-c>`.
fn press(top: &mut Top, keys: &str) -> Vec<Request> {
    let mut requests = Vec::new();
    let mut rest = keys;
    while let Some(first) = rest.chars().next() {
        let named = rest
            .strip_prefix('<')
            .and_then(|named| named.split_once('>'));
        let (code, modifiers) = match named {
            Some((name, after)) if !name.is_empty() => {
                rest = after;
                named_key(name)
            }
            _ => {
                rest = &rest[first.len_utf8()..];
                (KeyCode::Char(first), KeyModifiers::NONE)
            }
        };
        let event = Event::Key(KeyEvent::new(code, modifiers));
        requests.extend(top.update(Message::Input(event)));
    }
    requests
}

fn named_key(name: &str) -> (KeyCode, KeyModifiers) {
    if let Some(letter) = name.strip_prefix("C-") {
        let letter = letter.chars().next().expect("a letter");
        return (KeyCode::Char(letter), KeyModifiers::CONTROL);
    }
    let code = match name {
        "lt" => KeyCode::Char('<'),
        "Enter" => KeyCode::Enter,
        "Esc" => KeyCode::Esc,
        "Up" => KeyCode::Up,
        "Down" => KeyCode::Down,
        "Left" => KeyCode::Left,
        "Right" => KeyCode::Right,
        "PgDn" => KeyCode::PageDown,
        "PgUp" => KeyCode::PageUp,
        "Home" => KeyCode::Home,
        "End" => KeyCode::End,
        "Tab" => KeyCode::Tab,
        "BackTab" => KeyCode::BackTab,
        "Backspace" => KeyCode::Backspace,
        other => panic!("no key {other}"),
    };
    (code, KeyModifiers::NONE)
}

fn resize(top: &mut Top, (columns, rows): (u16, u16)) {
    top.update(Message::Input(Event::Resize(columns, rows)));
}

/// The screen as text; no cell holds what a terminal would obey, and no line is longer than the
/// screen is wide.
fn screen(top: &Top) -> String {
    screen_of(top, top.size)
}

fn screen_of(top: &Top, (columns, rows): (u16, u16)) -> String {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a screen in memory");
    terminal
        .draw(|frame| render(top, frame))
        .expect("draws in memory");
    let buffer = terminal.backend().buffer();
    let mut text = String::new();
    for row in buffer.content().chunks(usize::from(columns).max(1)) {
        let mut line = String::new();
        let mut hidden = 0;
        for cell in row {
            let symbol = cell.symbol();
            assert!(!symbol.contains(escape::is_unsafe), "{symbol:?}");
            assert!(symbol.len() <= 32, "{symbol:?}");
            if hidden == 0 {
                line.push_str(symbol);
                hidden = symbol.width();
            }
            hidden = hidden.saturating_sub(1);
        }
        assert!(line.width() <= usize::from(columns), "{line}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// At both sizes, under rulers.
fn screens(mut top: Top) -> String {
    let mut text = String::new();
    for size in [(80, 24), (120, 40)] {
        resize(&mut top, size);
        text.push_str(&"=".repeat(usize::from(size.0)));
        text.push('\n');
        text.push_str(&screen(&top));
    }
    text
}
