//! From held ports to the processes that hold them.

use rustc_hash::FxHashMap;

use super::{
    State,
    address::Address,
    owners::{OwnerId, Process},
    snapshot::{self, Destination},
    space::{Key, Space},
    spaces,
};
use crate::ports::PortRange;

/// What one process holds in one namespace.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    ports: u32,
    time_wait: u32,
    close_wait: u32,
    bound: u32,
}

/// Who, and the namespace: somebody unknown may hold ports in several.
type Holding = (OwnerId, u32);

/// Sums by owner. Many ports have few owners, and one after the other the same.
pub(super) struct ByOwner<T> {
    sums: Vec<(OwnerId, T)>,
    latest: usize,
    index: FxHashMap<OwnerId, usize>,
}

impl<T> Default for ByOwner<T> {
    fn default() -> Self {
        Self {
            sums: Vec::new(),
            latest: 0,
            index: FxHashMap::default(),
        }
    }
}

impl<T: Default> ByOwner<T> {
    /// The sum of an owner.
    pub(super) fn of(&mut self, owner: OwnerId) -> &mut T {
        let again = self
            .sums
            .get(self.latest)
            .is_some_and(|(latest, _)| *latest == owner);
        if !again {
            let new = self.sums.len();
            self.latest = *self.index.entry(owner).or_insert(new);
            if self.latest == new {
                self.sums.push((owner, T::default()));
            }
        }
        &mut self.sums[self.latest].1
    }

    /// All of them.
    pub(super) fn all(self) -> Vec<(OwnerId, T)> {
        self.sums
    }
}

/// Shares of all processes, and of the destinations that they go to.
#[derive(Default)]
pub(super) struct Shares {
    of: FxHashMap<Holding, Share>,
    to: FxHashMap<(Holding, Address, u16), u32>,
}

impl Shares {
    /// Adds a space. Returns how many of its ports are in TIME_WAIT.
    pub(super) fn add(&mut self, key: &Key, space: &Space, range: PortRange) -> u32 {
        let mut owners: ByOwner<Share> = ByOwner::default();
        for (&port, held) in &space.held {
            let share = owners.of(held.owner);
            share.ports += 1;
            share.time_wait += u32::from(held.phase.is_time_wait());
            share.close_wait += u32::from(held.close_wait);
            share.bound += u32::from(held.chosen.by_bind() && range.contains(port));
        }
        let mut time_wait = 0;
        for (id, share) in owners.all() {
            time_wait += share.time_wait;
            let holding = (id, key.netns);
            let total = self.of.entry(holding).or_default();
            total.ports += share.ports;
            total.time_wait += share.time_wait;
            total.close_wait += share.close_wait;
            total.bound += share.bound;
            *self.to.entry((holding, key.dst, key.dst_port)).or_default() += share.ports;
        }
        time_wait
    }

    fn top(&self) -> FxHashMap<Holding, Destination> {
        let mut top: FxHashMap<Holding, Destination> = FxHashMap::default();
        for (&(holding, dst, dst_port), &ports) in &self.to {
            let candidate = Destination {
                dst: dst.ip(),
                dst_port,
                ports,
            };
            let best = top.entry(holding).or_insert(candidate);
            let rank = |to: &Destination| (to.ports, std::cmp::Reverse((to.dst, to.dst_port)));
            if rank(&candidate) > rank(best) {
                *best = candidate;
            }
        }
        top
    }
}

impl State {
    /// The processes, those with most ports first.
    pub(super) fn processes(&self, shares: &Shares, now: u64) -> Vec<snapshot::Process> {
        let top = shares.top();
        let known = self
            .owners
            .iter()
            .map(|(id, process)| ((id, process.netns()), Some(process)));
        let unknown = shares
            .of
            .keys()
            .filter(|(id, _)| self.owners.get(*id).is_none())
            .map(|holding| (*holding, None));
        let mut rows: Vec<snapshot::Process> = known
            .chain(unknown)
            .filter_map(|(holding, process)| {
                let share = shares.of.get(&holding).copied().unwrap_or_default();
                let shown = share.ports > 0 || process.is_some_and(|process| is_news(process, now));
                let top = top.get(&holding).copied();
                shown.then(|| self.process(holding, process, share, top, now))
            })
            .collect();
        rows.sort_unstable_by(|a, b| {
            let rank = |row: &snapshot::Process| (row.ports, row.failures);
            let name = |row: &snapshot::Process| (row.holder.pid, row.netns);
            rank(b).cmp(&rank(a)).then_with(|| name(a).cmp(&name(b)))
        });
        rows
    }

    fn process(
        &self,
        (id, netns): Holding,
        process: Option<&Process>,
        share: Share,
        top: Option<Destination>,
        now: u64,
    ) -> snapshot::Process {
        // Of somebody unknown there is nothing but the ports.
        let watched = self
            .watched_from
            .zip(process.map(|process| &process.activity));
        snapshot::Process {
            holder: self.holder_of(id),
            netns,
            ports: share.ports,
            time_wait: share.time_wait,
            close_wait: share.close_wait,
            bound: share.bound,
            rates: watched.map(|(from, activity)| activity.flow.rates(from, now)),
            failures: watched.map(|(_, activity)| activity.failures),
            search: watched.and_then(|(_, activity)| activity.search()),
            hold: watched.and_then(|(_, activity)| activity.hold()),
            top,
        }
    }
}

/// Whether one that holds nothing is worth showing.
fn is_news(process: &Process, now: u64) -> bool {
    process.activity.failures > 0 || process.touched().saturating_add(spaces::IDLE) >= now
}
