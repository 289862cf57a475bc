//! Up, down, and through pages.

use crate::views::top::{
    keys::Action,
    lists::{columns, with_list},
    render::areas,
    state::{Mode, Top},
};

impl Top {
    /// Moves whatever is in front.
    pub(super) fn go(&mut self, action: Action) {
        let areas = areas::of(self);
        let page = usize::from(match (self.mode, self.place()) {
            (Mode::Normal | Mode::Filter, None) => areas.rows.height,
            _ => areas.body.height,
        })
        .max(1);
        let whole = isize::try_from(page).unwrap_or(isize::MAX);
        let half = (whole / 2).max(1);
        let by = match action {
            Action::Up => -1,
            Action::Down => 1,
            Action::PageUp => -whole,
            Action::PageDown => whole,
            Action::HalfUp => -half,
            Action::HalfDown => half,
            Action::First => isize::MIN,
            _ => isize::MAX,
        };
        match self.mode {
            Mode::Help(line) => {
                let to = usize::from(line).saturating_add_signed(by);
                self.mode = Mode::Help(u16::try_from(to).unwrap_or(u16::MAX));
            }
            Mode::Menu(at) => {
                let last = with_list!(self.view, columns()).len().saturating_sub(1);
                self.mode = Mode::Menu(at.saturating_add_signed(by).min(last));
            }
            Mode::Normal | Mode::Filter => match self.places.last() {
                Some(_) => self.go_in_details(by),
                None => self.go_in_list(action, by),
            },
        }
    }

    fn go_in_list(&mut self, action: Action, by: isize) {
        let at = self.list().cursor.at.saturating_add_signed(by);
        self.select(at);
        if action == Action::First {
            // Stays with the first row, whatever that becomes.
            self.list_mut().cursor.key = None;
        }
    }

    /// The table is scrolled by whoever draws it, so that its row is seen.
    fn go_in_details(&mut self, by: isize) {
        let last = self.details_rows().saturating_sub(1);
        let Some(place) = self.place().copied() else {
            return;
        };
        let selected = place.selected.saturating_add_signed(by).min(last);
        let chosen = self.below(place.of, selected);
        if let Some(place) = self.places.last_mut() {
            (place.selected, place.chosen) = (selected, chosen);
        }
    }
}
