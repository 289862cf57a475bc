//! The latest failed allocations.

use std::{collections::VecDeque, net::IpAddr, sync::Arc, time::Duration};

use super::{
    State,
    address::Address,
    clock,
    owners::{Identity, Owners, Process},
    snapshot::Holder,
    space::Key,
};
use crate::event::{BindCall, Cause, Comm, Event, Proto, Restrictions};

/// How many failures are kept, some 250 bytes each.
pub(super) const MOST: usize = 512;

/// The call that got no port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailedCall {
    /// connect(2) of TCP.
    Connect,
    /// One that binds.
    Bind(BindCall),
}

impl FailedCall {
    /// Name in every output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Bind(call) => call.name(),
        }
    }
}

/// A call that got no port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// When, by `CLOCK_MONOTONIC`.
    pub time: Duration,
    /// Inode number of the namespace.
    pub netns: u32,
    /// Protocol of the socket.
    pub proto: Proto,
    /// Which call it was.
    pub call: FailedCall,
    /// Who called.
    pub holder: Holder,
    /// Its thread.
    pub tid: u32,
    /// Source address; unspecified when there was none.
    pub src: IpAddr,
    /// Source port, where a bind had chosen one; the one asked for, of a bind to a number.
    pub src_port: Option<u16>,
    /// Destination address; unspecified of a bind.
    pub dst: IpAddr,
    /// Destination port; 0 of a bind.
    pub dst_port: u16,
    /// Device that the socket is bound to (interface index), 0 for none.
    pub dev: u32,
    /// Error number, positive.
    pub errno: u16,
    /// Why.
    pub cause: Cause,
    /// Duration of the port search, where it could be measured.
    pub search: Option<Duration>,
}

/// The latest failures, of every cause: the oldest first.
#[derive(Debug, Default)]
pub(super) struct Log(VecDeque<Entry>);

/// How a call failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    pub(super) call: FailedCall,
    pub(super) errno: u16,
    pub(super) cause: Cause,
    pub(super) search: Option<Duration>,
    pub(super) restrictions: Restrictions,
}

impl State {
    /// Every failure is remembered, but only exhaustion says something of the space or pool and counts.
    pub(super) fn fail(
        &mut self,
        event: &Event,
        refusal: Refusal,
        cgroup: impl FnOnce() -> Option<Arc<str>>,
    ) {
        if !refusal.cause.is_exhaustion() {
            let owner = self.owners.known_of_event(event);
            let process = owner.and_then(|owner| self.owners.get(owner));
            self.failures.note(event, refusal, process, cgroup);
            return;
        }
        let Refusal {
            search,
            restrictions,
            ..
        } = refusal;
        let now = clock::nanos(event.time);
        let key = Key::of_event(event, restrictions.dev);
        let owner = self.owners.of_event(event, now, cgroup, &mut self.budget);
        if refusal.call != FailedCall::Connect {
            self.refused_binds.note(event, now);
        } else if let Some(space) = self.spaces.open(key, now, &mut self.budget) {
            let row = space.row(restrictions, &mut self.budget);
            if let Some(activity) = space.activity(row, now) {
                activity.failed(search, now, &mut self.budget);
            }
        }
        if let Some(process) = self.owners.get_mut(owner) {
            process.activity.failed(search, now, &mut self.budget);
        }
        let process = self.owners.get(owner);
        self.failures.note(event, refusal, process, || None);
    }
}

/// A failure as it is kept: what the process was called then, and how to find it now.
#[derive(Debug)]
struct Entry {
    time: Duration,
    netns: u32,
    proto: Proto,
    /// Of the process in the table; `None` when it was not there.
    identity: Option<Identity>,
    pid: u32,
    tid: u32,
    comm: Comm,
    cgroup_id: u64,
    cgroup: Option<Arc<str>>,
    src: Address,
    src_port: Option<u16>,
    dst: Address,
    dst_port: u16,
    refusal: Refusal,
}

impl Log {
    /// Notes a failure of a process, which may be in the table of processes; `cgroup` is asked where
    /// that does not tell it. Once the log is full, the buffers of the oldest are used again.
    pub(super) fn note(
        &mut self,
        event: &Event,
        refusal: Refusal,
        process: Option<&Process>,
        cgroup: impl FnOnce() -> Option<Arc<str>>,
    ) {
        let owner = &event.owner;
        let latest = self.0.back();
        // One that fails once is likely to fail again.
        let again = latest.filter(|entry| entry.cgroup_id == owner.cgroup && owner.cgroup != 0);
        let cgroup = match (process.and_then(Process::cgroup), again) {
            (Some(known), _) => Some(Arc::clone(known)),
            (None, Some(entry)) => entry.cgroup.clone(),
            (None, None) => cgroup(),
        };
        if self.0.len() >= MOST {
            self.0.pop_front();
        }
        self.0.push_back(Entry {
            time: event.time,
            netns: event.netns,
            proto: event.proto,
            identity: process.map(Process::identity),
            pid: owner.pid,
            tid: owner.tid,
            comm: owner.comm,
            cgroup_id: owner.cgroup,
            cgroup,
            src: event.src.into(),
            src_port: event.src_port,
            dst: event.dst.into(),
            dst_port: event.dst_port,
            refusal,
        });
    }

    /// All of them, the latest first.
    pub(super) fn latest(&self, owners: &Owners) -> Vec<Failure> {
        let entries = self.0.iter().rev();
        entries.map(|entry| entry.failure(owners)).collect()
    }
}

impl Entry {
    fn failure(&self, owners: &Owners) -> Failure {
        // A scan may have told the cgroup since.
        let identity = self.identity.as_ref();
        let process = identity.and_then(|identity| owners.get(owners.with(identity)));
        let now = process.and_then(Process::cgroup);
        let Refusal {
            call,
            errno,
            cause,
            search,
            restrictions,
        } = self.refusal;
        Failure {
            time: self.time,
            netns: self.netns,
            proto: self.proto,
            call,
            holder: Holder {
                pid: Some(self.pid),
                comm: self.comm.to_vec(),
                cgroup: now.or(self.cgroup.as_ref()).cloned(),
            },
            tid: self.tid,
            src: self.src.ip(),
            src_port: self.src_port,
            dst: self.dst.ip(),
            dst_port: self.dst_port,
            dev: restrictions.dev,
            errno,
            cause,
            search,
        }
    }
}
