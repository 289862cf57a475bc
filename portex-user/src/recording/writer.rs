//! Writes a recording: never longer than it may be, and whole up to the last flush whatever happens.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Write},
    os::fd::AsFd as _,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{bail, ensure};
use lz4_flex::frame::FrameEncoder;

use super::{
    ENTRY_HEAD, Header,
    entry::{self, Entry, Fault},
    file,
    header::{BLOCK, frame, prefix},
};
use crate::{escape, input::Input};

/// What is gathered is written at least this often, so that no more is lost with portex.
const FLUSH: Duration = Duration::from_millis(500);
/// Size and checksum of a block.
const BLOCK_HEAD: u64 = 8;
/// Room that is kept for the end: a block with the last two entries, of which one has a varint of 10
/// bytes, and the end of the frame.
const RESERVE: u64 = BLOCK_HEAD + 2 * ENTRY_HEAD as u64 + 10 + 4;

/// Whether there is room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// There is.
    Left,
    /// There is not: this and what follows is not written.
    Full,
}

/// What was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Bytes of the recording.
    pub bytes: u64,
    /// Events in it.
    pub events: u64,
    /// Whether it had room for all.
    pub room: Room,
    /// What a replay comes to, by `CLOCK_MONOTONIC`.
    pub at: Duration,
}

/// A recording that is being written.
pub struct Writer {
    encoder: FrameEncoder<Vec<u8>>,
    out: Box<dyn Write>,
    /// For messages, escaped.
    name: String,
    most: u64,
    /// Bytes in the file.
    written: u64,
    /// Bytes in the encoder that are no block yet.
    pending: u64,
    flushed: Instant,
    entry: Entry,
    events: u64,
    /// Time of the latest input that was written.
    latest: Duration,
    room: Room,
    broken: bool,
}

impl Writer {
    /// Begins a recording of up to `max_size` bytes in a new file that only its owner can read; with
    /// `force` an existing regular file is replaced. `-` is standard output.
    pub fn create(
        path: &Path,
        header: &Header,
        max_size: u64,
        force: bool,
    ) -> anyhow::Result<Self> {
        let mut name = name(path);
        let out: Box<dyn Write> = if path.as_os_str() == "-" {
            "standard output".clone_into(&mut name);
            ensure!(
                !io::stdout().is_terminal(),
                "a recording is no text for a terminal\n  what to do: write it to a file or a pipe"
            );
            // Not by the standard library's buffer, which writes line by line.
            Box::new(File::from(io::stdout().as_fd().try_clone_to_owned()?))
        } else {
            Box::new(file::create(path, &name, force)?)
        };
        Self::start(out, name, header, max_size)
    }

    /// The same, to anything.
    pub(super) fn start(
        out: Box<dyn Write>,
        name: String,
        header: &Header,
        most: u64,
    ) -> anyhow::Result<Self> {
        let mut writer = Self {
            encoder: FrameEncoder::with_frame_info(frame(), Vec::new()),
            out,
            name,
            most,
            written: 0,
            pending: 0,
            flushed: Instant::now(),
            entry: Entry::default(),
            events: 0,
            latest: header.started(),
            room: Room::Left,
            broken: false,
        };
        let mut entry = Entry::default();
        let bytes = entry.header(header).map_err(anyhow::Error::msg)?;
        // Prefix and beginning of the frame are counted when they are written.
        let least = 64 + RESERVE + u64::try_from(bytes.len())?;
        if most < least {
            bail!("--max-size is too small for any recording\n  what to do: 64K, or more");
        }
        writer.encoder.get_mut().extend(prefix());
        writer.put(bytes).and_then(|_| writer.flush())?;
        Ok(writer)
    }

    /// Records what the model takes in.
    pub fn write(&mut self, input: &Input<'_>) -> io::Result<Room> {
        if self.room == Room::Full {
            return Ok(Room::Full);
        }
        let mut entry = std::mem::take(&mut self.entry);
        let written = entry.of(input, |bytes, time| {
            let taken = self.put(bytes)?;
            if taken {
                self.latest = self.latest.max(time.unwrap_or_default());
            }
            Ok(taken)
        });
        self.entry = entry;
        written.map_err(Failed::into_io)?;
        if self.room == Room::Left {
            self.tick()?;
        }
        Ok(self.room)
    }

