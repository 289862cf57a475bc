//! A recording into the model, at a pace.

use std::{
    io,
    time::{Duration, Instant},
};

use tokio::{pin, select, sync::watch, time::sleep_until};

use super::{Audience, Model, Scanned, Watched, Wish, monotonic};
use crate::{
    input::Input,
    inventory::Report,
    recording::{Ended, Pace, Pacer, Reader},
};

/// What came of a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// The moment that it has come to, by the recording's `CLOCK_MONOTONIC`: at its end, that of the
    /// snapshot that was taken last, else of what was recorded last.
    pub at: Duration,
    /// How the recording ended; `None`: the replay was stopped before.
    pub ended: Option<Ended>,
}

/// Gives the model what it took in then, as fast as the latest `pace` says, until the recording ends,
/// `stop` is ready or the audience does not want more. The audience hears and looks as in
/// [`watch`](super::watch()): looks are due by this machine's clock, and what they are told is the time
/// of the recording.
pub async fn replay<A: Audience>(
    reader: &mut Reader,
    mut pace: watch::Receiver<Pace>,
    model: &mut Model,
    audience: &mut A,
    stop: impl Future<Output = ()>,
) -> io::Result<Replayed> {
    pin!(stop);
    let mut run = Run {
        at: reader.header().started(),
        shown: None,
        pacer: None,
        model,
        audience,
    };
    // A change wakes the replay, as long as somebody is there to make one.
    let mut controlled = true;
    let mut next = None;
    loop {
        if next.is_none() {
            next = reader.next().map_err(io::Error::other)?;
        }
        let Some(input) = next.take() else {
            return Ok(run.over(reader.ended()));
        };
        let now = Instant::now();
        let due = run.due(&input, *pace.borrow_and_update());
        let wait = due.is_some_and(|due| due > now);
        let mut wish = Wish::GoOn;
        if wait {
            run.pass(now, input.time());
            next = Some(input);
        } else {
            wish = run.take(input)?;
        }
        wish = wish.max(run.look_if_due()?);
        if wish != Wish::GoOn {
            return Ok(run.over(None));
        }
        let until = due.filter(|_| wait).map_or(now, |due| run.until(due));
        select! {
            biased;
            () = &mut stop => return Ok(run.over(None)),
            () = run.audience.wake() => {}
            changed = pace.changed(), if controlled => {
                controlled = changed.is_ok();
                run.pacer = None;
            }
            () = sleep_until(until.into()), if wait => {}
            () = std::future::ready(()), if !wait => {}
        }
    }
}

/// Shows what a replay has come to, at once and whenever it is asked for, until the audience leaves or
/// `stop` is ready.
pub async fn linger<A: Audience>(
    at: Duration,
    model: &Model,
    audience: &mut A,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    pin!(stop);
    let mut wish = audience.look(model, at)?;
    while wish == Wish::GoOn {
        let look = audience.next_look().map(moment);
        let due = async {
            match look {
                Some(look) => sleep_until(look.into()).await,
                None => std::future::pending().await,
            }
        };
        select! {
            biased;
            () = &mut stop => return Ok(()),
            () = audience.wake() => {}
            () = due => wish = audience.look(model, at)?,
        }
    }
    Ok(())
}

struct Run<'a, A> {
    model: &'a mut Model,
    audience: &'a mut A,
    /// Set by the first input that has a time, and anew when the pace changes.
    pacer: Option<Pacer>,
    /// The moment of the recording.
    at: Duration,
    /// Time of the latest snapshot, while nothing came after it.
    shown: Option<Duration>,
}

impl<A: Audience> Run<'_, A> {
    /// When an input is due; `None`: at once.
    fn due(&mut self, input: &Input<'_>, pace: Pace) -> Option<Instant> {
        let time = input.time()?;
        let from = if self.model.latest().is_zero() {
            time
        } else {
            self.at
        };
        let pacer = self.pacer.get_or_insert_with(|| Pacer::new(pace, from));
        pacer.due(time)
    }

    /// Time passes, up to that of the next input.
    fn pass(&mut self, now: Instant, next: Option<Duration>) {
        let recorded = self.pacer.and_then(|pacer| pacer.recorded(now));
        if let Some(recorded) = recorded {
            let recorded = next.map_or(recorded, |next| recorded.min(next));
            self.at = self.at.max(recorded);
        }
    }

    fn take(&mut self, input: Input<'_>) -> io::Result<Wish> {
        let wish = self.audience.hear(&input)?;
        if let Some(time) = input.time() {
            self.at = self.at.max(time);
        }
        self.shown = match input {
            Input::Snapshot(at) => Some(at),
            _ => None,
        };
        let ends = match input {
            Input::ScanEnds { sight, .. } => Some(sight),
            _ => None,
        };
        self.model.take(input);
        if let Some(sight) = ends {
            // Why something could not be seen is not recorded.
            self.audience.scanned(&Watched {
                scanned: Scanned {
                    sight,
                    report: Report {
                        sight,
                        ..Report::default()
                    },
                },
                refusal: None,
            })?;
        }
        Ok(wish)
    }

    fn look_if_due(&mut self) -> io::Result<Wish> {
        let due = self.audience.next_look();
        if due.is_some_and(|due| due <= monotonic()) {
            self.audience.look(self.model, self.at)
        } else {
            Ok(Wish::GoOn)
        }
    }

    /// When to wake: at the latest when the next input is due.
    fn until(&self, due: Instant) -> Instant {
        let look = self.audience.next_look().map(moment);
        look.map_or(due, |look| look.min(due))
    }

    fn over(&self, ended: Option<Ended>) -> Replayed {
        Replayed {
            at: self.shown.unwrap_or(self.at),
            ended,
        }
    }
}

/// A moment by `CLOCK_MONOTONIC`, as the runtime has them.
fn moment(at: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(at.saturating_sub(monotonic()))
        .unwrap_or(now)
}

#[cfg(test)]
mod tests;
