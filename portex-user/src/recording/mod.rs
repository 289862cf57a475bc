//! Recordings: everything that the model took in, in order, in a file.
//!
//! ```text
//! 89 "portex" 0A        magic: no text begins so
//! u16 LE                version of the format
//! u8                    'l' or 'b': byte order of the records
//! u8                    0
//! one LZ4 frame         linked blocks of up to 64 KiB, a checksum each; in it entries:
//!     u8 kind, u32 LE length, so many bytes
//! ```
//!
//! | kind | what it holds |
//! |---|---|
//! | 1 `Header` | [`Header`]; the first entry, and only that |
//! | 2 `Watch`, 6 `ScanBegins`, 9 `Snapshot` | the time |
//! | 3 `Cgroup` | id and path |
//! | 4 `Events` | records of 120 bytes, as the kernel programs write them |
//! | 5 `Lost` | [`Losses`](crate::event::Losses) |
//! | 7 `Found` | some [`Found`](crate::found::Found), one after the other |
//! | 8 `ScanEnds` | what could be seen, and the time |
//! | 11 `Clock` | `CLOCK_REALTIME` less `CLOCK_MONOTONIC` from now on, in nanoseconds |
//! | 10 `End` | nothing; the last entry of a recording that was ended properly |
//!
//! All but records is as postcard writes it (varints; variants and fields by their order). Times are
//! nanoseconds of `CLOCK_MONOTONIC`. What was flushed is whole blocks, so a recording that breaks off,
//! since portex was killed, is readable up to its last flush. A change of the format is a new version,
//! and what this version writes stays readable: `testdata/` has one of each.
//!
//! * `header`: how a file begins
//! * `entry`: inputs to entries and back
//! * `file`: who can read it
//! * `bounds`: what an entry may say at most
//! * `writer`, `reader`: entries to a file and back
//! * `ahead`: reading on a thread of its own
//! * `pace`: when what was recorded is due

mod ahead;
mod bounds;
mod entry;
mod file;
mod header;
mod pace;
mod read_error;
mod reader;
mod writer;

use std::time::Duration;

pub use ahead::Ahead;
pub use header::{Header, VERSION};
pub use pace::{Pace, Pacer};
pub use read_error::ReadError;
pub use reader::{Ended, Reader};
pub use writer::{Room, Summary, Writer};

/// Largest entry that is read; those that are written are far smaller.
const MAX_ENTRY: u32 = 16 << 20;

/// Bytes of an entry before what it holds: kind and length.
const ENTRY_HEAD: usize = 5;

/// 2^64 nanoseconds are 584 years.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
