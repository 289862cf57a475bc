//! What the screen needs to show what it shows.

use std::{net::IpAddr, time::Duration};

use rustc_hash::FxHashSet;

use crate::{
    attribution::snapshot::SpaceKey,
    views::top::{
        frame::Request,
        lists::View,
        render::areas,
        state::{Of, Top},
    },
};

/// How long what `/proc` says of a process is good for.
const FRESH: Duration = Duration::from_secs(5);
/// Most rows whose addresses are asked for at a time.
const ROWS: usize = 200;

impl Top {
    /// The space whose ports are shown.
    pub(super) fn wanted_map(&self) -> Option<SpaceKey> {
        match self.place()?.of {
            Of::Space(key) | Of::Map(key) => Some(key),
            Of::Process(_) => None,
        }
    }

    /// Asks for what is wanted and was not asked for yet.
    pub(super) fn wish(&mut self, requests: &mut Vec<Request>) {
        let map = self.wanted_map();
        if map != self.asked.map {
            self.asked.map = map;
            requests.push(Request::PortMap(map));
        }
        self.wish_process(requests);
        let shown = self.shown_addresses();
        let unknown = self.labels.unknown(&shown);
        requests.extend(unknown.into_iter().map(Request::HostName));
    }

    fn wish_process(&mut self, requests: &mut Vec<Request>) {
        let Some(Of::Process(process)) = self.place().map(|place| place.of) else {
            self.asked.process = None;
            return;
        };
        let frames = self.aside.as_ref().or(self.frame.as_ref());
        let (Some(pid), Some(frame)) = (process.pid, frames) else {
            return;
        };
        let now = frame.snapshot.time;
        let fresh = self.asked.process.is_some_and(|(asked, when)| {
            asked == pid && now.saturating_sub(when) < FRESH && now >= when
        });
        if !fresh {
            self.asked.process = Some((pid, now));
            requests.push(Request::Process(pid));
        }
    }

    /// Addresses in the rows that are on the screen.
    fn shown_addresses(&self) -> FxHashSet<IpAddr> {
        let mut shown = FxHashSet::default();
        let Some(frame) = self.frame.as_ref().filter(|_| self.labels.shown().1) else {
            return shown;
        };
        let snapshot = &frame.snapshot;
        match self.place().map(|place| place.of) {
            Some(Of::Space(key) | Of::Map(key)) => shown.extend([key.dst]),
            Some(Of::Process(key)) => {
                let rows = self.destinations(key).iter().take(ROWS);
                let spaces = rows.filter_map(|row| snapshot.spaces.get(row.space as usize));
                shown.extend(spaces.map(|space| space.dst));
            }
            None => {}
        }
        let list = self.list();
        let rows = usize::from(areas::of(self).rows.height).min(ROWS);
        for line in list.lines.iter().skip(list.cursor.offset).take(rows) {
            let at = line.item as usize;
            shown.extend(match self.view {
                View::Spaces => snapshot.spaces.get(at).map(|space| space.dst),
                View::Processes => {
                    let process = snapshot.processes.get(at);
                    process.and_then(|process| process.top).map(|top| top.dst)
                }
                View::Failures => snapshot.failures.get(at).map(|failure| failure.dst),
                View::Namespaces | View::Pools => None,
            });
        }
        shown
    }
}
