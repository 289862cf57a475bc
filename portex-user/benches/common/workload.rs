//! The records of a host that opens short connections: in each round one begins, a younger one closes,
//! and the oldest gives its port back, so that the number of ports held stays the same.

use std::time::Duration;

use portex_common::{
    Record, RecordKind,
    record::{COMM_LEN, Owner, ReleaseReason, Tuple, flag},
};

/// Inode number of the only namespace.
pub(crate) const NETNS: u32 = 4_026_531_840;
/// When the first connection begins, by `CLOCK_MONOTONIC`.
pub(crate) const BEGIN: Duration = Duration::from_secs(1_000);

/// First port of the range.
pub(crate) const LO: u16 = 32_768;
/// Last port of the range.
pub(crate) const HI: u16 = 60_999;

/// Ports per destination when there are only as many destinations as needed.
const FULL: u64 = 28_000;
/// Time from one connection to the next, in nanoseconds: 30,000 a second.
const STEP: u64 = 33_333;
/// Rounds that a connection lives before it closes.
const LIVES: u64 = 16;
/// One connection of so many stays open, and closes without TIME_WAIT.
const OPEN: u64 = 4;
const TIME_WAIT: u8 = 6;

/// So many connections held at a time, by so many processes, to so many destinations.
#[derive(Clone, Copy)]
pub(crate) struct Workload {
    held: u64,
    processes: u64,
    destinations: u64,
}

impl Workload {
    /// To as few destinations as the port range allows.
    pub(crate) fn new(held: u64, processes: u64) -> Self {
        Self {
            held,
            processes,
            destinations: held.div_ceil(FULL),
        }
    }

    /// To at least so many destinations.
    pub(crate) fn spread(self, destinations: u64) -> Self {
        Self {
            destinations: destinations.max(self.destinations),
            ..self
        }
    }

    /// How many connections are held; from that round on it stays the same.
    pub(crate) fn held(&self) -> u64 {
        self.held
    }

    /// Appends the records of some rounds.
    pub(crate) fn rounds(&self, rounds: std::ops::Range<u64>, records: &mut Vec<Record>) {
        for round in rounds {
            records.push(self.connect(round));
            let closing = round.checked_sub(LIVES);
            records.extend(closing.and_then(|connection| self.time_wait(connection)));
            let oldest = round.checked_sub(self.held);
            records.extend(oldest.map(|connection| self.released(connection)));
        }
    }

    /// A connection begins.
    pub(crate) fn connect(&self, connection: u64) -> Record {
        Record {
            first_ns: 2_000 + connection * 37 % 8_000,
            flags: flag::SEARCH_TIMED,
            ..self.record(connection, connection, RecordKind::Connect)
        }
    }

    /// It goes over to TIME_WAIT, unless it is one of those that stay open.
    pub(crate) fn time_wait(&self, connection: u64) -> Option<Record> {
        (!connection.is_multiple_of(OPEN)).then(|| Record {
            to: TIME_WAIT,
            ..self.record(connection, connection + LIVES, RecordKind::TimeWait)
        })
    }

    /// It gives its port back.
    pub(crate) fn released(&self, connection: u64) -> Record {
        let round = connection + self.held;
        let record = Record {
            first_ns: self.held * STEP,
            ..self.record(connection, round, RecordKind::Released)
        };
        if connection.is_multiple_of(OPEN) {
            return Record {
                reason: ReleaseReason::Closed as u8,
                ..record
            };
        }
        Record {
            second_ns: (self.held - LIVES) * STEP,
            flags: flag::HAD_TIME_WAIT,
            reason: ReleaseReason::Expired as u8,
            ..record
        }
    }

    fn record(&self, connection: u64, round: u64, kind: RecordKind) -> Record {
        let begin = u64::try_from(BEGIN.as_nanos()).expect("small");
        Record {
            // Later kinds come later in a round.
            time_ns: begin + round * STEP + kind as u64,
            socket: 0xffff_8880_0000_0000 + connection * 0x980,
            owner: self.owner(connection),
            tuple: self.tuple(connection),
            kind: kind as u8,
            ..Record::default()
        }
    }

    fn owner(&self, connection: u64) -> Owner {
        let number = small(connection % self.processes);
        let mut comm = [0; COMM_LEN];
        for (to, from) in comm.iter_mut().zip(format!("worker-{number}").bytes()) {
            *to = from;
        }
        Owner {
            cgroup: 5_000 + u64::from(number),
            tgid: 10_000 + number,
            tid: 10_000 + number,
            uid: 1_000,
            comm,
            start: 50_000 + number,
        }
    }

    fn tuple(&self, connection: u64) -> Tuple {
        let destination = small(connection % self.destinations);
        Tuple {
            saddr: mapped(0x0a00_0001),
            daddr: mapped(0x0a01_0000 + destination),
            netns: NETNS,
            sport: port(connection / self.destinations),
            dport: 443,
        }
    }
}

/// As the kernel's search goes for one destination: every other port, then those between.
fn port(number: u64) -> u16 {
    let size = u64::from(HI - LO) + 1;
    let place = number % size * 2;
    let offset = if place < size {
        place
    } else {
        place - size + 1
    };
    LO + u16::try_from(offset).expect("within the range")
}

fn mapped(address: u32) -> [u32; 4] {
    let prefix = u32::from_ne_bytes([0, 0, 0xff, 0xff]);
    [0, 0, prefix, address.to_be()]
}

fn small(number: u64) -> u32 {
    u32::try_from(number).expect("small")
}
