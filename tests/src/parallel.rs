//! Doing the same to several things at once.

use std::thread::{self, ScopedJoinHandle};

use anyhow::{Result, anyhow};

/// Each on a thread of its own; the results in the order of the things.
pub(crate) fn each<T: Send, R: Send>(
    things: impl IntoIterator<Item = T>,
    act: impl Fn(T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let act = &act;
    thread::scope(|scope| {
        let threads: Vec<_> = things
            .into_iter()
            .map(|thing| scope.spawn(move || act(thing)))
            .collect();
        let join = |thread: ScopedJoinHandle<'_, Result<R>>| {
            thread.join().map_err(|_| anyhow!("a thread panicked"))?
        };
        threads.into_iter().map(join).collect()
    })
}
