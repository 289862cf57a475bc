//! From state to cells.
//!
//! ```text
//! header    portex on HOST, kernel, how attached, uptime, time of day
//!           events, losses, own cost, interval or PAUSED, recording, replay
//!           ███████ the most endangered space in words
//!           advice
//! tabs      1 Spaces  2 Processes  3 Failures  4 Namespaces  5 Bind pools   filter, order
//! headings  NETNS SOURCE DESTINATION ...       ┐
//! rows      ...                                ├ body: a list, details, the help
//!           ...                                ┘
//! footer    keys, or the filter while it is typed
//! ```
//!
//! Reads the state only, and formats what is on the screen only.

pub(super) mod areas;
mod cells;
mod columns;
mod footer;
mod header;
pub(super) mod help;
mod list;
mod menu;
mod paint;
mod tabs;

use ratatui::{Frame, buffer::Buffer, layout::Rect};

use super::{
    details::{ProcessView, SpaceView, port_map, process, space},
    state::{Mode, Of, Place, Top},
};

/// Draws the screen.
pub fn render(top: &Top, frame: &mut Frame<'_>) {
    let areas = areas::within(top, frame.area());
    let buf = frame.buffer_mut();
    header::draw(top, areas.header, buf);
    tabs::draw(top, areas.tabs, buf);
    match (top.mode, top.place()) {
        (Mode::Help(first), _) => help::draw(top, first, areas.body, buf),
        (_, Some(place)) => details(top, *place, areas.body, buf),
        (_, None) => list::draw(top, &areas, buf),
    }
    if let Mode::Menu(at) = top.mode {
        menu::draw(top, at, areas.body, buf);
    }
    if let Some(cursor) = footer::draw(top, areas.footer, buf) {
        frame.set_cursor_position(cursor);
    }
}

fn details(top: &Top, place: Place, area: Rect, buf: &mut Buffer) {
    let Some(frame) = &top.frame else { return };
    if area.is_empty() {
        return;
    }
    match place.of {
        Of::Process(key) => process::draw(
            &ProcessView {
                pid: key.pid,
                netns: key.netns,
                process: top.process_row(key),
                snapshot: &frame.snapshot,
                destinations: top.destinations(key),
                details: top
                    .process
                    .as_deref()
                    .filter(|details| Some(details.pid) == key.pid),
                selected: place.selected,
                scroll: 0,
                labels: &top.labels,
                theme: top.theme,
            },
            area,
            buf,
        ),
        Of::Space(key) | Of::Map(key) => {
            let map = frame.port_map.as_ref().filter(|(of, _)| *of == key);
            let view = SpaceView {
                key: &key,
                space: top.space(&key),
                snapshot: &frame.snapshot,
                map: map.map(|(_, map)| &**map),
                track: top.history.of(&key),
                selected: place.selected,
                scroll: 0,
                labels: &top.labels,
                theme: top.theme,
            };
            if matches!(place.of, Of::Map(_)) {
                port_map::draw_full(&view, area, buf);
            } else {
                space::draw(&view, area, buf);
            }
        }
    }
}
