//! Processes that hold ports, each known by a small number.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::{
    activity::{Activity, Budget},
    retention::Sweep,
    snapshot::Holder,
};
use crate::{event, found};

/// A process with no port and no event is forgotten after this long, in nanoseconds.
const IDLE: u64 = 300 * super::clock::SECOND;
/// Longest name kept: names of kernel threads are that long in /proc.
pub(super) const MAX_COMM: usize = 64;

/// A process in [`Owners`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct OwnerId(u32);

impl OwnerId {
    /// Nobody can know who it is.
    pub(super) const UNKNOWN: Self = Self(u32::MAX);
}

/// Who it is: a process in one namespace. One that uses several counts once in each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    netns: u32,
    pid: u32,
    /// In clock ticks since boot; 0 is unknown.
    start: u32,
}

impl Identity {
    fn of(event: &event::Event) -> Self {
        Self {
            netns: event.netns,
            pid: event.owner.pid,
            start: event.owner.start,
        }
    }
}

/// A process.
#[derive(Debug)]
pub(super) struct Process {
    identity: Identity,
    /// Id of its cgroup, 0 when no event told it.
    cgroup_id: u64,
    comm: Vec<u8>,
    cgroup: Option<Arc<str>>,
    /// Ports that it holds.
    ports: u32,
    touched: u64,
    pub(super) activity: Activity,
}

impl Process {
    pub(super) fn identity(&self) -> Identity {
        self.identity
    }

    /// Its id, and when it began.
    pub(super) fn who(&self) -> (u32, u32) {
        (self.identity.pid, self.identity.start)
    }

    pub(super) fn netns(&self) -> u32 {
        self.identity.netns
    }

    /// Path of its cgroup, where it is known.
    pub(super) fn cgroup(&self) -> Option<&Arc<str>> {
        self.cgroup.as_ref()
    }

    /// When it was last heard of.
    pub(super) fn touched(&self) -> u64 {
        self.touched
    }

    pub(super) fn holder(&self) -> Holder {
        Holder {
            pid: Some(self.identity.pid),
            comm: self.comm.clone(),
            cgroup: self.cgroup.clone(),
        }
    }

    fn named(&mut self, comm: &[u8]) {
        let comm = comm.get(..MAX_COMM).unwrap_or(comm);
        if self.comm != comm {
            self.comm.clear();
            self.comm.extend_from_slice(comm);
        }
    }
}

/// All processes.
#[derive(Debug)]
pub(super) struct Owners {
    slots: Vec<Option<Process>>,
    free: Vec<u32>,
    known: FxHashMap<Identity, OwnerId>,
    /// The latest process of each namespace and id.
    latest: FxHashMap<(u32, u32), OwnerId>,
    sweep: Sweep,
    pub(super) dropped: u64,
}

