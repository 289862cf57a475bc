//! [`Event`] → record: the way back, for recordings, so that a replay goes through the same decoder.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use portex_common::{
    Record, RecordKind,
    record::{self, COMM_LEN, Owner, ReleaseReason, Tuple, flag},
};

use super::EADDRNOTAVAIL;
use crate::event::{BindCall, Cause, Event, Kind, Proto, Release, Restrictions};

/// The record that decodes to this event, if any does: what a record has no room for is cut. An event
/// that was decoded is given whole.
pub fn encode(event: &Event) -> Record {
    let mut record = Record {
        time_ns: nanos(event.time),
        socket: event.socket,
        owner: owner(event),
        tuple: Tuple {
            saddr: words(event.src),
            daddr: words(event.dst),
            netns: event.netns,
            sport: event.src_port.unwrap_or(0),
            dport: event.dst_port,
        },
        ..Record::default()
    };
    put_kind(&mut record, &event.kind);
    if event.proto == Proto::Udp {
        record.flags |= flag::UDP;
    }
    record
}

fn put_kind(record: &mut Record, kind: &Kind) {
    match kind {
        Kind::Connect {
            bound,
            by_number,
            search,
            restrictions,
        } => {
            record.kind = RecordKind::Connect as u8;
            record.second_ns = packed(*restrictions);
            if *bound {
                record.flags |= flag::BOUND;
            }
            if *by_number {
                record.flags |= flag::BY_NUMBER;
            }
            put_search(record, *search);
        }
        Kind::ConnectFailed {
            errno,
            cause,
            search,
            restrictions,
        } => {
            record.kind = RecordKind::ConnectFailed as u8;
            record.errno = *errno;
            record.second_ns = packed(*restrictions);
            record.flags |= cause_flag(*errno, *cause);
            put_search(record, *search);
        }
        Kind::BindFailed {
            call,
            errno,
            cause: _, // follows from errno and port
            restrictions,
        } => {
            record.kind = RecordKind::BindFailed as u8;
            record.errno = *errno;
            record.second_ns = packed(*restrictions);
            record.reason = match call {
                BindCall::Bind => record::BindCall::Bind,
                BindCall::Listen => record::BindCall::Listen,
                BindCall::Autobind => record::BindCall::Autobind,
            } as u8;
        }
        Kind::State { from, to } => {
            record.kind = RecordKind::State as u8;
            record.from = from.number();
            record.to = to.number();
        }
        Kind::TimeWait { substate } => {
            record.kind = RecordKind::TimeWait as u8;
            record.to = substate.number();
        }
        Kind::Released {
            held,
            time_wait,
            reason,
        } => {
            record.kind = RecordKind::Released as u8;
            record.first_ns = nanos(*held);
            record.reason = release(*reason) as u8;
            if let Some(time_wait) = time_wait {
                record.flags |= flag::HAD_TIME_WAIT;
                record.second_ns = nanos(*time_wait);
            }
        }
    }
}

fn put_search(record: &mut Record, search: Option<Duration>) {
    if let Some(search) = search {
        record.flags |= flag::SEARCH_TIMED;
        record.first_ns = nanos(search);
    }
}

/// What the decoder tells causes of EADDRNOTAVAIL apart by; others show in the error number.
fn cause_flag(errno: u16, cause: Cause) -> u8 {
    match cause {
        Cause::TupleInUse => flag::BOUND,
        Cause::NoSourceAddress => flag::NO_SOURCE,
        Cause::Unknown if errno == EADDRNOTAVAIL => flag::UNSEARCHED,
        Cause::Unknown
        | Cause::RangeExhausted
        | Cause::NoMemory
        | Cause::PoolExhausted
        | Cause::PortInUse
        | Cause::AddressNotLocal => 0,
    }
}

fn release(reason: Release) -> ReleaseReason {
    match reason {
        Release::Closed => ReleaseReason::Closed,
        Release::Expired => ReleaseReason::Expired,
        Release::Recycled => ReleaseReason::Recycled,
        Release::Overflow => ReleaseReason::Overflow,
        Release::Killed => ReleaseReason::Killed,
    }
}

fn packed(restrictions: Restrictions) -> u64 {
    let [l0, l1] = restrictions.lo.to_le_bytes();
    let [h0, h1] = restrictions.hi.to_le_bytes();
    let [d0, d1, d2, d3] = restrictions.dev.to_le_bytes();
    u64::from_le_bytes([l0, l1, h0, h1, d0, d1, d2, d3])
}

fn owner(event: &Event) -> Owner {
    let owner = &event.owner;
    let mut comm = [0; COMM_LEN];
    for (to, from) in comm.iter_mut().zip(owner.comm.as_bytes()) {
        *to = *from;
    }
    Owner {
        cgroup: owner.cgroup,
        tgid: owner.pid,
        tid: owner.tid,
        uid: owner.uid,
        comm,
        start: owner.start,
    }
}

/// Words in network byte order; IPv4 becomes IPv4-mapped.
fn words(address: IpAddr) -> [u32; 4] {
    let octets = match address {
        IpAddr::V4(address) => Ipv4Addr::to_ipv6_mapped(&address).octets(),
        IpAddr::V6(address) => address.octets(),
    };
    let mut words = [0; 4];
    for (word, chunk) in words.iter_mut().zip(octets.as_chunks().0) {
        *word = u32::from_ne_bytes(*chunk);
    }
    words
}

/// 2^64 nanoseconds are 584 years.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
