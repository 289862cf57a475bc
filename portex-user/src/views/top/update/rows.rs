//! Keeps the rows of the list up to date, and the selected row in sight.

use crate::views::top::{
    lists::{Links, View, Wanted, find, key_of, lines, links, links_of, rows, with_list},
    render::{areas, help},
    state::{Mode, Of, Top},
};

impl Top {
    /// Computes the rows anew: after a new frame, another order, filter, tree or list.
    pub(super) fn recompute(&mut self) {
        let Some(frame) = &self.frame else { return };
        let tree = self.list().tree && self.view.grows();
        let process = self.place().map(|place| place.of);
        self.computed.links = match process {
            Some(Of::Process(process)) => links_of(&frame.snapshot, process),
            _ if tree && self.view == View::Processes => links(&frame.snapshot),
            _ => Links::default(),
        };
        let place = self.place().copied();
        let found = place.and_then(|place| self.row_to(place.of, place.chosen?));
        if let (Some(place), Some(row)) = (self.places.last_mut(), found) {
            place.selected = row;
        }
        let Some(data) = self.data() else { return };
        let list = self.list();
        let wanted = Wanted {
            sort: list.sort,
            reversed: list.reversed,
            filter: &self.filter,
            netns: self.netns,
        };
        let rows = with_list!(self.view, rows(&data, &wanted));
        let lines = lines(&data, self.view, &rows, tree);
        let cursor = &list.cursor;
        let at = match &cursor.key {
            Some(key) => with_list!(self.view, find(&data, &lines, key, cursor.at)),
            None => Some(0),
        };
        let list = self.list_mut();
        list.found = rows.len();
        list.lines = lines;
        // A row that is gone: what stands in its place now.
        let end = list.lines.len().saturating_sub(1);
        list.cursor.at = at.unwrap_or(list.cursor.at).min(end);
    }

    /// Selects a line of the list.
    pub(super) fn select(&mut self, at: usize) {
        let list = self.list();
        let at = at.min(list.lines.len().saturating_sub(1));
        let line = list.lines.get(at).copied();
        let key = line.zip(self.data());
        let key = key.and_then(|(line, data)| with_list!(self.view, key_of(&data, line)));
        let cursor = &mut self.list_mut().cursor;
        cursor.at = at;
        cursor.key = key;
    }

    /// After whatever changed: keeps all positions within what there is.
    pub(super) fn settle(&mut self) {
        let height = usize::from(areas::of(self).rows.height).max(1);
        let list = self.list_mut();
        let end = list.lines.len().saturating_sub(1);
        let cursor = &mut list.cursor;
        cursor.at = cursor.at.min(end);
        let lowest = cursor.at.saturating_sub(height - 1);
        let highest = cursor.at.min((end + 1).saturating_sub(height));
        cursor.offset = cursor.offset.clamp(lowest.min(highest), highest);
        let rows = self.details_rows();
        if let Some(place) = self.places.last_mut() {
            place.selected = place.selected.min(rows.saturating_sub(1));
        }
        if let Mode::Help(line) = self.mode {
            let lines = help::lines(self).len();
            let height = usize::from(areas::of(self).body.height);
            let most = u16::try_from(lines.saturating_sub(height)).unwrap_or(u16::MAX);
            self.mode = Mode::Help(line.min(most));
        }
    }

    /// Rows of the table in the details that are shown.
    pub(super) fn details_rows(&self) -> usize {
        match self.place().map(|place| place.of) {
            Some(Of::Space(key)) => self.space(&key).map_or(0, |space| space.owners.len()),
            Some(Of::Process(key)) => self.destinations(key).len(),
            Some(Of::Map(_)) | None => 0,
        }
    }
}