impl Owners {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            known: FxHashMap::default(),
            latest: FxHashMap::default(),
            sweep: Sweep::new(limit),
            dropped: 0,
        }
    }

    pub(super) fn get(&self, id: OwnerId) -> Option<&Process> {
        self.slots.get(usize::try_from(id.0).ok()?)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: OwnerId) -> Option<&mut Process> {
        self.slots.get_mut(usize::try_from(id.0).ok()?)?.as_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (OwnerId, &Process)> {
        (0..)
            .map(OwnerId)
            .zip(&self.slots)
            .filter_map(|(id, slot)| Some((id, slot.as_ref()?)))
    }

    /// The process of an event; `cgroup` is asked when it is new.
    pub(super) fn of_event(
        &mut self,
        event: &event::Event,
        now: u64,
        cgroup: impl FnOnce() -> Option<Arc<str>>,
        budget: &mut Budget,
    ) -> OwnerId {
        let owner = &event.owner;
        let id = self.known_of_event(event);
        let id = id.unwrap_or_else(|| self.add(Identity::of(event), now, budget));
        if let Some(process) = self.get_mut(id) {
            process.named(&owner.comm);
            process.touched = now;
            if process.cgroup_id == 0 && owner.cgroup != 0 {
                process.cgroup_id = owner.cgroup;
                if process.cgroup.is_none() {
                    process.cgroup = cgroup();
                }
            }
        }
        id
    }

    /// The process of an event, if it is there.
    pub(super) fn known_of_event(&mut self, event: &event::Event) -> Option<OwnerId> {
        self.find(Identity::of(event), |process| {
            !is_another(process, &event.owner)
        })
    }

    /// The process that a scan found a socket with.
    pub(super) fn of_found(
        &mut self,
        netns: u32,
        found: &found::Process,
        now: u64,
        budget: &mut Budget,
    ) -> OwnerId {
        let identity = Identity {
            netns,
            pid: found.pid,
            start: found.start,
        };
        let id = self.find(identity, |_| true);
        let id = id.unwrap_or_else(|| self.add(identity, now, budget));
        if let Some(process) = self.get_mut(id) {
            process.named(&found.comm);
            process.touched = now;
            if found.cgroup.is_some() {
                process.cgroup.clone_from(&found.cgroup);
            }
        }
        id
    }

    /// Who that is, unless it has been forgotten.
    pub(super) fn with(&self, identity: &Identity) -> OwnerId {
        let id = self.known.get(identity);
        id.copied().unwrap_or(OwnerId::UNKNOWN)
    }

    /// Whether it is the process that a scan found.
    pub(super) fn is(&self, id: OwnerId, found: &found::Process) -> bool {
        self.get(id).is_some_and(|process| {
            let Identity { pid, start, .. } = process.identity;
            pid == found.pid && (start == found.start || start == 0 || found.start == 0)
        })
    }

    fn find(&mut self, identity: Identity, same: impl Fn(&Process) -> bool) -> Option<OwnerId> {
        if let Some(&id) = self.known.get(&identity)
            && identity.start != 0
        {
            return Some(id);
        }
        // One of the two may lack the start: then the id and what else is known must do.
        let id = *self.latest.get(&(identity.netns, identity.pid))?;
        let process = self.get_mut(id)?;
        let comparable = identity.start == 0 || process.identity.start == 0;
        if !comparable || !same(process) {
            return None;
        }
        if process.identity.start == 0 && identity.start != 0 {
            let old = std::mem::replace(&mut process.identity, identity);
            self.known.remove(&old);
            self.known.insert(identity, id);
        }
        Some(id)
    }

    fn add(&mut self, identity: Identity, now: u64, budget: &mut Budget) -> OwnerId {
        let len = self.slots.len() - self.free.len();
        if self.sweep.is_due(len, now) {
            self.retire(now.saturating_sub(IDLE), now, budget);
            let len = self.slots.len() - self.free.len();
            if len >= self.sweep.limit {
                // Better without the past of those that hold nothing than without a new one.
                self.retire(now, now, budget);
                self.dropped += (len + self.free.len() - self.slots.len()) as u64;
            }
        }
        if self.slots.len() - self.free.len() >= self.sweep.limit {
            self.dropped += 1;
            return OwnerId::UNKNOWN;
        }
        let process = Process {
            identity,
            cgroup_id: 0,
            comm: Vec::new(),
            cgroup: None,
            ports: 0,
            touched: now,
            activity: Activity::default(),
        };
        let id = if let Some(id) = self.free.pop() {
            if let Some(slot) = self.slots.get_mut(id as usize) {
                *slot = Some(process);
            }
            OwnerId(id)
        } else {
            let Ok(id) = u32::try_from(self.slots.len()) else {
                return OwnerId::UNKNOWN;
            };
            self.slots.push(Some(process));
            OwnerId(id)
        };
        self.known.insert(identity, id);
        self.latest.insert((identity.netns, identity.pid), id);
        id
    }

    /// It holds one port more.
    pub(super) fn take(&mut self, id: OwnerId) {
        if let Some(process) = self.get_mut(id) {
            process.ports = process.ports.saturating_add(1);
        }
    }

    /// It holds one port less.
    pub(super) fn give(&mut self, id: OwnerId, now: u64) {
        if let Some(process) = self.get_mut(id) {
            process.ports = process.ports.saturating_sub(1);
            process.touched = process.touched.max(now);
        }
    }

    /// Forgets processes that hold nothing and were not heard of since `before`.
    pub(super) fn retire(&mut self, before: u64, now: u64, budget: &mut Budget) {
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let Some(process) = slot else { continue };
            if process.ports > 0 || process.touched >= before {
                continue;
            }
            let identity = process.identity;
            process.activity.retire(budget);
            *slot = None;
            let Ok(index) = u32::try_from(index) else {
                continue;
            };
            self.known.remove(&identity);
            let latest = (identity.netns, identity.pid);
            if self.latest.get(&latest) == Some(&OwnerId(index)) {
                self.latest.remove(&latest);
            }
            self.free.push(index);
        }
        self.sweep.done(self.slots.len() - self.free.len(), now);
    }

    /// As [`Self::retire`], of those idle for long enough.
    pub(super) fn retire_idle(&mut self, now: u64, budget: &mut Budget) {
        self.retire(now.saturating_sub(IDLE), now, budget);
    }
}

/// Without the time of its start, a process that has the same id, but another name and another cgroup,
/// is taken for another one: threads and execve() change the name alone.
fn is_another(process: &Process, owner: &event::Owner) -> bool {
    process.cgroup_id != 0
        && owner.cgroup != 0
        && process.cgroup_id != owner.cgroup
        && process.comm[..] != owner.comm[..]
}
