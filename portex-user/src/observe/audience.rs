//! Who follows a run while it goes on.

use std::{io, time::Duration};

use super::{Model, Watched};
use crate::input::Input;

/// What a listener wants of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wish {
    /// That it goes on.
    GoOn,
    /// That it ends in good order, after one more scan.
    End,
    /// That it ends now.
    Leave,
}

/// Follows a run: hears what the model takes in, and looks at the model now and then. An error ends
/// the run.
#[expect(
    async_fn_in_trait,
    reason = "used within this program only, on one thread"
)]
pub trait Audience {
    /// Hears what the model takes in, before it does.
    fn hear(&mut self, input: &Input<'_>) -> io::Result<Wish> {
        let _ = input;
        Ok(Wish::GoOn)
    }

    /// When it wants to look at the model, by `CLOCK_MONOTONIC`; `None`: never.
    fn next_look(&self) -> Option<Duration> {
        None
    }

    /// When it wants to look at the model of a replay, by the time of the recording; `None`: never. That
    /// look comes when all of that moment was taken in, and nothing of later, at any pace.
    fn next_recorded_look(&self) -> Option<Duration> {
        None
    }

    /// Looks at the model; `now` is its time, which in a replay is that of the recording.
    fn look(&mut self, model: &Model, now: Duration) -> io::Result<Wish> {
        let _ = (model, now);
        Ok(Wish::GoOn)
    }

    /// Hears what a scan could see and could not, after the model was corrected by it.
    fn scanned(&mut self, watched: &Watched) -> io::Result<()> {
        let _ = watched;
        Ok(())
    }

    /// Ready when [`Self::next_look`] has changed. Dropping the future loses nothing.
    async fn wake(&mut self) {
        std::future::pending::<()>().await;
    }
}

/// Nobody.
impl Audience for () {}

/// Somebody, or nobody.
impl<A: Audience> Audience for Option<A> {
    fn hear(&mut self, input: &Input<'_>) -> io::Result<Wish> {
        self.as_mut().map_or(Ok(Wish::GoOn), |who| who.hear(input))
    }

    fn next_look(&self) -> Option<Duration> {
        self.as_ref().and_then(Audience::next_look)
    }

    fn next_recorded_look(&self) -> Option<Duration> {
        self.as_ref().and_then(Audience::next_recorded_look)
    }

    fn look(&mut self, model: &Model, now: Duration) -> io::Result<Wish> {
        self.as_mut()
            .map_or(Ok(Wish::GoOn), |who| who.look(model, now))
    }

    fn scanned(&mut self, watched: &Watched) -> io::Result<()> {
        self.as_mut().map_or(Ok(()), |who| who.scanned(watched))
    }

    async fn wake(&mut self) {
        match self {
            Some(who) => who.wake().await,
            None => std::future::pending::<()>().await,
        }
    }
}

impl<A: Audience> Audience for &mut A {
    fn hear(&mut self, input: &Input<'_>) -> io::Result<Wish> {
        (**self).hear(input)
    }

    fn next_look(&self) -> Option<Duration> {
        (**self).next_look()
    }

    fn next_recorded_look(&self) -> Option<Duration> {
        (**self).next_recorded_look()
    }

    fn look(&mut self, model: &Model, now: Duration) -> io::Result<Wish> {
        (**self).look(model, now)
    }

    fn scanned(&mut self, watched: &Watched) -> io::Result<()> {
        (**self).scanned(watched)
    }

    async fn wake(&mut self) {
        (**self).wake().await;
    }
}

impl Wish {
    /// The end, if either wants it.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.max(other)
    }
}
