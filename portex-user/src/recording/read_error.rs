//! Why a recording cannot be read, and what to do then.

use std::io;

use super::VERSION;

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
        "{name} is a recording of format {found}, and this portex reads format {VERSION}\n  what to do: replay it with {}",
        if *found > VERSION { "a newer portex" } else { "the portex that made it" }
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
