//! Port ranges and sets of ports.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An inclusive range of ports, as `net.ipv4.ip_local_port_range` gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "(u16, u16)", into = "(u16, u16)")]
pub struct PortRange {
    /// First port.
    pub lo: u16,
    /// Last port, not below the first.
    pub hi: u16,
}

impl PortRange {
    /// From the first and the last port; `None` when they are the wrong way round.
    pub fn new(lo: u16, hi: u16) -> Option<Self> {
        (lo <= hi).then_some(Self { lo, hi })
    }

    /// Number of ports; 0 when [`Self::narrowed`] has left none.
    pub fn size(self) -> u32 {
        (u32::from(self.hi) + 1).saturating_sub(self.lo.into())
    }

    /// Whether a port lies in it.
    pub fn contains(self, port: u16) -> bool {
        (self.lo..=self.hi).contains(&port)
    }

    /// The range of a socket with `IP_LOCAL_PORT_RANGE`, whose bounds are 0 where not set: each
    /// replaces that of the namespace only if it lies inside it (`inet_sk_get_local_port_range`).
    #[must_use]
    pub fn narrowed(self, lo: u16, hi: u16) -> Self {
        let inside = |port: u16| port != 0 && self.contains(port);
        let lo = if inside(lo) { lo } else { self.lo };
        let hi = if inside(hi) { hi } else { self.hi };
        // The kernel does not check that either; an empty range has no port for anybody.
        Self { lo, hi }
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.lo, self.hi)
    }
}

impl TryFrom<(u16, u16)> for PortRange {
    type Error = &'static str;

    fn try_from((lo, hi): (u16, u16)) -> Result<Self, Self::Error> {
        Self::new(lo, hi).ok_or("a range of ports that ends before it begins")
    }
}

impl From<PortRange> for (u16, u16) {
    fn from(range: PortRange) -> Self {
        (range.lo, range.hi)
    }
}

/// A set of ports: a bit each. Recordings keep it as a list of ranges.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<PortRange>", into = "Vec<PortRange>")]
pub struct PortSet(Box<[u64; WORDS]>);

const WORDS: usize = 65_536 / 64;

impl Default for PortSet {
    fn default() -> Self {
        Self(Box::new([0; WORDS]))
    }
}

impl PortSet {
    /// Adds a port. Returns whether it was not in it.
    pub fn insert(&mut self, port: u16) -> bool {
        let (word, bit) = place(port);
        let new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        new
    }

    /// Takes a port out. Returns whether it was in it.
    pub fn remove(&mut self, port: u16) -> bool {
        let (word, bit) = place(port);
        let there = self.0[word] & bit != 0;
        self.0[word] &= !bit;
        there
    }

    /// Whether a port is in it.
    pub fn contains(&self, port: u16) -> bool {
        let (word, bit) = place(port);
        self.0[word] & bit != 0
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    /// How many of its ports lie in a range.
    pub fn count_in(&self, range: PortRange) -> u32 {
        if range.lo > range.hi {
            return 0;
        }
        let (first, _) = place(range.lo);
        let (last, _) = place(range.hi);
        let below = (1_u64 << (range.lo % 64)) - 1;
        let above = !(u64::MAX >> (63 - range.hi % 64));
        (first..=last)
            .map(|word| {
                let mut bits = self.0[word];
                if word == first {
                    bits &= !below;
                }
                if word == last {
                    bits &= !above;
                }
                bits.count_ones()
            })
            .sum()
    }

    /// Adds all ports of another set.
    pub fn extend_from(&mut self, other: &Self) {
        for (word, more) in self.0.iter_mut().zip(other.0.iter()) {
            *word |= more;
        }
    }

    /// Its ports, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        (0..=u16::MAX).filter(|&port| self.contains(port))
    }

    /// Its ports as ranges, ascending, none touching the next.
    pub fn ranges(&self) -> Vec<PortRange> {
        let mut ranges: Vec<PortRange> = Vec::new();
        for port in self.iter() {
            match ranges.last_mut() {
                Some(last) if last.hi.checked_add(1) == Some(port) => last.hi = port,
                _ => ranges.push(PortRange { lo: port, hi: port }),
            }
        }
        ranges
    }

    /// From the kernel's text of a list, such as `net.ipv4.ip_local_reserved_ports`:
    /// `8080,9148,10000-20000`, or empty. What is no port is left out.
    pub fn parse(text: &str) -> Self {
        let mut set = Self::default();
        for part in text.trim().split(',') {
            let (lo, hi) = part.split_once('-').unwrap_or((part, part));
            if let (Ok(lo), Ok(hi)) = (lo.trim().parse::<u16>(), hi.trim().parse::<u16>()) {
                for port in lo..=hi {
                    set.insert(port);
                }
            }
        }
        set
    }
}

impl TryFrom<Vec<PortRange>> for PortSet {
    type Error = &'static str;

    /// Ranges must ascend, so that none is gone through twice.
    fn try_from(ranges: Vec<PortRange>) -> Result<Self, Self::Error> {
        let ascending = ranges
            .iter()
            .zip(ranges.iter().skip(1))
            .all(|(one, next)| one.hi < next.lo);
        if !ascending {
            return Err("ranges of ports that do not ascend");
        }
        Ok(ranges
            .into_iter()
            .flat_map(|range| range.lo..=range.hi)
            .collect())
    }
}

impl From<PortSet> for Vec<PortRange> {
    fn from(set: PortSet) -> Self {
        set.ranges()
    }
}

impl FromIterator<u16> for PortSet {
    fn from_iter<T: IntoIterator<Item = u16>>(ports: T) -> Self {
        let mut set = Self::default();
        for port in ports {
            set.insert(port);
        }
        set
    }
}

impl fmt::Debug for PortSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

fn place(port: u16) -> (usize, u64) {
    (usize::from(port / 64), 1 << (port % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_of_ports_are_read_as_the_kernel_writes_them() {
        let set = PortSet::parse("8080,9148,10000-10002\n");
        assert_eq!(
            set.iter().collect::<Vec<_>>(),
            [8080, 9148, 10_000, 10_001, 10_002]
        );
        assert!(PortSet::parse("\n").is_empty());
        assert!(PortSet::parse("a-b,70000").is_empty());
    }

    #[test]
    fn a_socket_s_own_bounds_count_only_inside_those_of_the_namespace() {
        let range = PortRange::new(100, 200).expect("in order");
        assert_eq!(range.narrowed(0, 0), range);
        assert_eq!(range.narrowed(150, 0), PortRange { lo: 150, hi: 200 });
        assert_eq!(range.narrowed(50, 250), range);
        assert_eq!(range.narrowed(120, 130), PortRange { lo: 120, hi: 130 });
        assert_eq!(PortRange::new(2, 1), None);
    }

    proptest! {
        #[test]
        fn it_is_a_set(
            ports in proptest::collection::btree_set(any::<u16>(), 0..200),
            lo in any::<u16>(),
            hi in any::<u16>(),
        ) {
            let set: PortSet = ports.iter().copied().collect();
            prop_assert_eq!(&set.iter().collect::<BTreeSet<_>>(), &ports);
            let range = PortRange { lo, hi };
            let inside = ports.iter().filter(|&&port| range.contains(port)).count();
            prop_assert_eq!(usize::try_from(set.count_in(range)).expect("small"), inside);
            prop_assert_eq!(PortSet::try_from(set.ranges()), Ok(set));
        }
    }
}
