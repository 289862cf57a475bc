//! Names of threads as the kernel has them.

use std::{fmt, ops::Deref};

use portex_common::record::COMM_LEN;

/// Name of a thread (`task_struct.comm`): up to 16 bytes, any but NUL. Untrusted. Kept in place: an event
/// allocates nothing.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Comm {
    bytes: [u8; COMM_LEN],
    len: u8,
}

impl Comm {
    /// From the kernel's bytes: up to the first NUL, 16 at most.
    pub fn new(bytes: &[u8]) -> Self {
        let mut whole = [0; COMM_LEN];
        for (to, &byte) in whole.iter_mut().zip(bytes) {
            *to = byte;
        }
        Self::of_record(whole)
    }

    /// From a record: up to the first NUL. Without a branch for each byte, as every event has a name.
    pub(crate) fn of_record(bytes: [u8; COMM_LEN]) -> Self {
        const LOW: u128 = u128::MAX / 255;
        let word = u128::from_le_bytes(bytes);
        // The lowest byte that is 0 is the lowest of which the top bit is set here.
        let zeros = word.wrapping_sub(LOW) & !word & (LOW << 7);
        let bits = (zeros.trailing_zeros() / 8) * 8;
        let kept = word & 1_u128.checked_shl(bits).map_or(u128::MAX, |end| end - 1);
        Self {
            bytes: kept.to_le_bytes(),
            len: u8::try_from(bits / 8).unwrap_or(0),
        }
    }

    /// Without the NUL.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes
            .get(..usize::from(self.len))
            .unwrap_or(&self.bytes)
    }
}

impl Deref for Comm {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl From<&[u8]> for Comm {
    fn from(bytes: &[u8]) -> Self {
        Self::new(bytes)
    }
}

impl<const LEN: usize> From<&[u8; LEN]> for Comm {
    fn from(bytes: &[u8; LEN]) -> Self {
        Self::new(bytes)
    }
}

impl fmt::Debug for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_bytes().escape_ascii().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_at_nul_or_after_sixteen_bytes() {
        assert_eq!(*Comm::new(b"curl\0\0garbage"), *b"curl");
        assert_eq!(*Comm::new(b"0123456789abcdefg"), *b"0123456789abcdef");
        assert_eq!(*Comm::new(b""), *b"");
        assert_eq!(*Comm::new(b"\xff\x01"), *b"\xff\x01");
        assert_ne!(Comm::new(b"a"), Comm::new(b"b"));
        assert_eq!(Comm::new(b"a\0b"), Comm::new(b"a"));
        for len in 0..=COMM_LEN {
            let name = &[0x81; COMM_LEN][..len];
            assert_eq!(Comm::new(name).as_bytes(), name);
        }
    }
}
