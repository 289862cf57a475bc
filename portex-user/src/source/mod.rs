//! Where events come from.

mod live;
mod order;
mod script;

use std::io;

pub use live::Live;
pub use script::Script;

use crate::event::{Event, Losses};

/// A source of events, in the order of kernel time.
#[expect(
    async_fn_in_trait,
    reason = "used within this program only, on one thread"
)]
pub trait EventSource {
    /// Waits a little, or until something is urgent, and appends what has come, if anything.
    /// Returns false when nothing will come any more. Dropping the future loses nothing.
    async fn fill(&mut self, events: &mut Vec<Event>) -> io::Result<bool>;

    /// Ends the source and appends what was still on its way.
    fn finish(&mut self, events: &mut Vec<Event>);

    /// What was lost since the beginning.
    fn losses(&self) -> Losses;
}
