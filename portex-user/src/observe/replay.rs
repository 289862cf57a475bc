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
    recording::{Ahead, Ended, Pace, Pacer},
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
/// `stop` is ready or the audience does not want more. The audience hears as in
/// [`watch`](super::watch()); it looks when that is due by this machine's clock or by the time of the
/// recording, and what it is told is the latter.
pub async fn replay<A: Audience>(
    inputs: &mut Ahead,
    mut pace: watch::Receiver<Pace>,
    model: &mut Model,
    audience: &mut A,
    stop: impl Future<Output = ()>,
) -> io::Result<Replayed> {
    pin!(stop);
    let mut run = Run {
        at: inputs.header().started(),
        shown: None,
        pace: *pace.borrow(),
        pacer: None,
        steps: 0,
        model,
        audience,
    };
    // A change wakes the replay, as long as somebody is there to make one.
    let mut controlled = true;
    let mut next = None;
    loop {
        let now = Instant::now();
        let mut wish = Wish::GoOn;
        let mut until = None;
        if let Some(input) = next.take() {
            // It may have changed in any way: the audience itself can change it.
            run.keep_pace(*pace.borrow_and_update(), now, &input);
            match run.step(now, &input) {
                Step::Take => wish = run.take(input)?,
                Step::Look(at) => {
                    wish = run.look(at)?;
                    next = Some(input);
                    until = Some(now);
                }
                Step::Wait(moment) => {
                    next = Some(input);
                    until = Some(moment);
                }
            }
        }
        wish = wish.max(run.look_if_due()?);
        if wish != Wish::GoOn {
            return Ok(run.over(None));
        }
        let look = run.audience.next_look().map(moment);
        let until = look.into_iter().chain(until).min();
        select! {
            biased;
            () = &mut stop => return Ok(run.over(None)),
            () = run.audience.wake() => {}
            changed = pace.changed(), if controlled => controlled = changed.is_ok(),
            input = inputs.next(), if next.is_none() => match input? {
                None => return Ok(run.over(inputs.ended())),
                input => next = input,
            },
            () = sleep_until(until.unwrap_or(now).into()), if until.is_some() => {}
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

/// What comes next in a replay.
enum Step {
    /// The input.
    Take,
    /// A look that is due before, at that time of the recording.
    Look(Duration),
    /// Nothing, until then.
    Wait(Instant),
}

/// Looks by the time of the recording while it tells of nothing; a file may claim gaps of years.
const STEPS: u32 = 10_000;

struct Run<'a, A> {
    model: &'a mut Model,
    audience: &'a mut A,
    /// How fast it goes.
    pace: Pace,
    /// Set by the first input that has a time, and anew when the pace changes.
    pacer: Option<Pacer>,
    /// The moment of the recording.
    at: Duration,
    /// Looks by the time of the recording since the latest input.
    steps: u32,
    /// Time of the latest snapshot, while nothing came after it.
    shown: Option<Duration>,
}

impl<A: Audience> Run<'_, A> {
    /// Goes on at another pace from where time has come to by now.
    fn keep_pace(&mut self, pace: Pace, now: Instant, next: &Input<'_>) {
        if pace != self.pace {
            if let Some(next) = next.time() {
                self.pass(now, next);
            }
            self.pace = pace;
            self.pacer = None;
        }
    }

    /// Time passes, up to that of the next input.
    fn pass(&mut self, now: Instant, next: Duration) {
        let recorded = self.pacer.and_then(|pacer| pacer.recorded(now));
        if let Some(recorded) = recorded {
            self.at = self.at.max(recorded.min(next));
        }
    }

    /// What comes next, when this is the next input.
    fn step(&mut self, now: Instant, input: &Input<'_>) -> Step {
        let Some(time) = input.time() else {
            return Step::Take;
        };
        let from = if self.model.latest().is_zero() {
            time
        } else {
            self.at
        };
        let pace = self.pace;
        let pacer = *self.pacer.get_or_insert_with(|| Pacer::new(pace, from));
        let due = pacer.due(time).filter(|due| *due > now);
        if due.is_some() {
            self.pass(now, time);
        }
        let look = self.audience.next_recorded_look();
        match (look.filter(|look| *look < time), due) {
            (None, None) => Step::Take,
            (None, Some(due)) => Step::Wait(due),
            // The last one is that before the input.
            (Some(_), None) if self.steps >= STEPS => {
                Step::Look(time.saturating_sub(Duration::from_nanos(1)))
            }
            (Some(look), None) => Step::Look(look),
            (Some(look), Some(_)) if look <= self.at => Step::Look(look),
            (Some(look), Some(due)) => Step::Wait(pacer.due(look).unwrap_or(due)),
        }
    }

    /// A look by the time of the recording.
    fn look(&mut self, at: Duration) -> io::Result<Wish> {
        self.steps = self.steps.saturating_add(1);
        self.at = self.at.max(at);
        self.audience.look(self.model, at)
    }

    fn take(&mut self, input: Input<'_>) -> io::Result<Wish> {
        let wish = self.audience.hear(&input)?;
        self.steps = 0;
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
