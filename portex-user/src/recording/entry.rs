//! Inputs to entries and back. What is read is untrusted: it is bounded before anything is made of it,
//! and the model gets nothing that could not have been seen.

use std::{borrow::Cow, sync::Arc, time::Duration};

use portex_common::Record;
use serde::{Serialize, de::DeserializeOwned};

use super::{ENTRY_HEAD, Header, bounds, nanos};
use crate::{
    decode::{decode, encode},
    event::{Event, Losses},
    found::{Found, Sight},
    input::Input,
};

/// Events of an entry: what is lost with the last one, when there is no room.
const EVENTS: usize = 128;
/// Things found of an entry, as it is written.
const FOUND: usize = 64;
/// And as it is read: other versions may write more. A namespace takes 8 KiB then, of which a file may
/// claim a few bytes.
const MOST_FOUND: usize = 1_024;
/// What an entry is; see [`super`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Header = 1,
    Watch = 2,
    Cgroup = 3,
    Events = 4,
    Lost = 5,
    ScanBegins = 6,
    Found = 7,
    ScanEnds = 8,
    Snapshot = 9,
    End = 10,
    Clock = 11,
}

impl Kind {
    pub(super) fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Header,
            2 => Self::Watch,
            3 => Self::Cgroup,
            4 => Self::Events,
            5 => Self::Lost,
            6 => Self::ScanBegins,
            7 => Self::Found,
            8 => Self::ScanEnds,
            9 => Self::Snapshot,
            10 => Self::End,
            11 => Self::Clock,
            _ => return None,
        })
    }
}

/// Why an input cannot be written; why what was read is none.
pub(super) type Fault = Cow<'static, str>;

/// One entry, as it is written.
#[derive(Default)]
pub(super) struct Entry(Vec<u8>);

impl Entry {
    fn begin(&mut self, kind: Kind) {
        self.0.clear();
        self.0.extend([kind as u8, 0, 0, 0, 0]);
    }

    fn value(&mut self, value: &impl Serialize) -> Result<(), Fault> {
        let bytes = std::mem::take(&mut self.0);
        self.0 = postcard::to_extend(value, bytes).map_err(|error| error.to_string())?;
        Ok(())
    }

    fn end(&mut self) -> Result<&[u8], Fault> {
        let length = self.0.len().saturating_sub(ENTRY_HEAD);
        let length = u32::try_from(length).map_err(|_| "an entry of 4 GiB")?;
        if let Some(field) = self.0.get_mut(1..ENTRY_HEAD) {
            field.copy_from_slice(&length.to_le_bytes());
        }
        Ok(&self.0)
    }

    /// An entry that holds one value.
    fn one(&mut self, kind: Kind, value: &impl Serialize) -> Result<&[u8], Fault> {
        self.begin(kind);
        self.value(value)?;
        self.end()
    }

    pub(super) fn header(&mut self, header: &Header) -> Result<&[u8], Fault> {
        self.one(Kind::Header, header)
    }

    pub(super) fn end_mark(&mut self) -> Result<&[u8], Fault> {
        self.begin(Kind::End);
        self.end()
    }

    /// The entries of an input, given away one by one with the time that each comes to, until `take`
    /// says false.
    pub(super) fn of<E: From<Fault>>(
        &mut self,
        input: &Input<'_>,
        mut take: impl FnMut(&[u8], Option<Duration>) -> Result<bool, E>,
    ) -> Result<(), E> {
        let one = match input {
            Input::Watch(at) => self.one(Kind::Watch, &nanos(*at))?,
            Input::ScanBegins(at) => self.one(Kind::ScanBegins, &nanos(*at))?,
            Input::Snapshot(at) => self.one(Kind::Snapshot, &nanos(*at))?,
            Input::Clock(offset) => self.one(Kind::Clock, offset)?,
            Input::Cgroup { id, path } => self.one(Kind::Cgroup, &(id, path))?,
            Input::Lost(losses) => self.one(Kind::Lost, losses)?,
            Input::ScanEnds { sight, at } => self.one(Kind::ScanEnds, &(sight, nanos(*at)))?,
            Input::Events(events) => {
                for chunk in events.chunks(EVENTS) {
                    self.begin(Kind::Events);
                    for event in chunk {
                        self.0.extend_from_slice(encode(event).as_bytes());
                    }
                    let time = chunk.last().map(|event| event.time);
                    if !take(self.end()?, time)? {
                        break;
                    }
                }
                return Ok(());
            }
            Input::Found(found) => {
                for chunk in found.chunks(FOUND) {
                    self.begin(Kind::Found);
                    for found in chunk {
                        self.value(found)?;
                    }
                    if !take(self.end()?, None)? {
                        break;
                    }
                }
                return Ok(());
            }
        };
        take(one, input.time())?;
        Ok(())
    }
}

