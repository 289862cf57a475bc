//! The held ports of a space, by port.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use super::space::Held;

/// Neighbours lie side by side: the kernel gives the ports of a destination one after the other
/// (`table_perturb` in `__inet_hash_connect`), and they end in that order, so that of a million what is
/// needed next is near.
pub(super) type HeldPorts = HashMap<u16, Held, BuildHasherDefault<PortHasher>>;

/// The port itself in the low bits, which choose the place; all of it mixed in the high bits, which a
/// place is known by.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PortHasher(u64);

impl Hasher for PortHasher {
    fn write_u16(&mut self, port: u16) {
        /// 2^64 divided by the golden ratio.
        const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
        let port = u64::from(port);
        self.0 = (port.wrapping_mul(MIX) & !0xffff_ffff) | port;
    }

    /// Not used: keys are ports.
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher as _;

    use super::*;

    #[test]
    fn neighbours_are_neighbours_and_no_two_ports_are_alike() {
        let hashes: Vec<u64> = (0..=u16::MAX)
            .map(|port| BuildHasherDefault::<PortHasher>::default().hash_one(port))
            .collect();
        assert!(
            hashes
                .iter()
                .zip(0_u64..)
                .all(|(hash, port)| hash & 0xffff == port)
        );
        // The top seven bits tell ports apart that have the same place in a table of 64.
        let same_place = hashes.iter().step_by(64);
        let tops: std::collections::HashSet<u64> = same_place.map(|hash| hash >> 57).collect();
        assert!(tops.len() > 100, "{}", tops.len());
    }
}
