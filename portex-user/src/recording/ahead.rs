//! Reads a recording ahead, on a thread of its own: who waits for a pipe can do something else.

use std::{io, thread};

use tokio::sync::mpsc::{Receiver, channel};

use super::{Ended, Header, ReadError, Reader};
use crate::{clock::Clock, input::Input};

/// Inputs that are read ahead.
const AHEAD: usize = 8;

/// What the thread tells.
enum News {
    Input(Input<'static>),
    Failed(ReadError),
    Ended {
        how: Option<Ended>,
        complaint: Option<String>,
    },
}

/// A recording that is read ahead. When this is dropped, the thread ends with its next read: nobody
/// waits for that.
pub struct Ahead {
    header: Header,
    clock: Clock,
    news: Receiver<News>,
    ended: Option<Ended>,
    complaint: Option<String>,
}

impl Ahead {
    /// Begins to read.
    pub fn start(mut reader: Reader) -> io::Result<Self> {
        let header = reader.header().clone();
        let (tell, news) = channel(AHEAD);
        thread::Builder::new()
            .name("reading".into())
            .spawn(move || {
                loop {
                    let (one, last) = match reader.next() {
                        Ok(Some(input)) => (News::Input(input), false),
                        Ok(None) => {
                            let how = reader.ended();
                            let complaint = reader.complaint();
                            (News::Ended { how, complaint }, true)
                        }
                        Err(error) => (News::Failed(error), true),
                    };
                    // Fails when nobody waits any more.
                    if tell.blocking_send(one).is_err() || last {
                        return;
                    }
                }
            })?;
        Ok(Self {
            clock: header.clock(),
            header,
            news,
            ended: None,
            complaint: None,
        })
    }

    /// Where, when and how it was made.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The clock by which times of the recording are times of the day, as of what was given away last.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// As [`Reader::next`]. Dropping the future loses nothing.
    pub async fn next(&mut self) -> io::Result<Option<Input<'static>>> {
        if self.ended.is_some() {
            return Ok(None);
        }
        match self.news.recv().await {
            Some(News::Input(input)) => {
                if let Input::Clock(offset) = input {
                    self.clock = Clock::fixed(offset.into());
                }
                Ok(Some(input))
            }
            Some(News::Failed(error)) => Err(io::Error::other(error)),
            Some(News::Ended { how, complaint }) => {
                self.ended = how;
                self.complaint = complaint;
                Ok(None)
            }
            None => Err(io::Error::other("the thread that reads has ended")),
        }
    }

    /// As [`Reader::ended`], of what was given away.
    pub fn ended(&self) -> Option<Ended> {
        self.ended
    }

    /// As [`Reader::complaint`], likewise.
    pub fn complaint(&self) -> Option<&str> {
        self.complaint.as_deref()
    }
}
