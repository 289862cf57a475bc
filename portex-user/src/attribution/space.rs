//! One port space: who holds which port from one source to one destination.

use super::{
    activity::{Activity, Budget},
    address::Address,
    clock::MILLISECOND,
    held_ports::HeldPorts,
    owners::{OwnerId, Owners},
    spaces,
};
use crate::{
    event::{Event, Restrictions},
    found::Tuple,
};

/// Ranges of their own (`IP_LOCAL_PORT_RANGE`) that are told apart within one space.
const MAX_OWN_RANGES: usize = 15;

/// What makes a port space: connections of two spaces never take ports from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) netns: u32,
    /// Device that the sockets are bound to, 0 for none.
    pub(super) dev: u32,
    pub(super) src: Address,
    pub(super) dst: Address,
    pub(super) dst_port: u16,
}

impl Key {
    pub(super) fn of_event(event: &Event, dev: u32) -> Self {
        Self {
            netns: event.netns,
            dev,
            src: event.src.into(),
            dst: event.dst.into(),
            dst_port: event.dst_port,
        }
    }

    pub(super) fn of_tuple(tuple: &Tuple, dev: u32) -> Self {
        Self {
            netns: tuple.netns,
            dev,
            src: tuple.src.into(),
            dst: tuple.dst.into(),
            dst_port: tuple.dst_port,
        }
    }

    /// Whether `tcp_tw_reuse` 2 takes its TIME_WAITs for loopback.
    pub(super) fn is_loopback(&self) -> bool {
        self.dev == 1 || self.src.is_loopback() || self.dst.is_loopback()
    }
}

/// In what way a port is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Live,
    TimeWait,
    /// A minisocket that waits for the peer's FIN.
    FinWait2,
}

impl Phase {
    pub(super) fn is_time_wait(self) -> bool {
        self != Self::Live
    }
}

/// Whether the peer of a TIME_WAIT sent timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timestamps {
    Unknown,
    Yes,
    No,
}

/// Who chose a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chosen {
    /// connect().
    Search,
    /// bind() to port 0.
    Bind,
    /// bind() to this port.
    Number,
    /// Its connect() was not seen.
    Unknown,
    /// The same, but a bind() to port 0 is likely: see [`super::snapshot::Space::bound`].
    PerhapsBind,
}

impl Chosen {
    /// By a connect event.
    pub(super) fn of(bound: bool, by_number: bool) -> Self {
        match (bound, by_number) {
            (false, _) => Self::Search,
            (true, false) => Self::Bind,
            (true, true) => Self::Number,
        }
    }

    /// An explicit bind, beyond doubt.
    pub(super) fn is_bound(self) -> bool {
        matches!(self, Self::Bind | Self::Number)
    }

    /// bind() to port 0, as far as anybody knows.
    pub(super) fn by_bind(self) -> bool {
        matches!(self, Self::Bind | Self::PerhapsBind)
    }
}

/// A held port. There may be millions of these: 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// Id of the connection; 0 when no event of it was seen.
    pub(super) socket: u64,
    /// Since when it is in this phase; 0 when nobody knows.
    pub(super) at: u64,
    /// How long the phase lasts, in milliseconds; of a live one, nobody knows.
    pub(super) life: u32,
    /// How much earlier that may end, in milliseconds: nobody knows when in a scan its row was read.
    pub(super) early: u16,
    pub(super) owner: OwnerId,
    pub(super) phase: Phase,
    pub(super) timestamps: Timestamps,
    pub(super) chosen: Chosen,
    /// In CLOSE_WAIT when the latest scan saw it.
    pub(super) close_wait: bool,
    /// Row of the space that it was allocated from, and the scan that saw it, each in a byte.
    pub(super) row: u8,
    pub(super) scan: u8,
}

const _: () = assert!(size_of::<Held>() == 32);

impl Held {
    /// When its minisocket goes away at the latest, if nothing interferes.
    pub(super) fn expires(&self) -> u64 {
        self.at.saturating_add(u64::from(self.life) * MILLISECOND)
    }

    /// And at the earliest.
    pub(super) fn expires_not_before(&self) -> u64 {
        self.expires()
            .saturating_sub(u64::from(self.early) * MILLISECOND)
    }

    /// Its minisocket does not go away before `expiry`.
    pub(super) fn set_earliest(&mut self, expiry: u64) {
        let early = self.expires().saturating_sub(expiry).div_ceil(MILLISECOND);
        self.early = u16::try_from(early).unwrap_or(u16::MAX);
    }

    /// Another process holds it.
    pub(super) fn hand_to(&mut self, owner: OwnerId, now: u64, owners: &mut Owners) {
        owners.take(owner);
        owners.give(self.owner, now);
        self.owner = owner;
    }
}

/// The ports that a connect() chooses from, and what happened to such connections.
#[derive(Debug, Default)]
pub(super) struct Row {
    /// Bounds of the socket's own range, 0 for none: as given, before the namespace narrows them.
    pub(super) own: Option<(u16, u16)>,
    pub(super) touched: u64,
    pub(super) activity: Activity,
}

/// A port space.
#[derive(Debug, Default)]
pub(super) struct Space {
    pub(super) held: HeldPorts,
    /// The first is that of the namespace's range; there is none before the first event.
    pub(super) rows: Vec<Row>,
    /// When its latest event was.
    pub(super) touched: u64,
}

impl Space {
    /// The row that such a socket's port comes from, as an index.
    pub(super) fn row(&mut self, restrictions: Restrictions, budget: &mut Budget) -> u8 {
        if self.rows.is_empty() {
            self.rows.push(Row::default());
        }
        if restrictions.lo == 0 && restrictions.hi == 0 {
            return 0;
        }
        let own = Some((restrictions.lo, restrictions.hi));
        let known = self.rows.iter().position(|row| row.own == own);
        let index = known.unwrap_or_else(|| self.new_row(own, budget));
        u8::try_from(index).unwrap_or(0)
    }

    fn new_row(&mut self, own: Option<(u16, u16)>, budget: &mut Budget) -> usize {
        let row = Row {
            own,
            ..Row::default()
        };
        if self.rows.len() <= MAX_OWN_RANGES {
            self.rows.push(row);
            return self.rows.len() - 1;
        }
        // The one unused for longest makes room.
        let oldest = (1..self.rows.len())
            .min_by_key(|&index| self.rows[index].touched)
            .unwrap_or(0);
        self.rows[oldest].activity.retire(budget);
        self.rows[oldest] = row;
        oldest
    }

    /// The activity that a connection of such a row counts in.
    pub(super) fn activity(&mut self, row: u8, now: u64) -> Option<&mut Activity> {
        self.touched = now;
        let row = self.rows.get_mut(usize::from(row))?;
        row.touched = now;
        Some(&mut row.activity)
    }

    /// Whether it has a row in a picture of this moment.
    pub(super) fn is_shown(&self, now: u64) -> bool {
        !self.is_idle(now.saturating_sub(spaces::IDLE))
    }

    pub(super) fn is_idle(&self, before: u64) -> bool {
        self.held.is_empty() && self.touched < before
    }
}
