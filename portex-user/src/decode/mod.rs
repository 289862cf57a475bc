//! Bytes of the ring buffer → [`Event`], and back. Total: whatever the bytes are, the answer is an event
//! or an error, never a panic.

mod capture;
mod encode;

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use portex_common::{
    Record, RecordKind,
    record::{ReleaseReason, flag},
};

pub use encode::encode;

use crate::event::{
    BindCall, Cause, Comm, Event, Kind, Owner, Proto, Release, Restrictions, TcpState,
};

const EAGAIN: u16 = 11;
const ENOMEM: u16 = 12;
const EADDRINUSE: u16 = 98;
const EADDRNOTAVAIL: u16 = 99;

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The sample has another length than a record.
    #[error("a sample of {0} bytes is no record, nor one with a stack")]
    Length(usize),
    /// The kind is none that this version knows.
    #[error("unknown record kind {0}")]
    Kind(u8),
}

/// Decodes one sample.
pub fn decode(bytes: &[u8]) -> Result<Event, DecodeError> {
    let length = || DecodeError::Length(bytes.len());
    let (record, behind) = bytes
        .split_at_checked(size_of::<Record>())
        .ok_or_else(length)?;
    let record = Record::from_bytes(record).ok_or_else(length)?;
    Ok(Event {
        time: Duration::from_nanos(record.time_ns),
        socket: record.socket,
        netns: record.tuple.netns,
        owner: owner(&record),
        src: address(record.tuple.saddr),
        src_port: (record.tuple.sport != 0).then_some(record.tuple.sport),
        dst: address(record.tuple.daddr),
        dst_port: record.tuple.dport,
        proto: if record.flags & flag::UDP != 0 {
            Proto::Udp
        } else {
            Proto::Tcp
        },
        kind: kind(&record)?,
        capture: if behind.is_empty() {
            None
        } else {
            Some(Arc::new(capture::capture(behind).ok_or_else(length)?))
        },
    })
}

fn kind(record: &Record) -> Result<Kind, DecodeError> {
    const CONNECT: u8 = RecordKind::Connect as u8;
    const CONNECT_FAILED: u8 = RecordKind::ConnectFailed as u8;
    const BIND_FAILED: u8 = RecordKind::BindFailed as u8;
    const STATE: u8 = RecordKind::State as u8;
    const TIME_WAIT: u8 = RecordKind::TimeWait as u8;
    const RELEASED: u8 = RecordKind::Released as u8;
    let first = Duration::from_nanos(record.first_ns);
    let has = |bit| record.flags & bit != 0;
    Ok(match record.kind {
        CONNECT => Kind::Connect {
            bound: has(flag::BOUND),
            by_number: has(flag::BY_NUMBER),
            search: has(flag::SEARCH_TIMED).then_some(first),
            restrictions: restrictions(record.second_ns),
        },
        CONNECT_FAILED => Kind::ConnectFailed {
            errno: record.errno,
            cause: cause(record),
            search: has(flag::SEARCH_TIMED).then_some(first),
            restrictions: restrictions(record.second_ns),
        },
        BIND_FAILED => Kind::BindFailed {
            call: bind_call(record.reason),
            errno: record.errno,
            cause: bind_cause(record),
            restrictions: restrictions(record.second_ns),
        },
        STATE => Kind::State {
            from: TcpState::from_number(record.from),
            to: TcpState::from_number(record.to),
        },
        TIME_WAIT => Kind::TimeWait {
            substate: TcpState::from_number(record.to),
        },
        RELEASED => Kind::Released {
            held: first,
            time_wait: has(flag::HAD_TIME_WAIT).then(|| Duration::from_nanos(record.second_ns)),
            reason: release(record.reason),
        },
        other => return Err(DecodeError::Kind(other)),
    })
}

/// As `portex_common` packs them: the device in the upper half, the range in the lower.
fn restrictions(packed: u64) -> Restrictions {
    let [l0, l1, h0, h1, d0, d1, d2, d3] = packed.to_le_bytes();
    Restrictions {
        dev: u32::from_le_bytes([d0, d1, d2, d3]),
        lo: u16::from_le_bytes([l0, l1]),
        hi: u16::from_le_bytes([h0, h1]),
    }
}

/// EADDRNOTAVAIL alone is not exhaustion: it takes a search, that is, a port that was not bound.
fn cause(record: &Record) -> Cause {
    let has = |bit| record.flags & bit != 0;
    match record.errno {
        EADDRNOTAVAIL if has(flag::NO_SOURCE) => Cause::NoSourceAddress,
        EADDRNOTAVAIL if has(flag::UNSEARCHED) => Cause::Unknown,
        EADDRNOTAVAIL if has(flag::BOUND) => Cause::TupleInUse,
        EADDRNOTAVAIL => Cause::RangeExhausted,
        ENOMEM => Cause::NoMemory,
        _ => Cause::Unknown,
    }
}

/// Without a port asked for there is a search, and EADDRINUSE means that it found none. Autobind says
/// EAGAIN for that (`inet_autobind`).
fn bind_cause(record: &Record) -> Cause {
    match record.errno {
        EADDRINUSE if record.tuple.sport == 0 => Cause::PoolExhausted,
        EADDRINUSE => Cause::PortInUse,
        EAGAIN => Cause::PoolExhausted,
        EADDRNOTAVAIL => Cause::AddressNotLocal,
        _ => Cause::Unknown,
    }
}

fn bind_call(call: u8) -> BindCall {
    const LISTEN: u8 = portex_common::record::BindCall::Listen as u8;
    const AUTOBIND: u8 = portex_common::record::BindCall::Autobind as u8;
    match call {
        LISTEN => BindCall::Listen,
        AUTOBIND => BindCall::Autobind,
        _ => BindCall::Bind,
    }
}

fn release(reason: u8) -> Release {
    const EXPIRED: u8 = ReleaseReason::Expired as u8;
    const RECYCLED: u8 = ReleaseReason::Recycled as u8;
    const OVERFLOW: u8 = ReleaseReason::Overflow as u8;
    const KILLED: u8 = ReleaseReason::Killed as u8;
    match reason {
        EXPIRED => Release::Expired,
        RECYCLED => Release::Recycled,
        OVERFLOW => Release::Overflow,
        KILLED => Release::Killed,
        _ => Release::Closed,
    }
}

fn owner(record: &Record) -> Owner {
    Owner {
        pid: record.owner.tgid,
        tid: record.owner.tid,
        uid: record.owner.uid,
        comm: Comm::of_record(record.owner.comm),
        cgroup: record.owner.cgroup,
        start: record.owner.start,
    }
}

/// Words in network byte order; IPv4-mapped becomes IPv4.
pub(crate) fn address(words: [u32; 4]) -> IpAddr {
    let mut bytes = [0; 16];
    for (chunk, word) in bytes.chunks_exact_mut(4).zip(words) {
        chunk.copy_from_slice(&word.to_ne_bytes());
    }
    Ipv6Addr::from(bytes).to_canonical()
}

#[cfg(test)]
mod tests;