/// How many events an entry holds.
pub(super) fn events_in(entry: &[u8]) -> u64 {
    match entry {
        [kind, _, _, _, _, records @ ..] if *kind == Kind::Events as u8 => {
            u64::try_from(records.len() / size_of::<Record>()).unwrap_or(u64::MAX)
        }
        _ => 0,
    }
}

/// What an entry says.
#[derive(Debug)]
pub(super) enum Read {
    Header(Header),
    Input(Input<'static>),
    End,
}

/// Reads what an entry holds.
pub(super) fn read(kind: Kind, bytes: &[u8]) -> Result<Read, Fault> {
    let input = match kind {
        Kind::Header => {
            let header: Header = whole(bytes)?;
            bounds::time(nanos(header.started()))?;
            for text in header.texts() {
                bounds::text(text)?;
            }
            return Ok(Read::Header(header));
        }
        Kind::End => return whole::<()>(bytes).map(|()| Read::End),
        Kind::Watch => Input::Watch(bounds::time(whole(bytes)?)?),
        Kind::ScanBegins => Input::ScanBegins(bounds::time(whole(bytes)?)?),
        Kind::Snapshot => Input::Snapshot(bounds::time(whole(bytes)?)?),
        Kind::Clock => Input::Clock(whole(bytes)?),
        Kind::Cgroup => {
            let (id, path): (u64, Option<Arc<str>>) = whole(bytes)?;
            bounds::text(path.as_deref().unwrap_or_default())?;
            Input::Cgroup { id, path }
        }
        Kind::Events => Input::Events(Cow::Owned(events(bytes)?)),
        Kind::Lost => Input::Lost(losses(bytes)?),
        Kind::Found => Input::Found(Cow::Owned(found(bytes)?)),
        Kind::ScanEnds => {
            let (sight, at): (Sight, u64) = whole(bytes)?;
            let at = bounds::time(at)?;
            Input::ScanEnds { sight, at }
        }
    };
    Ok(Read::Input(input))
}

/// One value and nothing behind it.
fn whole<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    let (value, rest) = take(bytes)?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(format!("{} bytes too many", rest.len()).into())
    }
}

fn take<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, &[u8]), Fault> {
    postcard::take_from_bytes(bytes).map_err(|error| error.to_string().into())
}

fn events(bytes: &[u8]) -> Result<Vec<Event>, Fault> {
    let records = bytes.chunks_exact(size_of::<Record>());
    if !records.remainder().is_empty() {
        return Err("an event that is cut off".into());
    }
    // Collected into a Result, it would grow step by step.
    let mut events = Vec::with_capacity(records.len());
    for record in records {
        let event = decode(record).map_err(|error| error.to_string())?;
        bounds::event(&event)?;
        events.push(event);
    }
    Ok(events)
}

fn losses(bytes: &[u8]) -> Result<Losses, Fault> {
    let losses: Losses = whole(bytes)?;
    bounds::losses(&losses)?;
    Ok(losses)
}

fn found(mut bytes: &[u8]) -> Result<Vec<Found>, Fault> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        if all.len() == MOST_FOUND {
            return Err("more things found than an entry has".into());
        }
        let (found, rest) = take(bytes)?;
        bounds::found(&found)?;
        all.push(found);
        bytes = rest;
    }
    Ok(all)
}
