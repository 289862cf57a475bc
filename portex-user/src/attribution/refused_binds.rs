//! Binds that found no port, counted by the pool that they asked.

use rustc_hash::FxHashMap;

use super::{
    address::Address,
    rates::{Count, Flow},
    retention::Sweep,
    spaces,
};
use crate::event::{Event, Proto};

/// What tells a pool from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PoolKey {
    pub(super) netns: u32,
    pub(super) proto: Proto,
    /// The address asked for; unspecified: any.
    pub(super) address: Address,
}

/// What was refused by one pool.
#[derive(Debug, Default)]
pub(super) struct Refused {
    flow: Flow,
    pub(super) count: u64,
    touched: u64,
}

impl Refused {
    /// Per second, since `from` at the earliest.
    pub(super) fn per_second(&self, from: u64, now: u64) -> f64 {
        self.flow.per_second(Count::Failure, from, now)
    }

    /// Whether that makes a pool worth showing that nothing else speaks for.
    fn is_news(&self, now: u64) -> bool {
        self.touched.saturating_add(spaces::IDLE) >= now
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct RefusedBinds {
    pools: FxHashMap<PoolKey, Refused>,
    sweep: Sweep,
    /// Failures that there was no room for.
    pub(super) dropped: u64,
}

impl RefusedBinds {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            pools: FxHashMap::default(),
            sweep: Sweep::new(limit),
            dropped: 0,
        }
    }

    /// Counts a bind that found no port.
    pub(super) fn note(&mut self, event: &Event, now: u64) {
        let key = PoolKey {
            netns: event.netns,
            proto: event.proto,
            address: event.src.into(),
        };
        let full = self.pools.len() >= self.sweep.limit;
        if full && !self.pools.contains_key(&key) {
            if self.sweep.is_due(self.pools.len(), now) {
                self.pools.retain(|_, refused| refused.is_news(now));
                self.sweep.done(self.pools.len(), now);
            }
            if self.pools.len() >= self.sweep.limit {
                self.dropped += 1;
                return;
            }
        }
        let refused = self.pools.entry(key).or_default();
        refused.flow.count(Count::Failure, now);
        refused.count = refused.count.saturating_add(1);
        refused.touched = now;
    }

    pub(super) fn of(&self, key: &PoolKey) -> Option<&Refused> {
        self.pools.get(key)
    }

    /// Namespaces where something was refused lately.
    pub(super) fn namespaces(&self, now: u64) -> impl Iterator<Item = u32> {
        self.pools
            .iter()
            .filter(move |(_, refused)| refused.is_news(now))
            .map(|(key, _)| key.netns)
    }

    /// Addresses where something was refused lately.
    pub(super) fn addresses(
        &self,
        netns: u32,
        proto: Proto,
        now: u64,
    ) -> impl Iterator<Item = Address> {
        self.pools
            .iter()
            .filter(move |(key, refused)| {
                (key.netns, key.proto) == (netns, proto) && refused.is_news(now)
            })
            .map(|(key, _)| key.address)
    }

    /// Forgets those of a namespace that is gone.
    pub(super) fn retain_namespaces(&mut self, is_there: impl Fn(u32) -> bool) {
        self.pools.retain(|key, _| is_there(key.netns));
    }
}