    /// Writes what was gathered, if it has been waiting for half a second. To be called that often.
    pub fn tick(&mut self) -> io::Result<()> {
        if self.flushed.elapsed() >= FLUSH {
            self.flush()?;
        }
        Ok(())
    }

    /// Bytes that the file has.
    pub fn bytes(&self) -> u64 {
        self.written
    }

    /// Ends the recording: a snapshot was taken at `at`, which is what a replay shows in the end. One
    /// that had no room for all shows the last moment that it knows.
    pub fn finish(mut self, at: Duration) -> io::Result<Summary> {
        let at = match self.room {
            Room::Left => at,
            Room::Full => self.latest,
        };
        let mut entry = std::mem::take(&mut self.entry);
        // The room for both was kept.
        let ended = entry
            .of(&Input::Snapshot(at), |bytes, _| {
                self.append(bytes).map_err(Failed::Write)?;
                Ok(true)
            })
            .and_then(|()| Ok(self.append(entry.end_mark()?)?))
            .and_then(|()| Ok(self.encoder.try_finish().map_err(io::Error::from)?));
        ended.map_err(Failed::into_io)?;
        self.pass_on()?;
        Ok(Summary {
            bytes: self.written,
            events: self.events,
            room: self.room,
            at,
        })
    }

    /// Takes in an entry, if there is room for it. False when there is not.
    fn put(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if !self.has_room(length) {
            // What is pending counts as if it could not be compressed.
            self.flush()?;
        }
        if self.has_room(length) {
            self.append(bytes)?;
            self.events += entry::events_in(bytes);
            Ok(true)
        } else {
            self.room = Room::Full;
            Ok(false)
        }
    }

    /// Whether the file would not be too long even if nothing more could be compressed.
    fn has_room(&self, more: u64) -> bool {
        let raw = self.pending.saturating_add(more);
        let blocks = raw.div_ceil(BLOCK).saturating_mul(BLOCK_HEAD);
        let gathered = u64::try_from(self.encoder.get_ref().len()).unwrap_or(u64::MAX);
        [gathered, raw, blocks, RESERVE]
            .into_iter()
            .try_fold(self.written, u64::checked_add)
            .is_some_and(|length| length <= self.most)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.encoder.write_all(bytes)?;
        self.pending += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if self.pending > BLOCK {
            // The encoder makes a block when more comes than it takes.
            self.pending = (self.pending - 1) % BLOCK + 1;
            self.pass_on()?;
        }
        Ok(())
    }

    /// Writes what was gathered: it stays readable whatever happens then.
    pub fn flush(&mut self) -> io::Result<()> {
        self.encoder.flush()?;
        self.pending = 0;
        self.flushed = Instant::now();
        self.pass_on()
    }

    /// Whole blocks to the file.
    fn pass_on(&mut self) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other("the recording has ended with an error"));
        }
        let blocks = self.encoder.get_mut();
        let outcome = self.out.write_all(blocks).and_then(|()| self.out.flush());
        self.written += u64::try_from(blocks.len()).unwrap_or(u64::MAX);
        blocks.clear();
        outcome.map_err(|error| {
            self.broken = true;
            let hint = match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    "\n  what to do: make room, or record to another file system"
                }
                _ => "",
            };
            let text = format!(
                "cannot write the recording to {}: {error}; what was written before can be replayed{hint}",
                self.name
            );
            io::Error::new(error.kind(), text)
        })
    }
}

/// What can go wrong with an entry.
enum Failed {
    Entry(Fault),
    Write(io::Error),
}

impl Failed {
    fn into_io(self) -> io::Error {
        match self {
            Self::Write(error) => error,
            Self::Entry(fault) => io::Error::other(fault),
        }
    }
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self::Entry(fault)
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

/// The name of a file, as it can be shown.
pub(super) fn name(path: &Path) -> String {
    escape::text(path.as_os_str().as_encoded_bytes())
}
