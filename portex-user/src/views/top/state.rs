//! What the screen shows: which list, which row, which order, which details.

use std::{sync::Arc, time::Duration};

use jiff::tz::TimeZone;

use super::{
    details::DestinationRow,
    frame::Frame,
    history::History,
    keys,
    labels::{Labels, Services},
    lists::{Data, Filter, Line, Links, ProcessKey, RowKey, Sort, Sums, View},
    theme::Theme,
};
use crate::{attribution::snapshot::SpaceKey, details::ProcessDetails};

/// How the screen begins.
#[derive(Clone, Debug)]
pub struct Options {
    /// Colours and characters.
    pub theme: Theme,
    /// Between frames.
    pub interval: Duration,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// Names of ports.
    pub services: Arc<Services>,
    /// Whether addresses are shown by name from the beginning.
    pub resolve: bool,
}

/// The screen: what it was told, and where the user is.
pub struct Top {
    pub(super) theme: Theme,
    pub(super) zone: TimeZone,
    /// Columns and rows.
    pub(super) size: (u16, u16),
    pub(super) interval: Duration,
    pub(super) labels: Labels,
    pub(super) history: History,
    /// What is shown.
    pub(super) frame: Option<Box<Frame>>,
    /// What came while the picture stands still.
    pub(super) aside: Option<Box<Frame>>,
    pub(super) paused: bool,
    /// The latest answer.
    pub(super) process: Option<Box<ProcessDetails>>,
    pub(super) view: View,
    lists: [ListState; View::ALL.len()],
    pub(super) filter: Filter,
    /// Only rows of this namespace.
    pub(super) netns: Option<u32>,
    pub(super) mode: Mode,
    /// Details on top of the list, the innermost last.
    pub(super) places: Vec<Place>,
    pub(super) computed: Computed,
    pub(super) asked: Asked,
    pub(super) signals: Signals,
}

/// What the terminal is to do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Signals {
    pub(super) end: bool,
    pub(super) suspend: bool,
    pub(super) redraw: bool,
}

/// What is computed from a frame for what is shown.
#[derive(Debug, Default)]
pub(super) struct Computed {
    /// Of each namespace of the snapshot.
    pub(super) sums: Vec<Sums>,
    /// Destinations of processes: of all in the tree, of one in its details.
    pub(super) links: Links,
    /// Items of each list.
    pub(super) counts: [usize; View::ALL.len()],
}

/// What was asked for last.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) map: Option<SpaceKey>,
    /// Of a process, and at which time of the model.
    pub(super) process: Option<(u32, Duration)>,
}

/// What keys do besides moving about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mode {
    #[default]
    Normal,
    /// The filter is typed.
    Filter,
    /// A column is chosen; on which one the menu stands.
    Menu(usize),
    /// The help is shown, from this line on.
    Help(u16),
}

/// One list as the user left it.
#[derive(Debug, Default)]
pub(super) struct ListState {
    pub(super) sort: Option<Sort>,
    /// The least endangered first.
    pub(super) reversed: bool,
    pub(super) tree: bool,
    pub(super) lines: Vec<Line>,
    /// Items that the filter lets through.
    pub(super) found: usize,
    pub(super) cursor: Cursor,
}

/// The row that keys act on.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    /// Which; `None`: the first, whatever it is, until the user moves.
    pub(super) key: Option<RowKey>,
    /// Where that is in the lines.
    pub(super) at: usize,
    /// The first line on the screen.
    pub(super) offset: usize,
}

/// What is looked at closely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) of: Of,
    /// Row of its table.
    pub(super) selected: usize,
    /// What that row leads to, by which it is found again; `None`: the first row, whatever it is.
    pub(super) chosen: Option<Of>,
}

/// Details of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Space(SpaceKey),
    /// Its port map on the whole screen.
    Map(SpaceKey),
    Process(ProcessKey),
}

impl From<Of> for Place {
    fn from(of: Of) -> Self {
        Self {
            of,
            selected: 0,
            chosen: None,
        }
    }
}

impl std::fmt::Debug for Top {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Top")
            .field("view", &self.view)
            .field("mode", &self.mode)
            .field("places", &self.places)
            .finish_non_exhaustive()
    }
}

impl Top {
    /// Waits for its first frame.
    pub fn new(options: Options) -> Self {
        let Options {
            theme,
            interval,
            size,
            services,
            resolve,
        } = options;
        Self {
            theme,
            zone: TimeZone::system(),
            size,
            interval,
            labels: Labels::new(&services, resolve),
            history: History::default(),
            frame: None,
            aside: None,
            paused: false,
            process: None,
            view: View::Spaces,
            lists: Default::default(),
            filter: Filter::default(),
            netns: None,
            mode: Mode::Normal,
            places: Vec::new(),
            computed: Computed::default(),
            asked: Asked::default(),
            signals: Signals::default(),
        }
    }

    /// Whether the user has left, or there is nothing more to come.
    pub fn ended(&self) -> bool {
        self.signals.end
    }

    /// Whether the user wants the shell back for now (Ctrl-Z), once.
    pub fn wants_suspend(&mut self) -> bool {
        std::mem::take(&mut self.signals.suspend)
    }

    /// Whether the terminal is to be cleared before the next drawing (Ctrl-L), once.
    pub fn wants_redraw(&mut self) -> bool {
        std::mem::take(&mut self.signals.redraw)
    }

    /// The list that is shown, or lies below the details.
    pub(super) fn list(&self) -> &ListState {
        let [spaces, processes, failures, namespaces, pools] = &self.lists;
        match self.view {
            View::Spaces => spaces,
            View::Processes => processes,
            View::Failures => failures,
            View::Namespaces => namespaces,
            View::Pools => pools,
        }
    }

    pub(super) fn list_mut(&mut self) -> &mut ListState {
        let [spaces, processes, failures, namespaces, pools] = &mut self.lists;
        match self.view {
            View::Spaces => spaces,
            View::Processes => processes,
            View::Failures => failures,
            View::Namespaces => namespaces,
            View::Pools => pools,
        }
    }

    /// What the rows are made from; `None` before the first frame.
    pub(super) fn data(&self) -> Option<Data<'_>> {
        Some(Data {
            snapshot: &self.frame.as_ref()?.snapshot,
            labels: &self.labels,
            sums: &self.computed.sums,
            links: &self.computed.links,
        })
    }

    /// The details that are shown.
    pub(super) fn place(&self) -> Option<&Place> {
        self.places.last()
    }

    /// Where the user is, as far as keys care.
    pub(super) fn keys_of(&self) -> keys::Place {
        match (self.mode, self.place().map(|place| place.of)) {
            (Mode::Filter, _) => keys::Place::FILTER,
            (Mode::Menu(_), _) => keys::Place::MENU,
            (Mode::Help(_), _) => keys::Place::HELP,
            (Mode::Normal, Some(Of::Space(_))) => keys::Place::SPACE,
            (Mode::Normal, Some(Of::Map(_))) => keys::Place::MAP,
            (Mode::Normal, Some(Of::Process(_))) => keys::Place::PROCESS,
            (Mode::Normal, None) => keys::Place::LIST,
        }
    }

    /// Where the ports of a process go.
    pub(super) fn destinations(&self, process: ProcessKey) -> &[DestinationRow] {
        let rows = self.computed.links.get(&process);
        rows.map_or(&[], Vec::as_slice)
    }
}
