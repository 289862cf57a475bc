//! All port spaces, and how many ports are held in them.

use rustc_hash::FxHashMap;

use super::{
    activity::Budget,
    clock::SECOND,
    owners::Owners,
    retention::Sweep,
    space::{Held, Key, Space},
};

/// A space without ports and events is forgotten after this long, in nanoseconds.
pub(super) const IDLE: u64 = 60 * SECOND;
/// Devices that sockets are bound to, of which a port is looked for.
const MAX_DEVICES: usize = 64;

/// The port spaces.
#[derive(Debug)]
pub(super) struct Spaces {
    pub(super) map: FxHashMap<Key, Space>,
    /// Devices other than 0 that occur in a key.
    devices: Vec<u32>,
    held: usize,
    max_held: usize,
    sweep: Sweep,
    /// Spaces and ports that there was no room for.
    pub(super) dropped: u64,
}

impl Spaces {
    pub(super) fn new(spaces: usize, held: usize) -> Self {
        Self {
            map: FxHashMap::default(),
            devices: Vec::new(),
            held: 0,
            max_held: held,
            sweep: Sweep::new(spaces),
            dropped: 0,
        }
    }

    /// The space of a key, made if there is none; `None` when there is no room.
    pub(super) fn open(&mut self, key: Key, now: u64, budget: &mut Budget) -> Option<&mut Space> {
        if self.sweep.is_due(self.map.len(), now) && !self.map.contains_key(&key) {
            self.retire(now.saturating_sub(IDLE), now, budget);
            if self.map.len() >= self.sweep.limit {
                // Better without the past of those that hold nothing than without a new one.
                let before = self.map.len();
                self.retire(now, now, budget);
                self.dropped += (before - self.map.len()) as u64;
            }
        }
        if self.map.len() >= self.sweep.limit && !self.map.contains_key(&key) {
            self.dropped += 1;
            return None;
        }
        if key.dev != 0 && self.devices.len() < MAX_DEVICES && !self.devices.contains(&key.dev) {
            self.devices.push(key.dev);
        }
        Some(self.map.entry(key).or_default())
    }

