//! Connections that are said to have closed without TIME_WAIT, as far as that may turn out to be wrong:
//! under load the kernel skips a program now and then, and a scan finds the TIME_WAIT after all. It
//! was opened by the same process.

use std::{collections::VecDeque, ops::RangeInclusive};

use rustc_hash::FxHashMap;

use super::{
    clock::{self, SECOND, TIME_WAIT},
    owners::Identity,
    space::Key,
};

/// How many are remembered, some 200 bytes each.
const MOST: usize = 65_536;
/// The minisocket is made this much before or after the release is told, at most.
const SLACK: u64 = SECOND;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) at: u64,
    pub(super) socket: u64,
    pub(super) owner: Identity,
}

/// The latest of them.
#[derive(Debug, Default)]
pub(super) struct Closed {
    order: VecDeque<(Key, u16, Ending)>,
    /// The latest of each tuple: only scans look for one, so that what came since is put in by the next
    /// search.
    known: FxHashMap<(Key, u16), Ending>,
    /// How many of the order's last ones are not in `known`.
    unknown: usize,
}

impl Closed {
    pub(super) fn note(&mut self, key: Key, port: u16, ending: Ending) {
        // A minisocket that began before that has gone.
        let before = ending
            .at
            .saturating_sub(clock::nanos(TIME_WAIT) + 2 * SLACK);
        while let Some((key, port, first)) = self.order.front()
            && (first.at < before || self.order.len() >= MOST)
        {
            let tuple = (*key, *port);
            if self.known.get(&tuple).is_some_and(|end| end == first) {
                self.known.remove(&tuple);
            }
            self.order.pop_front();
        }
        self.order.push_back((key, port, ending));
        self.unknown = (self.unknown + 1).min(self.order.len());
    }

    /// The connection whose minisocket that is, by when it began.
    pub(super) fn find(
        &mut self,
        key: Key,
        port: u16,
        began: &RangeInclusive<u64>,
    ) -> Option<Ending> {
        let from = self.order.len() - self.unknown;
        for (key, port, ending) in self.order.range(from..) {
            self.known.insert((*key, *port), *ending);
        }
        self.unknown = 0;
        let fits = |ending: &&Ending| {
            let earliest = began.start().saturating_sub(SLACK);
            (earliest..=began.end().saturating_add(SLACK)).contains(&ending.at)
        };
        // An event of one that was lost before lacks the device.
        let known = [key, Key { dev: 0, ..key }].map(|key| self.known.get(&(key, port)));
        known.into_iter().flatten().find(fits).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn key(dev: u32) -> Key {
        Key {
            netns: 1,
            dev,
            src: Ipv4Addr::LOCALHOST.into(),
            dst: Ipv4Addr::LOCALHOST.into(),
            dst_port: 443,
        }
    }

    fn ending(at: u64, socket: u64) -> Ending {
        Ending {
            at,
            socket,
            owner: Identity::default(),
        }
    }

    #[test]
    fn the_moment_must_fit() {
        let mut closed = Closed::default();
        closed.note(key(0), 1, ending(100 * SECOND, 7));
        let mut find = |dev, port, from: u64, to: u64| {
            let found = closed.find(key(dev), port, &(from * SECOND..=to * SECOND));
            found.map(|ending| ending.socket)
        };
        assert_eq!(find(0, 1, 99, 99), Some(7));
        assert_eq!(find(5, 1, 90, 110), Some(7));
        assert_eq!(find(0, 1, 102, 110), None);
        assert_eq!(find(0, 1, 90, 98), None);
        assert_eq!(find(0, 2, 100, 100), None);
    }

    #[test]
    fn the_old_and_the_many_are_forgotten() {
        let mut closed = Closed::default();
        closed.note(key(0), 1, ending(SECOND, 1));
        closed.note(key(0), 2, ending(2 * SECOND, 2));
        closed.note(key(0), 1, ending(3 * SECOND, 3));
        closed.note(key(0), 3, ending(65 * SECOND, 4));
        closed.find(key(0), 3, &(0..=0));
        assert_eq!((closed.order.len(), closed.known.len()), (2, 2));
        for socket in 0..100_000 {
            let port = u16::try_from(socket % 65_536).expect("a port");
            let dev = u32::from(socket >= 65_536);
            closed.note(key(dev), port, ending(66 * SECOND, socket));
        }
        closed.find(key(0), 3, &(0..=0));
        assert!(closed.order.len() <= MOST && closed.known.len() <= MOST);
        closed.note(key(0), 9, ending(200 * SECOND, 1));
        closed.find(key(0), 9, &(0..=0));
        assert_eq!((closed.order.len(), closed.known.len()), (1, 1));
    }
}
