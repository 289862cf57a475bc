//! Reads a recording. The file is untrusted: whatever it holds, the answer is an input or an error.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
    time::Duration,
};

use anyhow::{anyhow, ensure};
use lz4_flex::frame::FrameDecoder;

use super::{
    ENTRY_HEAD, Header, MAX_ENTRY, ReadError,
    entry::{self, Kind},
    header::{FRAME_HEAD, Format, PREFIX, Prefix, judge},
    writer::name,
};
use crate::{found::Found, input::Input};

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

/// Counts what was read.
struct Counted {
    file: BufReader<Box<dyn Read + Send>>,
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
    format: Format,
    header: Header,
    /// What the entry holds that is being read.
    bytes: Vec<u8>,
    latest: Option<Duration>,
    /// Namespaces that the scan has found.
    namespaces: usize,
    ended: Option<Ended>,
}

/// Room that is made at first for an entry; those of events are smaller.
const STEP: usize = 32 << 10;

/// More namespaces than any host has. Each takes 8 KiB when it is read, of which a file may claim a
/// few bytes.
const NAMESPACES: usize = 16_384;

impl Reader {
    /// Opens a recording and reads its header. `-` is standard input.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        if path.as_os_str() == "-" {
            return Ok(Self::start(Box::new(io::stdin()), "standard input".into())?);
        }
        let name = name(path);
        let file = File::open(path).map_err(|error| {
            let hint = match error.kind() {
                io::ErrorKind::NotFound => "portex record FILE makes one",
                io::ErrorKind::PermissionDenied => "a recording is its owner's; ask for a copy",
                _ => "name a file that portex record wrote",
            };
            anyhow!("cannot replay {name}: {error}\n  what to do: {hint}")
        })?;
        ensure!(
            !file.metadata()?.is_dir(),
            "cannot replay {name}: it is a directory\n  what to do: name a file that portex record wrote"
        );
        Ok(Self::start(Box::new(file), name)?)
    }

    /// The same, from anything.
    pub(super) fn start(file: Box<dyn Read + Send>, name: String) -> Result<Self, ReadError> {
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
        let format = match judge(prefix) {
            Prefix::Fits(format) if frame == FRAME_HEAD => format,
            Prefix::Fits(_) if FRAME_HEAD.starts_with(frame) => return Err(ReadError::Empty(name)),
            Prefix::Fits(_) => {
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
        };
        let mut reader = Self {
            decoder: FrameDecoder::new(FRAME_HEAD.as_slice().chain(file)),
            name,
            format,
            header: Header::default(),
            bytes: Vec::new(),
            latest: None,
            namespaces: 0,
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
                self.count(&input)?;
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

    /// Bounds what one scan finds.
    fn count(&mut self, input: &Input<'_>) -> Result<(), ReadError> {
        match input {
            Input::ScanBegins(_) => self.namespaces = 0,
            Input::Found(found) => {
                let namespaces = found
                    .iter()
                    .filter(|one| matches!(one, Found::Namespace(_)));
                self.namespaces += namespaces.count();
            }
            _ => {}
        }
        if self.namespaces > NAMESPACES {
            return Err(self.damaged("more namespaces than any host has"));
        }
        Ok(())
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
        let read = match self.format {
            Format::Two => entry::read(kind, &self.bytes),
        };
        match read {
            Ok(read) => Ok(Some(read)),
            Err(fault) => Err(self.damaged(&fault)),
        }
    }

    /// Reads so many bytes; false where the file breaks off before. Memory is taken as they come.
    fn fill(&mut self, length: usize) -> Result<bool, ReadError> {
        let mut read = 0;
        while read < length {
            let room = read.saturating_mul(2).max(STEP);
            self.bytes.resize(length.min(room), 0);
            let rest = self.bytes.get_mut(read..).unwrap_or_default();
            match self.decoder.read(rest) {
                Ok(0) if self.is_at_end()? => return Ok(false),
                Ok(0) => return Err(self.damaged("it goes on behind its end")),
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
                Err(error) if is_of_format(&error) => {
                    return Err(self.damaged(&error.to_string()));
                }
                Err(error) => return Err(self.failed(error)),
            }
        }
        self.bytes.truncate(length);
        Ok(true)
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