    /// A space that is there, to put ports in and to take them out.
    pub(super) fn at(&mut self, key: &Key) -> Option<Place<'_>> {
        Some(Place {
            space: self.map.get_mut(key)?,
            held: &mut self.held,
            max_held: self.max_held,
            dropped: &mut self.dropped,
        })
    }

    /// As [`Self::open`], to put ports in and to take them out.
    pub(super) fn open_place(
        &mut self,
        key: Key,
        now: u64,
        budget: &mut Budget,
    ) -> Option<Place<'_>> {
        // The checks of `open` are rare; what is left is one look into the table.
        if self.is_sure_of_room(&key, now) {
            return Some(Place {
                space: self.map.entry(key).or_default(),
                held: &mut self.held,
                max_held: self.max_held,
                dropped: &mut self.dropped,
            });
        }
        self.open(key, now, budget)?;
        self.at(&key)
    }

    fn is_sure_of_room(&self, key: &Key, now: u64) -> bool {
        key.dev == 0 && self.map.len() < self.sweep.limit && !self.sweep.is_due(self.map.len(), now)
    }

    /// The space in which the connection `socket` holds a port: under its id, or else where nobody knows
    /// the id.
    pub(super) fn place_of(
        &mut self,
        key: Key,
        port: u16,
        socket: u64,
    ) -> Option<(Key, Place<'_>)> {
        let key = if self.devices.is_empty() {
            key
        } else {
            self.locate(key, port, socket)?
        };
        let place = self.at(&key)?;
        let holder = place.space.held.get(&port)?.socket;
        (holder == socket || holder == 0).then_some((key, place))
    }

    /// Puts a port into a space, in place of whatever was there.
    pub(super) fn hold(&mut self, key: &Key, port: u16, held: Held, owners: &mut Owners) {
        if let Some(mut place) = self.at(key) {
            place.hold(port, held, owners);
        }
    }

    /// Takes a port out.
    pub(super) fn free(
        &mut self,
        key: &Key,
        port: u16,
        now: u64,
        owners: &mut Owners,
    ) -> Option<Held> {
        self.at(key)?.free(port, now, owners)
    }

    pub(super) fn held(&self, key: &Key, port: u16) -> Option<&Held> {
        self.map.get(key)?.held.get(&port)
    }

    pub(super) fn held_mut(&mut self, key: &Key, port: u16) -> Option<&mut Held> {
        self.map.get_mut(key)?.held.get_mut(&port)
    }

    /// Keys that differ in the device alone, the one without first.
    pub(super) fn devices_of(&self, key: Key) -> impl Iterator<Item = Key> {
        std::iter::once(0)
            .chain(self.devices.iter().copied())
            .map(move |dev| Key { dev, ..key })
    }

    /// Where the connection `socket` holds a port: under its id, or else where nobody knows the id.
    pub(super) fn locate(&self, key: Key, port: u16, socket: u64) -> Option<Key> {
        let mut anonymous = None;
        for key in self.devices_of(key) {
            match self.held(&key, port) {
                Some(held) if held.socket == socket => return Some(key),
                Some(held) if held.socket == 0 => anonymous = anonymous.or(Some(key)),
                _ => {}
            }
        }
        anonymous
    }

    /// Keeps the ports that `keep` says; it may change them.
    pub(super) fn retain(
        &mut self,
        now: u64,
        owners: &mut Owners,
        mut keep: impl FnMut(&Key, u16, &mut Held) -> bool,
    ) {
        for (key, space) in &mut self.map {
            space.held.retain(|&port, held| {
                let kept = keep(key, port, held);
                if !kept {
                    owners.give(held.owner, now);
                    self.held -= 1;
                }
                kept
            });
            if space.held.capacity() > 64 && space.held.capacity() > 4 * space.held.len() {
                space.held.shrink_to_fit();
            }
        }
    }

    pub(super) fn retain_spaces(
        &mut self,
        keep: impl Fn(&Key, &Space) -> bool,
        budget: &mut Budget,
    ) {
        self.map.retain(|key, space| {
            let kept = keep(key, space);
            if !kept {
                for row in &space.rows {
                    row.activity.retire(budget);
                }
            }
            kept
        });
    }

    /// Forgets spaces that hold nothing and had no event since `before`.
    fn retire(&mut self, before: u64, now: u64, budget: &mut Budget) {
        self.retain_spaces(|_, space| !space.is_idle(before), budget);
        self.sweep.done(self.map.len(), now);
    }

    /// Forgets those that were idle for long enough.
    pub(super) fn retire_idle(&mut self, now: u64, budget: &mut Budget) {
        self.retire(now.saturating_sub(IDLE), now, budget);
        self.devices.clear();
        for key in self.map.keys() {
            if key.dev != 0 && self.devices.len() < MAX_DEVICES && !self.devices.contains(&key.dev)
            {
                self.devices.push(key.dev);
            }
        }
    }
}

/// A space, and the count of what all of them hold.
pub(super) struct Place<'a> {
    pub(super) space: &'a mut Space,
    held: &'a mut usize,
    max_held: usize,
    dropped: &'a mut u64,
}

impl Place<'_> {
    /// Puts a port in, in place of whatever was there.
    pub(super) fn hold(&mut self, port: u16, held: Held, owners: &mut Owners) {
        if *self.held >= self.max_held && !self.space.held.contains_key(&port) {
            *self.dropped += 1;
            return;
        }
        owners.take(held.owner);
        match self.space.held.insert(port, held) {
            Some(before) => owners.give(before.owner, held.at),
            None => *self.held += 1,
        }
    }

    /// Takes a port out.
    pub(super) fn free(&mut self, port: u16, now: u64, owners: &mut Owners) -> Option<Held> {
        let held = self.space.held.remove(&port)?;
        *self.held -= 1;
        owners.give(held.owner, now);
        Some(held)
    }
}
