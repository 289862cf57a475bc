//! What a walk over the kernel's tables found: one size, one definition.

/// One thing that a walk found. Addresses as in [`crate::Tuple`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// A [`WalkedKind`].
    pub kind: u8,
    /// TCP state of the socket (the kernel's `TCP_*` number).
    pub state: u8,
    /// 1: a socket of family IPv6 that takes no IPv4 (`IPV6_V6ONLY`).
    pub v6only: u8,
    /// Keeps the rest aligned.
    pub reserved: u8,
    /// Inode number of the network namespace.
    pub netns: u32,
    /// Device that the socket is bound to; of a bucket, its VRF (`l3mdev`).
    pub dev: u32,
    /// Source port in host byte order.
    pub sport: u16,
    /// Destination port, likewise.
    pub dport: u16,
    /// Source address.
    pub saddr: [u32; 4],
    /// Destination address.
    pub daddr: [u32; 4],
}

/// What was found; the value of [`Walked::kind`].
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalkedKind {
    /// A bind bucket that connect() does not share: `fastreuse` or `fastreuseport` is not negative.
    Bucket = 1,
    /// A socket in such a bucket that neither listens nor connects.
    Bound = 2,
    /// A TIME_WAIT whose peer sent no timestamps.
    NoTimestamps = 3,
    /// The bucket has more sockets than were looked at.
    Truncated = 4,
}

/// What a walk program returns: how many slots of the table it is through with, and these bits.
pub mod walk {
    /// The end of the table is reached.
    pub const END: u32 = 1 << 31;
    /// The buffer is full: go on when there is room.
    pub const FULL: u32 = 1 << 30;
    /// The table cannot be read.
    pub const FAILED: u32 = 1 << 29;
    /// The slots.
    pub const SLOTS: u32 = FAILED - 1;
}

const _: () = assert!(size_of::<Walked>() == 48, "no hidden padding");

impl Walked {
    /// Reads one from the bytes of a ring buffer sample; `None` when the length is another.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != size_of::<Self>() {
            return None;
        }
        // SAFETY: the length was checked, the read is unaligned, and every bit pattern is a valid
        // Walked: it holds integers and arrays of integers only.
        Some(unsafe { core::ptr::read_unaligned(bytes.as_ptr().cast()) })
    }
}
