//! Into details and back again.

use crate::{
    attribution::snapshot::{Failure, Owner, Process, Space, SpaceKey},
    views::top::{
        details::DestinationRow,
        lists::{Line, Part, ProcessKey, View},
        state::{Of, Top},
    },
};

/// Most places on top of each other; the oldest are forgotten.
const DEEPEST: usize = 32;

impl Top {
    /// A space of the frame that is shown.
    pub(in crate::views::top) fn space(&self, key: &SpaceKey) -> Option<&Space> {
        let frame = self.frame.as_ref()?;
        frame
            .snapshot
            .spaces
            .iter()
            .find(|space| space.key() == *key)
    }

    /// A process of the frame that is shown.
    pub(in crate::views::top) fn process_row(&self, key: ProcessKey) -> Option<&Process> {
        let processes = &self.frame.as_ref()?.snapshot.processes;
        processes
            .iter()
            .find(|process| ProcessKey::of(process) == key)
    }

    /// Goes on from the row that is selected.
    pub(super) fn open(&mut self) {
        match self.place().copied() {
            Some(place) => {
                if let Some(of) = self.below(place.of, place.selected) {
                    // From now on it is this row, wherever it goes.
                    if let Some(place) = self.places.last_mut() {
                        place.chosen = Some(of);
                    }
                    self.enter(of);
                }
            }
            None => self.open_row(),
        }
    }

    fn open_row(&mut self) {
        let list = self.list();
        let Some(line) = list.lines.get(list.cursor.at).copied() else {
            return;
        };
        // From now on it is this row, wherever it goes.
        self.select(self.list().cursor.at);
        if self.view == View::Namespaces {
            let namespaces = self.frame.as_ref().map(|frame| &frame.snapshot.namespaces);
            let netns = namespaces.and_then(|all| all.get(line.item as usize));
            if let Some(inode) = netns.map(|netns| netns.inode) {
                self.netns = Some(inode);
                self.filter.clear();
                self.view = View::Spaces;
                self.recompute();
            }
        } else if let Some(of) = self.row_leads_to(line) {
            self.enter(of);
        }
    }

    fn row_leads_to(&self, line: Line) -> Option<Of> {
        let snapshot = &self.frame.as_ref()?.snapshot;
        let at = line.item as usize;
        let whole = match self.view {
            View::Spaces => Of::Space(snapshot.spaces.get(at)?.key()),
            View::Processes => Of::Process(ProcessKey::of(snapshot.processes.get(at)?)),
            View::Failures => self.failure_leads_to(snapshot.failures.get(at)?),
            View::Namespaces | View::Pools => return None,
        };
        match line.part {
            Part::Child(child) => self.below(whole, usize::from(child)),
            Part::Whole | Part::More => Some(whole),
        }
    }

    /// To its space if there is one, else to its process.
    fn failure_leads_to(&self, failure: &Failure) -> Of {
        let mut spaces = self.frame.iter().flat_map(|frame| &frame.snapshot.spaces);
        let space = spaces.find(|space| {
            (space.netns, space.dst, space.dst_port)
                == (failure.netns, failure.dst, failure.dst_port)
                && (space.src == failure.src || failure.src.is_unspecified())
                && space.dev == failure.dev
        });
        match space {
            Some(space) => Of::Space(space.key()),
            None => Of::Process(ProcessKey {
                pid: failure.holder.pid,
                netns: failure.netns,
            }),
        }
    }

    /// What a row of the details leads to.
    pub(super) fn below(&self, of: Of, row: usize) -> Option<Of> {
        match of {
            Of::Space(key) => {
                let owner: &Owner = self.space(&key)?.owners.get(row)?;
                Some(Of::Process(ProcessKey {
                    pid: owner.holder.pid,
                    netns: key.netns,
                }))
            }
            Of::Process(key) => {
                let row = self.destinations(key).get(row)?;
                let spaces = &self.frame.as_ref()?.snapshot.spaces;
                Some(Of::Space(spaces.get(row.space as usize)?.key()))
            }
            Of::Map(_) => None,
        }
    }

    /// The row of the details that leads there.
    pub(super) fn row_to(&self, of: Of, target: Of) -> Option<usize> {
        match (of, target) {
            (Of::Space(key), Of::Process(process)) => {
                let mut owners = self.space(&key)?.owners.iter();
                owners.position(|owner| owner.holder.pid == process.pid)
            }
            (Of::Process(key), Of::Space(space)) => {
                let spaces = &self.frame.as_ref()?.snapshot.spaces;
                let leads = |row: &DestinationRow| {
                    let to = spaces.get(row.space as usize);
                    to.is_some_and(|to| to.key() == space)
                };
                self.destinations(key).iter().position(leads)
            }
            _ => None,
        }
    }

    fn enter(&mut self, of: Of) {
        if self.places.len() >= DEEPEST {
            self.places.remove(0);
        }
        self.places.push(of.into());
        self.recompute();
    }

    /// The port map on the whole screen, and back.
    pub(super) fn toggle_map(&mut self) {
        match self.place().map(|place| place.of) {
            Some(Of::Space(key)) => self.enter(Of::Map(key)),
            Some(Of::Map(_)) => self.leave(),
            _ => {}
        }
    }

    fn leave(&mut self) {
        self.places.pop();
        self.recompute();
    }

    /// A step back: out of details, else a filter away. Whether there was one to go.
    pub(super) fn back(&mut self) -> bool {
        if !self.places.is_empty() {
            self.leave();
        } else if !self.filter.is_empty() {
            self.filter.clear();
            self.recompute();
        } else if self.netns.take().is_some() {
            self.view = View::Namespaces;
            self.recompute();
        } else {
            return false;
        }
        true
    }

    /// Shows a list, and nothing on top of it.
    pub(super) fn turn_to(&mut self, view: View) {
        self.places.clear();
        self.view = view;
        self.recompute();
    }
}
