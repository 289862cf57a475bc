//! A thread that scans when asked, while events go on.

use std::{io, sync::mpsc, thread};

use tokio::sync::mpsc as channel;

use super::{
    monotonic,
    scan::{Scanned, Walks, scan},
};
use crate::{found::Found, inventory::Look};

/// Batches that may wait to be taken.
const WAITING: usize = 4;

/// What the scanner has to say.
#[derive(Debug)]
pub(super) enum Message {
    /// Part of what was found.
    Batch(Vec<Found>),
    /// The scan is over.
    Ended {
        /// When, by `CLOCK_MONOTONIC`.
        at: std::time::Duration,
        /// What came of it.
        scanned: Scanned,
        /// Why binds cannot be walked, if so.
        refusal: Option<String>,
    },
}

/// The thread, seen from outside. It ends when this is dropped.
pub struct Scanner {
    ask: mpsc::Sender<()>,
    messages: channel::Receiver<Message>,
}

impl Scanner {
    /// Starts it. It keeps the capabilities that the calling thread has now.
    pub fn start(look: Look) -> io::Result<Self> {
        let (ask, asked) = mpsc::channel();
        let (sender, messages) = channel::channel(WAITING);
        thread::Builder::new()
            .name("portex-scan".into())
            .spawn(move || run(look, &asked, &sender))?;
        Ok(Self { ask, messages })
    }

    /// Asks for one scan.
    pub(super) fn ask(&self) {
        // A scanner that has ended shows in `next`.
        let _ended = self.ask.send(());
    }

    /// What comes next; `None` when the thread has ended.
    pub(super) async fn next(&mut self) -> Option<Message> {
        self.messages.recv().await
    }
}

fn run(look: Look, asked: &mpsc::Receiver<()>, sender: &channel::Sender<Message>) {
    let mut walks = Walks::default();
    while asked.recv().is_ok() {
        let scanned = scan(&look, &mut walks, &mut |batch| {
            // Nobody listens when portex ends.
            let _ended = sender.blocking_send(Message::Batch(batch));
        });
        let ended = Message::Ended {
            at: monotonic(),
            scanned,
            refusal: walks.refusal().map(ToString::to_string),
        };
        if sender.blocking_send(ended).is_err() {
            return;
        }
    }
}
