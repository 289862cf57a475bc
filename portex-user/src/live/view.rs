//! The screen or the printer.

use std::{io, time::Duration};

use super::{OnScreen, Printed};
use crate::{
    input::Input,
    observe::{Audience, Model, Watched, Wish},
};

/// Who sees the frames.
pub enum View<W> {
    /// Somebody at a terminal.
    Screen(Box<OnScreen>),
    /// A file or a pipe.
    Printed(Box<Printed<W>>),
}

impl<W: io::Write> View<W> {
    /// A replay has come to its end.
    pub fn replay_ended(&mut self) {
        match self {
            Self::Screen(view) => view.replay_ended(),
            Self::Printed(view) => view.replay_ended(),
        }
    }

    /// Bytes recorded so far.
    pub(super) fn set_recorded(&mut self, bytes: Option<u64>) {
        match self {
            Self::Screen(view) => view.set_recorded(bytes),
            Self::Printed(view) => view.set_recorded(bytes),
        }
    }
}

impl<W: io::Write> Audience for View<W> {
    fn hear(&mut self, input: &Input<'_>) -> io::Result<Wish> {
        match self {
            Self::Screen(view) => view.hear(input),
            Self::Printed(view) => view.hear(input),
        }
    }

    fn next_look(&self) -> Option<Duration> {
        match self {
            Self::Screen(view) => view.next_look(),
            Self::Printed(view) => view.next_look(),
        }
    }

    fn next_recorded_look(&self) -> Option<Duration> {
        match self {
            Self::Screen(view) => view.next_recorded_look(),
            Self::Printed(view) => view.next_recorded_look(),
        }
    }

    fn look(&mut self, model: &Model, now: Duration) -> io::Result<Wish> {
        match self {
            Self::Screen(view) => view.look(model, now),
            Self::Printed(view) => view.look(model, now),
        }
    }

    fn scanned(&mut self, watched: &Watched) -> io::Result<()> {
        match self {
            Self::Screen(view) => view.scanned(watched),
            Self::Printed(view) => view.scanned(watched),
        }
    }

    async fn wake(&mut self) {
        match self {
            Self::Screen(view) => view.wake().await,
            Self::Printed(view) => view.wake().await,
        }
    }
}
