//! Prints frames, one after the other.

use std::{
    io::{self, Write},
    pin::Pin,
    time::Duration,
};

use super::Frames;
use crate::{
    input::Input,
    observe::{Audience, Model, Watched, Wish, monotonic},
    views::{
        snapshot::{self, About, Tables},
        top::{Frame, batch},
    },
};

/// In which form.
#[derive(Clone, Debug)]
pub enum Form {
    /// One JSON object a line.
    Json,
    /// Tables.
    Text(Tables),
}

/// The audience that is a file or a pipe.
pub struct Printed<W> {
    out: W,
    frames: Frames,
    form: Form,
    /// Frames that are still to come; `None`: no end.
    left: Option<u64>,
    stop: Pin<Box<dyn Future<Output = ()>>>,
    /// When the next frame is due: in a replay by the time of the recording.
    next: Option<Duration>,
    /// The latest time that was heard of.
    heard: Duration,
    /// The replay is over: one more frame.
    over: bool,
    ended: bool,
}

impl<W: Write> Printed<W> {
    /// A replay has come to its end, which is shown.
    pub(super) fn replay_ended(&mut self) {
        self.over = true;
    }

    /// Bytes recorded so far.
    pub(super) fn set_recorded(&mut self, bytes: Option<u64>) {
        self.frames.recorded = bytes;
    }

    /// So many frames to a writer, which should be buffered.
    pub fn new(
        out: W,
        frames: Frames,
        form: Form,
        count: Option<u64>,
        stop: impl Future<Output = ()> + 'static,
    ) -> Self {
        Self {
            out,
            frames,
            form,
            left: count,
            stop: Box::pin(stop),
            next: None,
            heard: Duration::ZERO,
            over: false,
            ended: false,
        }
    }

    fn print(&mut self, frame: &Frame) -> io::Result<()> {
        let status = &frame.status;
        let about = About {
            kernel: &status.kernel,
            attach: status.attach.as_deref(),
            time: status.time,
            uptime: status.uptime,
            own_cost: status.own_cost,
        };
        match &self.form {
            Form::Json => snapshot::json(&mut self.out, &frame.snapshot, &about)?,
            Form::Text(tables) => batch::text(&mut self.out, frame, &about, tables)?,
        }
        self.out.flush()
    }
}

impl<W: Write> Audience for Printed<W> {
    fn hear(&mut self, input: &Input<'_>) -> io::Result<Wish> {
        self.frames.hear(input);
        self.heard = self.heard.max(input.time().unwrap_or_default());
        Ok(Wish::GoOn)
    }

    fn next_look(&self) -> Option<Duration> {
        if self.ended {
            return Some(Duration::ZERO);
        }
        self.next.filter(|_| !self.frames.are_replayed())
    }

    fn next_recorded_look(&self) -> Option<Duration> {
        self.next.filter(|_| self.frames.are_replayed())
    }

    fn look(&mut self, model: &Model, now: Duration) -> io::Result<Wish> {
        if self.ended {
            return Ok(Wish::Leave);
        }
        let replayed = self.frames.are_replayed();
        let time = if replayed { now } else { monotonic() };
        let due = self.next.is_some_and(|next| next <= time);
        if !due && !self.over {
            return Ok(Wish::GoOn);
        }
        let frame = self.frames.make(model, now);
        match self.print(&frame) {
            // The reader has what it wanted.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Wish::Leave),
            outcome => outcome?,
        }
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                return Ok(Wish::Leave);
            }
        }
        // In step, unless it cannot keep up.
        let interval = self.frames.interval;
        let next = self.next.unwrap_or_default() + interval;
        let time = if replayed { now } else { monotonic() };
        self.next = Some(if next > time { next } else { time + interval });
        Ok(if self.over { Wish::Leave } else { Wish::GoOn })
    }

    fn scanned(&mut self, watched: &Watched) -> io::Result<()> {
        self.frames.scanned(watched);
        // The first scan is over: there is something to print.
        let now = if self.frames.are_replayed() {
            self.heard
        } else {
            monotonic()
        };
        self.next.get_or_insert(now);
        Ok(())
    }

    async fn wake(&mut self) {
        (&mut self.stop).await;
        self.ended = true;
        // Not to be polled again.
        self.stop = Box::pin(std::future::pending());
    }
}

#[cfg(test)]
mod tests;
