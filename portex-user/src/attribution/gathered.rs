//! What a scan found that the model does not know like this, kept small until the scan ends: there may
//! be a million TIME_WAITs, most of them of a few spaces.

use std::{mem, sync::Arc};

use rustc_hash::FxHashMap;

use super::{
    pending::Pending,
    space::{Key, Phase},
};
use crate::found::Process;

/// Connections by their space, in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    spaces: Vec<(Key, Vec<Row>)>,
    /// Where in `spaces`.
    known: FxHashMap<Key, usize>,
    /// Where the latest one went: the next one often goes there too.
    latest: usize,
    len: usize,
}

/// A [`Pending`] without what its space says.
#[derive(Debug)]
struct Row {
    process: Option<Arc<Process>>,
    left: u32,
    port: u16,
    phase: Phase,
    flags: u8,
}

const _: () = assert!(size_of::<Row>() == 16);

const CONNECTING: u8 = 1;
const CLOSE_WAIT: u8 = 2;

impl Gathered {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds one.
    pub(super) fn push(&mut self, pending: Pending) {
        let key = pending.key;
        let row = Row::of(pending);
        self.len += 1;
        if let Some((latest, rows)) = self.spaces.get_mut(self.latest)
            && *latest == key
        {
            rows.push(row);
            return;
        }
        self.latest = *self.known.entry(key).or_insert(self.spaces.len());
        match self.spaces.get_mut(self.latest) {
            Some((_, rows)) => rows.push(row),
            None => self.spaces.push((key, vec![row])),
        }
    }

    /// Takes all out: for each space how many there are, and what they are.
    pub(super) fn take(
        &mut self,
    ) -> impl Iterator<Item = (usize, impl Iterator<Item = Pending> + use<>)> + use<> {
        mem::take(self).spaces.into_iter().map(|(key, rows)| {
            let all = rows.into_iter().map(move |row| row.with(key));
            (all.len(), all)
        })
    }
}

impl Row {
    fn of(pending: Pending) -> Self {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        Self {
            left: pending.left,
            port: pending.port,
            phase: pending.phase,
            flags: flag(pending.connecting, CONNECTING) | flag(pending.close_wait, CLOSE_WAIT),
            process: pending.process,
        }
    }

    fn with(self, key: Key) -> Pending {
        Pending {
            key,
            port: self.port,
            phase: self.phase,
            connecting: self.flags & CONNECTING != 0,
            close_wait: self.flags & CLOSE_WAIT != 0,
            left: self.left,
            process: self.process,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn pending(dst_port: u16, port: u16) -> Pending {
        Pending {
            key: Key {
                netns: 1,
                dev: 0,
                src: Ipv4Addr::LOCALHOST.into(),
                dst: Ipv4Addr::LOCALHOST.into(),
                dst_port,
            },
            port,
            phase: Phase::FinWait2,
            connecting: port == 2,
            close_wait: port == 3,
            left: u32::from(port) * 10,
            process: None,
        }
    }

    #[test]
    fn what_goes_in_comes_out_by_space() {
        let mut gathered = Gathered::default();
        for (dst_port, port) in [(80, 1), (80, 2), (443, 2), (80, 3), (443, 1)] {
            gathered.push(pending(dst_port, port));
        }
        assert_eq!(gathered.len(), 5);
        let groups: Vec<(usize, Vec<Pending>)> = gathered
            .take()
            .map(|(count, all)| (count, all.collect()))
            .collect();
        let expected = [(80, vec![1, 2, 3]), (443, vec![2, 1])];
        for ((count, all), (dst_port, ports)) in groups.iter().zip(&expected) {
            assert_eq!(*count, ports.len());
            for (found, &port) in all.iter().zip(ports) {
                let wanted = pending(*dst_port, port);
                assert_eq!(format!("{found:?}"), format!("{wanted:?}"));
            }
        }
        assert_eq!(groups.len(), 2);
        assert_eq!(gathered.len(), 0);
        assert_eq!(gathered.take().count(), 0);
    }
}
