//! The audience that records.

use std::{io, time::Duration};

use super::{Audience, Model, Wish, monotonic};
use crate::{
    clock::Clock,
    input::Input,
    recording::{Room, Summary, Writer},
};

/// Time between two such looks: far below that after which it is written.
const INTERVAL: Duration = Duration::from_millis(250);

/// Writes down what the model takes in.
pub struct Journal {
    writer: Writer,
    /// What it wants when there is no room for more.
    when_full: Wish,
    /// The reader of the pipe has gone: nothing more is written.
    closed: bool,
    /// The one that the recording knows.
    clock: Clock,
    /// When it looks next whether something waits to be written, by `CLOCK_MONOTONIC`.
    next: Duration,
}

impl Journal {
    /// To this recording; when it is full, `when_full` is wished.
    pub fn new(writer: Writer, when_full: Wish) -> Self {
        Self {
            writer,
            when_full,
            closed: false,
            clock: Clock::default(),
            next: Duration::ZERO,
        }
    }

    /// Bytes that were written.
    pub fn bytes(&self) -> u64 {
        self.writer.bytes()
    }

    /// Ends the recording with a snapshot of that moment. `None`: its reader has gone.
    pub fn finish(self, at: Duration) -> io::Result<Option<Summary>> {
        if self.closed {
            return Ok(None);
        }
        match self.writer.finish(at) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(None),
            summary => summary.map(Some),
        }
    }

    /// What follows from the outcome of a write.
    fn judge(&mut self, outcome: io::Result<Room>) -> io::Result<Wish> {
        match outcome {
            Ok(Room::Left) => Ok(Wish::GoOn),
            Ok(Room::Full) => Ok(self.when_full),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(Wish::Leave)
            }
            Err(error) => Err(error),
        }
    }
}

impl Audience for Journal {
    fn hear(&mut self, input: &Input<'_>) -> io::Result<Wish> {
        if self.closed {
            return Ok(Wish::Leave);
        }
        let outcome = self.writer.write(input);
        self.judge(outcome)
    }

    fn next_look(&self) -> Option<Duration> {
        Some(self.next)
    }

    /// What was gathered is written, also while nothing happens.
    fn look(&mut self, _model: &Model, _now: Duration) -> io::Result<Wish> {
        self.next = monotonic() + INTERVAL;
        let before = self.clock.offset();
        self.clock.follow();
        let offset = self.clock.offset();
        if offset != before && !self.closed {
            let offset = i64::try_from(offset).unwrap_or(i64::MAX);
            let outcome = self.writer.write(&Input::Clock(offset));
            return self.judge(outcome);
        }
        let outcome = self.writer.tick().map(|()| Room::Left);
        self.judge(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::samples::{replay, writer};

    #[test]
    fn a_step_of_the_clock_is_recorded_once() {
        let (writer, memory) = writer(1 << 20);
        let mut journal = Journal::new(writer, Wish::GoOn);
        // As if it were 1970 until now.
        journal.clock = Clock::at(Duration::ZERO);
        let model = Model::default();
        for _ in 0..3 {
            journal.look(&model, Duration::ZERO).expect("memory");
        }
        journal.finish(Duration::from_secs(111)).expect("memory");
        let (read, _) = replay(memory.bytes()).expect("whole");
        let steps: Vec<i64> = read
            .iter()
            .filter_map(|input| match input {
                Input::Clock(offset) => Some(*offset),
                _ => None,
            })
            .collect();
        assert_eq!(steps.len(), 1, "{steps:?}");
        assert!(steps[0] > 0);
    }
}
