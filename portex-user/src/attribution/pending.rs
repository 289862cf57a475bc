//! What a scan says of one connection, and how that fits to what the model says.

use std::{ops::RangeInclusive, sync::Arc};

use super::{
    clock::{self, MILLISECOND, SECOND, TIME_WAIT},
    owners::{OwnerId, Owners},
    scan::Scan,
    space::{Held, Key, Phase, Timestamps},
};
use crate::{
    event::TcpState,
    found::{Process, Rules, Socket},
};

/// Timers fire late by their granularity, rows are read some time before they arrive.
const SLACK: u64 = 2 * SECOND;
/// A scan that takes longer has its TIME_WAITs compared once more at its end.
const USUAL_LENGTH: u64 = 10 * SECOND;

/// A connection that the model does not know like this.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) key: Key,
    pub(super) port: u16,
    pub(super) phase: Phase,
    /// In SYN_SENT: outbound beyond doubt.
    pub(super) connecting: bool,
    pub(super) close_wait: bool,
    /// What is left of a TIME_WAIT, in milliseconds.
    pub(super) left: u32,
    pub(super) process: Option<Arc<Process>>,
}

impl Pending {
    pub(super) fn new(socket: &Socket) -> Self {
        let phase = match (socket.time_wait, socket.state) {
            (None, _) => Phase::Live,
            (Some(_), TcpState::FinWait2) => Phase::FinWait2,
            (Some(_), _) => Phase::TimeWait,
        };
        Self {
            key: Key::of_tuple(&socket.tuple, socket.dev),
            port: socket.tuple.src_port,
            phase,
            connecting: socket.state == TcpState::SynSent,
            close_wait: socket.state == TcpState::CloseWait,
            left: socket.time_wait.map_or(0, clock::millis),
            process: socket.process.clone(),
        }
    }

    /// Whether the model says the same. Who has a socket open counts only where nobody is known to
    /// have connected it: processes fork and hand sockets over.
    pub(super) fn agrees(&self, held: &Held, begun: u64, owners: &Owners) -> bool {
        if self.phase != held.phase {
            return false;
        }
        if self.phase == Phase::Live {
            return self.process.as_deref().is_none_or(|process| {
                held.owner != OwnerId::UNKNOWN && owners.is(held.owner, process)
            });
        }
        let earliest = self.expires(begun);
        (earliest.saturating_sub(SLACK)..earliest + USUAL_LENGTH + SLACK).contains(&held.expires())
    }

    pub(super) fn of_held(key: Key, port: u16, held: &Held) -> Self {
        Self {
            key,
            port,
            phase: held.phase,
            connecting: false,
            close_wait: false,
            left: 0,
            process: None,
        }
    }

    /// The other end, if that is in the same namespace.
    pub(super) fn mirror(&self) -> (Key, u16) {
        let key = Key {
            netns: self.key.netns,
            dev: 0,
            src: self.key.dst,
            dst: self.key.src,
            dst_port: self.port,
        };
        (key, self.key.dst_port)
    }

    /// When the minisocket goes away, if the row was read at `read`. That was between the beginning
    /// and the end of the scan.
    pub(super) fn expires(&self, read: u64) -> u64 {
        read.saturating_add(u64::from(self.left) * MILLISECOND)
    }

    /// When its minisocket began, if the scan lasted from `begun` to `now`.
    pub(super) fn began(&self, rules: &Rules, begun: u64, now: u64) -> Option<RangeInclusive<u64>> {
        let life = match self.phase {
            Phase::Live => return None,
            Phase::TimeWait => TIME_WAIT,
            Phase::FinWait2 => rules.fin_timeout.min(TIME_WAIT),
        };
        let if_read = |read| self.expires(read).saturating_sub(clock::nanos(life));
        Some(if_read(begun)..=if_read(now))
    }

    /// Whether its state, or the time that it has left, is another.
    pub(super) fn differs(&self, held: &Held, scan: &Scan, now: u64) -> bool {
        if self.phase != held.phase {
            return true;
        }
        let earliest = self.expires(scan.begun);
        self.phase.is_time_wait()
            && !(earliest.saturating_sub(SLACK)..=self.expires(now) + SLACK)
                .contains(&held.expires())
    }

    /// Whether it can be no later stage of the connection that the model knows.
    pub(super) fn is_another(&self, held: &Held, scan: &Scan, now: u64) -> bool {
        let expires = self.expires(now) + SLACK;
        let life = clock::nanos(TIME_WAIT);
        match (held.phase, self.phase) {
            (Phase::Live, Phase::Live | Phase::FinWait2) => false,
            // It would have begun before the connection did.
            (Phase::Live, Phase::TimeWait) => expires < held.at.saturating_add(life),
            (Phase::TimeWait | Phase::FinWait2, Phase::Live)
            | (Phase::TimeWait, Phase::FinWait2) => true,
            // A FIN begins it anew.
            (Phase::FinWait2, Phase::TimeWait) => expires > held.expires() + life + 2 * SLACK,
            // Stray segments do so as well, but the loss of its events looks the same.
            (Phase::TimeWait, Phase::TimeWait) | (Phase::FinWait2, Phase::FinWait2) => {
                scan.lossy && self.differs(held, scan, now)
            }
        }
    }

    pub(super) fn set_phase(&self, held: &mut Held, begun: u64, now: u64) {
        held.timestamps = Timestamps::Unknown;
        held.close_wait = self.close_wait;
        if self.phase == Phase::Live {
            held.at = if held.phase == Phase::Live {
                held.at
            } else {
                0
            };
            held.life = 0;
            held.early = 0;
        } else {
            let life = match self.phase {
                Phase::TimeWait => clock::millis(TIME_WAIT).max(self.left),
                _ => self.left,
            };
            held.life = life;
            held.at = self
                .expires(now)
                .saturating_sub(u64::from(life) * MILLISECOND);
            held.set_earliest(self.expires(begun));
        }
        held.phase = self.phase;
    }
}
