//! Where events come from.

mod explained;
mod live;
mod order;
mod replay;
mod script;

use std::{io, sync::Arc, time::Duration};

pub use explained::{Explained, Explainer};
pub use live::Live;
pub use replay::Replay;
pub use script::Script;

use crate::{
    call::Call,
    clock::Clock,
    event::{Event, Losses, Owner},
};

/// A source of events, in the order of kernel time.
#[expect(
    async_fn_in_trait,
    reason = "used within this program only, on one thread"
)]
pub trait EventSource {
    /// Waits a little, or until something is urgent, and appends what has come, if anything.
    /// Returns false when nothing will come any more. Dropping the future loses nothing.
    async fn fill(&mut self, events: &mut Vec<Event>) -> io::Result<bool>;

    /// Nobody will see what is still to come: the end need not wait for anything.
    fn give_up(&mut self) {}

    /// Ends the source and appends what was still on its way.
    fn finish(&mut self, events: &mut Vec<Event>);

    /// What was lost since the beginning.
    fn losses(&self) -> Losses;

    /// The path of the cgroup that an event's owner is in; `None` where it cannot be known.
    fn cgroup(&mut self, owner: &Owner) -> Option<Arc<str>>;

    /// What there is to tell of a failing call that was handed out last.
    fn call(&self, _event: &Event) -> Option<Arc<Call>> {
        None
    }

    /// From kernel time to the time of day.
    fn clock(&self) -> Clock {
        Clock::default()
    }

    /// Up to when everything has been handed out: what is told of now stands before what comes.
    fn told_until(&self) -> Duration {
        self.now()
    }

    /// What time it is, by `CLOCK_MONOTONIC` of where the events come from.
    fn now(&self) -> Duration;
}
