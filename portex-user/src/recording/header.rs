//! How a recording begins: the prefix that tells it from other files, and where and how it was made.

use std::time::Duration;

use lz4_flex::frame::{BlockMode, BlockSize, FrameInfo};
use serde::{Deserialize, Serialize};

use super::nanos;
use crate::clock::Clock;

/// Version of the format that is written.
pub const VERSION: u16 = 2;

const MAGIC: [u8; 8] = *b"\x89portex\n";
/// Length of the prefix.
pub(super) const PREFIX: usize = 12;
/// What an LZ4 frame of [`frame`] begins with: magic, version 1 with block checksums and linked blocks,
/// blocks of up to 64 KiB, checksum of the two. Nothing else is read, so that a file cannot choose.
pub(super) const FRAME_HEAD: [u8; 7] = [0x04, 0x22, 0x4d, 0x18, 0x50, 0x40, 0xc0];
/// Size of a block, at most.
pub(super) const BLOCK: u64 = 64 << 10;

/// Where, when and how a recording was made. Texts are untrusted when read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Version of the portex that made it.
    pub portex: String,
    /// Name of the host.
    pub host: String,
    /// Release of its kernel, as `uname -r` gives it.
    pub kernel: String,
    /// Name of the way in which portex was attached.
    pub attach: String,
    /// When portex started, by `CLOCK_MONOTONIC`, in nanoseconds.
    started_ns: u64,
    /// `CLOCK_REALTIME` less `CLOCK_MONOTONIC`, in nanoseconds.
    realtime_ns: i64,
    /// Inode number of the only namespace that was watched; `None`: all.
    pub netns: Option<u32>,
}

impl Header {
    /// Of this host, now: attached this way, started then, with this clock, in this namespace only.
    pub fn here(attach: &str, started: Duration, clock: &Clock, netns: Option<u32>) -> Self {
        let host = rustix::system::uname();
        Self {
            portex: env!("CARGO_PKG_VERSION").to_owned(),
            host: host.nodename().to_string_lossy().into_owned(),
            kernel: host.release().to_string_lossy().into_owned(),
            attach: attach.to_owned(),
            started_ns: nanos(started),
            realtime_ns: i64::try_from(clock.offset()).unwrap_or(i64::MAX),
            netns,
        }
    }

    /// All texts.
    pub(super) fn texts(&self) -> [&str; 4] {
        [&self.portex, &self.host, &self.kernel, &self.attach]
    }

    /// When portex started, by `CLOCK_MONOTONIC`.
    pub fn started(&self) -> Duration {
        Duration::from_nanos(self.started_ns)
    }

    /// The clock by which times of the recording are times of the day.
    pub fn clock(&self) -> Clock {
        Clock::fixed(self.realtime_ns.into())
    }
}

/// The versions that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Two,
}

/// What the prefix of a file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefix {
    /// A recording of a version that is known, which this machine can read.
    Fits(Format),
    /// One of another version.
    Version(u16),
    /// One of a machine with the other byte order.
    ByteOrder,
    /// The beginning of one; the rest is missing.
    Cut,
    /// Something else.
    Foreign,
}

const BYTE_ORDER: u8 = if cfg!(target_endian = "little") {
    b'l'
} else {
    b'b'
};

/// The prefix that is written.
pub(super) fn prefix() -> [u8; PREFIX] {
    let [v0, v1] = VERSION.to_le_bytes();
    let [m0, m1, m2, m3, m4, m5, m6, m7] = MAGIC;
    [m0, m1, m2, m3, m4, m5, m6, m7, v0, v1, BYTE_ORDER, 0]
}

/// Judges the first bytes of a file, [`PREFIX`] of them or as many as it has.
pub(super) fn judge(bytes: &[u8]) -> Prefix {
    let Some((magic, [v0, v1, order, _])) = bytes.split_first_chunk::<8>() else {
        return if MAGIC.starts_with(bytes) || bytes.starts_with(&MAGIC) {
            Prefix::Cut
        } else {
            Prefix::Foreign
        };
    };
    match u16::from_le_bytes([*v0, *v1]) {
        _ if *magic != MAGIC => Prefix::Foreign,
        2 if *order == BYTE_ORDER => Prefix::Fits(Format::Two),
        2 => Prefix::ByteOrder,
        other => Prefix::Version(other),
    }
}

/// The frame that is written.
pub(super) fn frame() -> FrameInfo {
    FrameInfo::new()
        .block_mode(BlockMode::Linked)
        .block_size(BlockSize::Max64KB)
        .block_checksums(true)
}
