//! Ending on SIGINT, SIGTERM, SIGHUP and SIGQUIT, also when nobody reads what portex writes.

use std::{io, process, thread, time::Duration};

use anyhow::Context as _;
use tokio::{
    select,
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
    time::sleep,
};

use super::{runtime, say};

/// How long what is buffered may take to be written, after a signal, and taking the programs off: on a slow
/// machine the kernel takes seconds for these (`synchronize_rcu_tasks`).
const GRACE: Duration = Duration::from_secs(10);
/// How long that and the last scan may take, and taking the programs off.
const LONG_GRACE: Duration = Duration::from_secs(30);

/// What is left to do after a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// To write what is buffered: that takes no longer than a reader makes it.
    Write,
    /// To finish the work first, however long it takes.
    Work,
    /// Both: the work writes to somebody who perhaps does not read.
    WorkAndWrite,
}

impl Rest {
    /// How long it may take, and what is said when it takes longer; `None`: for ever.
    fn grace(self) -> Option<(Duration, &'static str)> {
        match self {
            Self::Write => Some((
                GRACE,
                "portex: nobody reads what it writes; ended without the rest",
            )),
            Self::WorkAndWrite => Some((
                LONG_GRACE,
                "portex: not done 30 s after the signal, perhaps since nobody reads what it writes; ended without the rest",
            )),
            Self::Work => None,
        }
    }
}

/// Ready when the user or the system wants the program to end.
///
/// Signals are awaited on a thread of their own: the one that writes may be held up by a reader that
/// does not read. If that has not ended after a while, or at a second signal, the process is ended;
/// the kernel takes the programs off then.
pub(super) fn signals(rest: Rest) -> anyhow::Result<impl Future<Output = ()>> {
    let (ready, listening) = std::sync::mpsc::channel();
    let (tell, told) = oneshot::channel();
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            let outcome = runtime().and_then(|runtime| {
                runtime.block_on(async {
                    let mut signals = Signals::listen()?;
                    // Fails when nobody waits any more.
                    let _gone = ready.send(Ok(()));
                    signals.next().await;
                    let _gone = tell.send(());
                    select! {
                        () = signals.next() => say("portex: ended by a second signal, without the rest"),
                        why = overdue(rest) => say(why),
                    }
                    crate::views::top::restore_terminal();
                    super::log::release();
                    process::exit(1);
                })
            });
            let _gone = ready.send(outcome);
        })
        .context("listening for signals")?;
    listening
        .recv()
        .context("listening for signals")?
        .context("listening for signals")?;
    Ok(async {
        if told.await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

/// Ready when the rest has taken too long; says so.
async fn overdue(rest: Rest) -> &'static str {
    match rest.grace() {
        Some((grace, why)) => {
            sleep(grace).await;
            why
        }
        None => std::future::pending().await,
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    quit: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    async fn next(&mut self) {
        select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
            _ = self.quit.recv() => {}
        }
    }
}
