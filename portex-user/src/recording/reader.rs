//! Reads a recording. The file is untrusted: whatever it holds, the answer is an input or an error.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
    time::Duration,
};

use anyhow::Context as _;
use lz4_flex::frame::FrameDecoder;

use super::{
    ENTRY_HEAD, Header, MAX_ENTRY, VERSION,
    entry::{self, Kind},
    header::{FRAME_HEAD, PREFIX, Prefix, judge},
    writer::name,
};
use crate::input::Input;

/// How a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Properly.
    Complete,
    /// It breaks off: portex was killed, or the rest of the file is missing.
    Cut {
        /// Length of what there is.
        at_byte: u64,
    },
}

/// Why a file cannot be replayed, or no further. Names of files are escaped.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Something else.
    #[error("{0} is no recording of portex\n  what to do: portex record FILE makes one")]
    Foreign(String),
    /// Not even a header.
    #[error("{0} breaks off before anything was recorded: there is nothing to show")]
    Empty(String),
    /// Of another version.
    #[error(
        "{name} is a recording of format {found}, and this portex reads format {VERSION}\n  what to do: replay it with the portex that made it, or a newer one"
    )]
    Version {
        /// Name of the file.
        name: String,
        /// Version of its format.
        found: u16,
    },
    /// Made on a machine with the other byte order.
    #[error(
        "{0} was recorded on a machine with the other byte order\n  what to do: replay it on one of that kind"
    )]
    ByteOrder(String),
    /// Its content cannot be right.
    #[error(
        "{name} is damaged at byte {at_byte}: {what}\n  what to do: take another copy of the file"
    )]
    Damaged {
        /// Name of the file.
        name: String,
        /// Where that showed.
        at_byte: u64,
        /// What is wrong.
        what: String,
    },
    /// It cannot be read.
    #[error("cannot read {name}: {error}")]
    Io {
        /// Name of the file.
        name: String,
        /// Why.
        error: io::Error,
    },
}

/// Counts what was read.
struct Counted {
    file: BufReader<Box<dyn Read>>,
    at_byte: u64,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        self.at_byte += u64::try_from(length).unwrap_or(0);
        Ok(length)
    }
}

/// The beginning of the frame, which was looked at, and the rest of the file.
type Source = io::Chain<&'static [u8], Counted>;

/// A recording that is being read.
pub struct Reader {
    decoder: FrameDecoder<Source>,
    name: String,
    header: Header,
    /// What the entry holds that is being read.
    bytes: Vec<u8>,
    latest: Option<Duration>,
    ended: Option<Ended>,
}

