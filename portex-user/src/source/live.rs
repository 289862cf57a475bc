//! Events of the running kernel.

use std::{io, sync::Arc, thread, time::Duration};

use bytes::BytesMut;
use log::warn;
use rustix::time::{ClockId, clock_gettime};

use super::{
    EventSource,
    order::{HOLD, Order},
};
use crate::{
    decode::decode,
    event::{Event, Losses, Owner},
    inventory::cgroups::Cgroups,
    kernel::{Ring, Session},
};

/// Ordinary events are fetched this often; a failure, but for more on the same CPU within 2 ms, or a buffer that
/// fills, is fetched at once.
const DRAIN_INTERVAL: Duration = Duration::from_millis(50);

/// Who is told of an owner.
type Early = Box<dyn FnMut(&Owner)>;

/// Bytes that are taken in one go, about: those with stacks are large.
const MOST_BYTES: usize = 16 << 20;

/// Kernel programs and their ring buffer as a source of events.
pub struct Live {
    session: Session,
    ring: Ring,
    order: Order,
    /// Samples copied out, so that their places in the ring are free again before any work is done.
    batch: BytesMut,
    /// The length of each.
    lengths: Vec<usize>,
    undecodable: u64,
    /// See [`EventSource::told_until`].
    told_until: Duration,
    /// Is told of processes whose calls fail, before the events are put in order.
    early: Option<Early>,
    /// Where somebody asks for them.
    cgroups: Option<Cgroups>,
}

impl Live {
    /// From a session that was started.
    pub fn new(session: Session, ring: Ring) -> Self {
        Self {
            session,
            ring,
            order: Order::default(),
            batch: BytesMut::new(),
            lengths: Vec::new(),
            undecodable: 0,
            told_until: monotonic(),
            early: None,
            cgroups: None,
        }
    }

    /// Tells of processes whose calls fail, where stacks are captured, as soon as it is known.
    #[must_use]
    pub fn telling_early(mut self, early: impl FnMut(&Owner) + 'static) -> Self {
        self.early = Some(Box::new(early));
        self
    }

    /// Takes in what is there. False when it had to stop before the end.
    fn take_in(&mut self) -> bool {
        self.batch.clear();
        self.lengths.clear();
        let Self {
            batch,
            lengths,
            ring,
            ..
        } = self;
        let all = ring.drain(|sample| {
            batch.extend_from_slice(sample);
            lengths.push(sample.len());
            batch.len() < MOST_BYTES
        });
        let mut rest = &self.batch[..];
        for &length in &self.lengths {
            let Some((sample, behind)) = rest.split_at_checked(length) else {
                break; // never: they were put in one by one
            };
            rest = behind;
            match decode(sample) {
                Ok(event) => {
                    if let Some(early) = &mut self.early
                        && event.capture.is_some()
                    {
                        early(&event.owner);
                    }
                    self.order.push(event);
                }
                Err(error) => {
                    self.undecodable += 1;
                    warn!("a record is left out: {error}");
                }
            }
        }
        self.session.flush_diagnostics();
        all
    }
}

impl EventSource for Live {
    async fn fill(&mut self, events: &mut Vec<Event>) -> io::Result<bool> {
        let patience = if self.order.is_empty() {
            DRAIN_INTERVAL
        } else {
            HOLD
        };
        self.ring.wait(patience).await?;
        let now = monotonic();
        // What is left in the ring may be earlier than what has been taken, by less than HOLD.
        let known_until = if self.take_in() {
            now
        } else {
            self.order.latest()
        };
        self.told_until = known_until.saturating_sub(HOLD).max(self.told_until);
        self.order.release(known_until.saturating_sub(HOLD), events);
        Ok(true)
    }

    fn finish(&mut self, events: &mut Vec<Event>) {
        self.session.detach();
        // Programs that were running when they were taken off have ended by then.
        thread::sleep(HOLD);
        while !self.take_in() {}
        self.order.release(Duration::MAX, events);
        self.told_until = monotonic();
    }

    fn told_until(&self) -> Duration {
        self.told_until
    }

    fn losses(&self) -> Losses {
        let mut losses = self.session.losses();
        losses.undecodable += self.undecodable;
        losses
    }

    fn cgroup(&mut self, owner: &Owner) -> Option<Arc<str>> {
        let cgroups = self.cgroups.get_or_insert_default();
        cgroups.path(owner.cgroup, owner.pid)
    }

    fn now(&self) -> Duration {
        monotonic()
    }
}

/// The clock of the kernel programs.
fn monotonic() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or(0),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}
