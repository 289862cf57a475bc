//! What holds ports towards one destination: the 4-tuple prefix of a space.

use super::{
    recycle::{Claim, Recycling},
    space::{Held, Key, Space},
    spaces::Spaces,
};

/// What holds ports of a space: sockets without a device are in the way of those with one, not the
/// other way round.
pub(super) struct Prefix<'a> {
    space: &'a Space,
    others: Option<&'a Space>,
}

impl Spaces {
    /// Of a space and its key.
    pub(super) fn prefix<'a>(&'a self, key: &Key, space: &'a Space) -> Prefix<'a> {
        let others = (key.dev != 0).then(|| self.map.get(&Key { dev: 0, ..*key }));
        Prefix {
            space,
            others: others.flatten(),
        }
    }
}

impl<'a> Prefix<'a> {
    /// What holds a port.
    pub(super) fn held(&self, port: u16) -> Option<(u16, &'a Held)> {
        let held = self.space.held.get(&port);
        let held = held.or_else(|| self.others?.held.get(&port));
        held.map(|held| (port, held))
    }

    /// All ports that are held, each once.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u16, &'a Held)> {
        let own = &self.space.held;
        let others = self.others.into_iter().flat_map(|others| &others.held);
        own.iter()
            .chain(others.filter(|(port, _)| !own.contains_key(port)))
            .map(|(&port, held)| (port, held))
    }

    /// How a held port stands in the way of the next connect().
    pub(super) fn claim(
        &self,
        (port, held): (u16, &Held),
        blocked: bool,
        recycling: &Recycling,
        now: u64,
    ) -> Claim {
        let claim = recycling.claim(held, blocked, now);
        let second = self.others.and_then(|others| others.held.get(&port));
        // Which of two the kernel looks at is chance.
        let both = second.is_some_and(|second| !std::ptr::eq(second, held));
        if both && claim == Claim::Recyclable {
            Claim::Unsure
        } else {
            claim
        }
    }
}
