//! A view that is recorded too.

use std::{io, time::Duration};

use super::View;
use crate::{
    input::Input,
    observe::{Audience, Journal, Model, Watched, Wish, monotonic},
};

/// The view, and the recording, if there is one.
pub struct Recorded<W> {
    /// The recording.
    pub journal: Option<Journal>,
    /// The view.
    pub view: View<W>,
}

impl<W: io::Write> Audience for Recorded<W> {
    fn hear(&mut self, input: &Input<'_>) -> io::Result<Wish> {
        Ok(self.journal.hear(input)?.max(self.view.hear(input)?))
    }

    fn next_look(&self) -> Option<Duration> {
        let looks = [self.journal.next_look(), self.view.next_look()];
        looks.into_iter().flatten().min()
    }

    fn look(&mut self, model: &Model, now: Duration) -> io::Result<Wish> {
        let time = monotonic();
        let due = |at: Option<Duration>| at.is_some_and(|at| at <= time);
        let mut wish = Wish::GoOn;
        if due(self.journal.next_look()) {
            wish = self.journal.look(model, now)?;
        }
        if due(self.view.next_look()) {
            let bytes = self.journal.as_ref().map(Journal::bytes);
            self.view.set_recorded(bytes);
            wish = wish.max(self.view.look(model, now)?);
        }
        Ok(wish)
    }

    fn scanned(&mut self, watched: &Watched) -> io::Result<()> {
        self.view.scanned(watched)
    }

    async fn wake(&mut self) {
        self.view.wake().await;
    }
}