impl Reader {
    /// Opens a recording and reads its header. `-` is standard input.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let name = name(path);
        let file: Box<dyn Read> = if path.as_os_str() == "-" {
            Box::new(io::stdin())
        } else {
            let file = File::open(path).with_context(|| format!("cannot replay {name}"))?;
            Box::new(file)
        };
        Ok(Self::start(file, name)?)
    }

    /// The same, from anything.
    pub(super) fn start(file: Box<dyn Read>, name: String) -> Result<Self, ReadError> {
        let mut file = Counted {
            file: BufReader::with_capacity(1 << 16, file),
            at_byte: 0,
        };
        let mut first = Vec::new();
        let head = u64::try_from(PREFIX + FRAME_HEAD.len()).unwrap_or(0);
        if let Err(error) = file.by_ref().take(head).read_to_end(&mut first) {
            return Err(ReadError::Io { name, error });
        }
        let (prefix, frame) = first.split_at_checked(PREFIX).unwrap_or((&first, &[]));
        match judge(prefix) {
            Prefix::Fits if frame == FRAME_HEAD => {}
            Prefix::Fits if FRAME_HEAD.starts_with(frame) => return Err(ReadError::Empty(name)),
            Prefix::Fits => {
                let at_byte = file.at_byte;
                let what = "compressed in a way that portex does not use".to_owned();
                return Err(ReadError::Damaged {
                    name,
                    at_byte,
                    what,
                });
            }
            Prefix::Cut => return Err(ReadError::Empty(name)),
            Prefix::Foreign => return Err(ReadError::Foreign(name)),
            Prefix::ByteOrder => return Err(ReadError::ByteOrder(name)),
            Prefix::Version(found) => return Err(ReadError::Version { name, found }),
        }
        let mut reader = Self {
            decoder: FrameDecoder::new(FRAME_HEAD.as_slice().chain(file)),
            name,
            header: Header::default(),
            bytes: Vec::new(),
            latest: None,
            ended: None,
        };
        reader.header = match reader.entry()? {
            Some(entry::Read::Header(header)) => header,
            Some(_) => return Err(reader.damaged("it does not begin with a header")),
            None => return Err(ReadError::Empty(reader.name)),
        };
        Ok(reader)
    }

    /// Where, when and how it was made.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What the model took in next; `None` at the end, see [`Self::ended`].
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator's next is no Result of an Option"
    )]
    pub fn next(&mut self) -> Result<Option<Input<'static>>, ReadError> {
        if self.ended.is_some() {
            return Ok(None);
        }
        match self.entry()? {
            Some(entry::Read::Input(input)) => {
                self.latest = self.latest.max(input.time());
                Ok(Some(input))
            }
            Some(entry::Read::Header(_)) => Err(self.damaged("a second header")),
            Some(entry::Read::End) => {
                self.ended = Some(Ended::Complete);
                Ok(None)
            }
            None => {
                let at_byte = self.at_byte();
                self.ended = Some(Ended::Cut { at_byte });
                Ok(None)
            }
        }
    }

    /// How it ended, once that is known.
    pub fn ended(&self) -> Option<Ended> {
        self.ended
    }

    /// How long after portex started the latest input was that was read.
    pub fn elapsed(&self) -> Duration {
        let started = self.header.started();
        let latest = self.latest.unwrap_or(started);
        latest.saturating_sub(started)
    }

    /// What to tell people of how it ended; `None` when it ended properly, or has not yet.
    pub fn complaint(&self) -> Option<String> {
        match self.ended {
            Some(Ended::Cut { .. }) => Some(format!(
                "the recording {} breaks off after {:.1} s: it was not ended properly; shown up to there",
                self.name,
                self.elapsed().as_secs_f64()
            )),
            Some(Ended::Complete) | None => None,
        }
    }

    fn at_byte(&self) -> u64 {
        self.decoder.get_ref().get_ref().1.at_byte
    }

    fn damaged(&self, what: &str) -> ReadError {
        ReadError::Damaged {
            name: self.name.clone(),
            at_byte: self.at_byte(),
            what: what.to_owned(),
        }
    }

    /// The next entry; `None` where the file breaks off.
    fn entry(&mut self) -> Result<Option<entry::Read>, ReadError> {
        let mut head = [0; ENTRY_HEAD];
        if !self.fill(ENTRY_HEAD)? {
            return Ok(None);
        }
        head.copy_from_slice(&self.bytes);
        let [kind, l0, l1, l2, l3] = head;
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        let Some(kind) = Kind::from_number(kind) else {
            return Err(self.damaged(&format!("an entry of the unknown kind {kind}")));
        };
        if length > MAX_ENTRY {
            return Err(self.damaged(&format!("an entry of {length} bytes")));
        }
        if !self.fill(usize::try_from(length).unwrap_or(usize::MAX))? {
            return Ok(None);
        }
        match entry::read(kind, &self.bytes) {
            Ok(read) => Ok(Some(read)),
            Err(fault) => Err(self.damaged(&fault)),
        }
    }

    /// Reads so many bytes; false where the file breaks off before. Memory is taken as they come.
    fn fill(&mut self, length: usize) -> Result<bool, ReadError> {
        self.bytes.clear();
        let most = u64::try_from(length).unwrap_or(u64::MAX);
        let outcome = (&mut self.decoder).take(most).read_to_end(&mut self.bytes);
        match outcome {
            Ok(read) if read == length => Ok(true),
            Ok(_) if self.is_at_end()? => Ok(false),
            Ok(_) => Err(self.damaged("it goes on behind its end")),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) if is_of_format(&error) => Err(self.damaged(&error.to_string())),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Whether nothing is left of the file, once the decoder has come to an end.
    fn is_at_end(&mut self) -> Result<bool, ReadError> {
        let mut one = [0];
        let more = self.decoder.get_mut().read(&mut one);
        more.map(|length| length == 0)
            .map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> ReadError {
        ReadError::Io {
            name: self.name.clone(),
            error,
        }
    }
}

/// Whether the bytes are wrong, not the reading of them.
fn is_of_format(error: &io::Error) -> bool {
    let Some(inner) = error.get_ref() else {
        return false;
    };
    inner.is::<lz4_flex::frame::Error>()
}
