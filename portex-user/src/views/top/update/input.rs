//! What keys do.

use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind};

use crate::views::top::{
    frame::Request,
    keys::{self, Action, Key},
    lists::{Sort, View, columns, with_list},
    state::{Mode, Top},
};

/// Between frames, in milliseconds.
const INTERVALS: [u64; 6] = [250, 500, 1_000, 2_000, 5_000, 10_000];
/// How many times faster a replay may be; then as fast as possible.
const SPEEDS: [f64; 10] = [
    0.25,
    0.5,
    1.0,
    2.0,
    5.0,
    10.0,
    20.0,
    50.0,
    100.0,
    f64::INFINITY,
];

impl Top {
    pub(super) fn input(&mut self, event: &Event, requests: &mut Vec<Request>) {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.key(key, requests),
            Event::Resize(columns, rows) => self.size = (*columns, *rows),
            Event::Paste(text) if self.mode == Mode::Filter => {
                for character in text.chars() {
                    self.filter.insert(character);
                }
                self.recompute();
            }
            _ => {}
        }
    }

    fn key(&mut self, event: &KeyEvent, requests: &mut Vec<Request>) {
        let Some(key) = Key::of(event) else { return };
        if let Some(action) = keys::action(key, self.keys_of()) {
            self.act(action, requests);
        } else if let (Mode::Filter, KeyCode::Char(character), false) =
            (self.mode, key.code, key.ctrl)
        {
            self.filter.insert(character);
            self.recompute();
        }
    }

    fn act(&mut self, action: Action, requests: &mut Vec<Request>) {
        match action {
            Action::Up
            | Action::Down
            | Action::PageUp
            | Action::PageDown
            | Action::HalfUp
            | Action::HalfDown
            | Action::First
            | Action::Last => self.go(action),
            Action::List(number) => {
                if let Some(view) = View::ALL.get(usize::from(number)) {
                    self.turn_to(*view);
                }
            }
            Action::NextList => self.turn(1),
            Action::PreviousList => self.turn(View::ALL.len() - 1),
            Action::Open => self.open(),
            Action::Back => {
                self.back();
            }
            Action::Leave => {
                // A namespace's spaces are details of it.
                if self.places.is_empty() && self.netns.is_none() {
                    self.quit(requests);
                } else {
                    self.back();
                }
            }
            Action::PortMap => self.toggle_map(),
            Action::Tree => {
                if self.view.grows() {
                    let list = self.list_mut();
                    list.tree = !list.tree;
                    self.recompute();
                }
            }
            Action::SortMenu => {
                self.mode = Mode::Menu(self.list().sort.map_or(0, |sort| sort.column));
            }
            Action::SortLeft | Action::SortRight => self.sort_beside(action == Action::SortRight),
            Action::Reverse => {
                let list = self.list_mut();
                match &mut list.sort {
                    Some(sort) => sort.falling = !sort.falling,
                    None => list.reversed = !list.reversed,
                }
                self.recompute();
            }
            Action::Danger => {
                let list = self.list_mut();
                (list.sort, list.reversed) = (None, false);
                self.recompute();
            }
            Action::Pause => self.pause(),
            Action::Faster | Action::Slower => self.pace(action == Action::Slower, requests),
            Action::ReplayFaster | Action::ReplaySlower => {
                self.speed(action == Action::ReplayFaster, requests);
            }
            Action::Services => {
                self.labels.toggle_services();
                self.recompute();
            }
            Action::HostNames => {
                self.labels.toggle_hosts();
                self.recompute();
            }
            Action::Help => self.mode = Mode::Help(0),
            Action::Filter => {
                self.mode = Mode::Filter;
                self.filter.step(isize::MAX);
            }
            Action::Accept => self.accept(),
            Action::Discard => {
                if self.mode == Mode::Filter {
                    self.filter.clear();
                    self.recompute();
                }
                self.mode = Mode::Normal;
            }
            Action::Erase
            | Action::EraseWord
            | Action::EraseAll
            | Action::CursorLeft
            | Action::CursorRight
            | Action::CursorHome
            | Action::CursorEnd => self.edit(action),
            Action::Quit => self.quit(requests),
            Action::Suspend => self.signals.suspend = true,
            Action::Redraw => self.signals.redraw = true,
        }
    }

    fn quit(&mut self, requests: &mut Vec<Request>) {
        self.signals.end = true;
        requests.push(Request::Quit);
    }

    fn turn(&mut self, by: usize) {
        let at = View::ALL.iter().position(|view| *view == self.view);
        let to = (at.unwrap_or(0) + by) % View::ALL.len();
        if let Some(view) = View::ALL.get(to) {
            self.turn_to(*view);
        }
    }

    fn edit(&mut self, action: Action) {
        match action {
            // As in less: nothing left to erase ends it.
            Action::Erase if self.filter.text().is_empty() => self.mode = Mode::Normal,
            Action::Erase => self.filter.erase(),
            Action::EraseWord => self.filter.erase_word(),
            Action::EraseAll => self.filter.clear(),
            Action::CursorLeft => return self.filter.step(-1),
            Action::CursorRight => return self.filter.step(1),
            Action::CursorHome => return self.filter.step(isize::MIN),
            _ => return self.filter.step(isize::MAX),
        }
        self.recompute();
    }

    fn accept(&mut self) {
        if let Mode::Menu(column) = self.mode {
            let falls = with_list!(self.view, columns());
            let list = self.list_mut();
            let falling = match list.sort {
                Some(sort) if sort.column == column => !sort.falling,
                _ => falls.get(column).is_some_and(|(_, falls, _)| *falls),
            };
            list.sort = Some(Sort { column, falling });
            self.recompute();
        }
        self.mode = Mode::Normal;
    }

    /// Sorts by the column beside; round and round, as not all of them may be on the screen.
    fn sort_beside(&mut self, right: bool) {
        let columns = with_list!(self.view, columns());
        let list = self.list_mut();
        let column = match (list.sort, right) {
            (Some(sort), true) => (sort.column + 1) % columns.len().max(1),
            (Some(sort), false) => sort.column.checked_sub(1).unwrap_or(columns.len() - 1),
            (None, true) => 0,
            (None, false) => columns.len().saturating_sub(1),
        };
        let falling = columns.get(column).is_some_and(|(_, falls, _)| *falls);
        list.sort = Some(Sort { column, falling });
        self.recompute();
    }

    fn pause(&mut self) {
        self.paused = !self.paused;
        if !self.paused
            && let Some(frame) = self.aside.take()
        {
            self.show(frame);
        }
    }

    fn pace(&mut self, slower: bool, requests: &mut Vec<Request>) {
        let all = INTERVALS.map(Duration::from_millis);
        let now = self.interval;
        let next = if slower {
            all.into_iter().find(|interval| *interval > now)
        } else {
            all.into_iter().rev().find(|interval| *interval < now)
        };
        if let Some(interval) = next {
            self.interval = interval;
            requests.push(Request::Interval(interval));
        }
    }

    fn speed(&mut self, faster: bool, requests: &mut Vec<Request>) {
        let frame = self.frame.as_mut();
        let Some(replay) = frame.and_then(|frame| frame.status.replay.as_mut()) else {
            return;
        };
        let next = if faster {
            SPEEDS.into_iter().find(|speed| *speed > replay.speed)
        } else {
            SPEEDS.into_iter().rev().find(|speed| *speed < replay.speed)
        };
        if let Some(speed) = next {
            replay.speed = speed;
            requests.push(Request::Speed(speed));
        }
    }
}
