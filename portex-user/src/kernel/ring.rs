//! The consumer's side of the ring buffer.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, RawFd},
    time::Duration,
};

use aya::maps::{MapData, RingBuf};
use tokio::{
    io::{Interest, unix::AsyncFd},
    time::timeout,
};

/// Most records taken in one go, so that a busy kernel cannot keep the program from its other duties.
const MOST: usize = 65_536;

struct Buffer(RingBuf<MapData>);

impl AsRawFd for Buffer {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// Records on their way from the kernel programs.
pub struct Ring(AsyncFd<Buffer>);

impl Ring {
    pub(super) fn new(buffer: RingBuf<MapData>) -> io::Result<Self> {
        // SAFETY: the descriptor is the map's; it is open as long as the buffer that owns it, and
        // always the same.
        let registered =
            unsafe { AsyncFd::register_with_interest(Buffer(buffer), Interest::READABLE) };
        registered.map(Self).map_err(io::Error::from)
    }

    /// Waits until the kernel programs ask for attention, or `at_most` so long.
    pub async fn wait(&self, at_most: Duration) -> io::Result<()> {
        match timeout(at_most, self.0.readable()).await {
            Ok(ready) => {
                ready?.clear_ready();
                Ok(())
            }
            Err(_elapsed) => Ok(()),
        }
    }

    /// Hands over what is there, sample by sample, up to a bound, or until `take` has enough. Returns
    /// whether that was all.
    pub fn drain(&mut self, mut take: impl FnMut(&[u8]) -> bool) -> bool {
        let buffer = &mut self.0.get_mut().0;
        for _ in 0..MOST {
            match buffer.next() {
                Some(sample) => {
                    if !take(&sample) {
                        return false;
                    }
                }
                None => return true,
            }
        }
        false
    }
}
