use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

fn record(kind: RecordKind) -> Record {
    let mut record = Record {
        time_ns: 5_000_000_001,
        socket: 42,
        first_ns: 1_500,
        second_ns: 700,
        kind: kind as u8,
        ..Record::default()
    };
    record.owner.tgid = 10;
    record.owner.tid = 11;
    record.owner.comm = *b"curl\0garbage\0\0\0\0";
    record.tuple.saddr = [0, 0, 0xffff_u32.to_be(), u32::from_ne_bytes([10, 0, 0, 1])];
    record.tuple.daddr = [0x2001_0db8_u32.to_be(), 0, 0, 1_u32.to_be()];
    record.tuple.sport = 40_000;
    record.tuple.dport = 443;
    record
}

fn event(record: &Record) -> Event {
    match decode(record.as_bytes()) {
        Ok(Decoded::Event(event)) => event,
        other => panic!("no event: {other:?}"),
    }
}

fn cause_of(errno: u16, flags: u8) -> Cause {
    let mut failed = record(RecordKind::ConnectFailed);
    failed.errno = errno;
    failed.flags = flags;
    match event(&failed).kind {
        Kind::ConnectFailed { cause, .. } => cause,
        other => panic!("no failure: {other:?}"),
    }
}

#[test]
fn a_connect_has_every_field() {
    let mut connect = record(RecordKind::Connect);
    connect.flags = flag::SEARCH_TIMED | flag::BOUND;
    let event = event(&connect);
    assert_eq!(event.time, Duration::new(5, 1));
    assert_eq!(event.socket, 42);
    assert_eq!((event.owner.pid, event.owner.tid), (10, 11));
    assert_eq!(event.owner.comm, b"curl");
    assert_eq!(event.src, IpAddr::from(Ipv4Addr::new(10, 0, 0, 1)));
    assert_eq!(event.src_port, Some(40_000));
    assert_eq!(event.dst.to_string(), "2001:db8::1");
    assert_eq!(event.dst_port, 443);
    assert_eq!(
        event.kind,
        Kind::Connect {
            bound: true,
            by_number: false,
            search: Some(Duration::from_nanos(1_500)),
            restrictions: Restrictions {
                dev: 0,
                lo: 700,
                hi: 0
            },
        }
    );
}

#[test]
fn a_name_without_nul_is_taken_whole() {
    let mut connect = record(RecordKind::Connect);
    connect.owner.comm = [b'x'; 16];
    assert_eq!(event(&connect).owner.comm, [b'x'; 16]);
}

#[test]
fn no_port_is_null_and_an_unmeasured_search_too() {
    let mut connect = record(RecordKind::Connect);
    connect.tuple.sport = 0;
    let event = event(&connect);
    assert_eq!(event.src_port, None);
    assert_eq!(
        event.kind,
        Kind::Connect {
            bound: false,
            by_number: false,
            search: None,
            restrictions: Restrictions {
                dev: 0,
                lo: 700,
                hi: 0
            },
        }
    );
}

#[test]
fn only_a_search_that_failed_is_exhaustion() {
    assert_eq!(cause_of(99, 0), Cause::RangeExhausted);
    assert_eq!(cause_of(99, flag::INFERRED), Cause::RangeExhausted);
    assert_eq!(cause_of(99, flag::BOUND), Cause::TupleInUse);
    assert_eq!(cause_of(99, flag::NO_SOURCE), Cause::NoSourceAddress);
    assert_eq!(
        cause_of(99, flag::NO_SOURCE | flag::BOUND),
        Cause::NoSourceAddress
    );
    assert_eq!(cause_of(99, flag::UNSEARCHED), Cause::Unknown);
    assert_eq!(cause_of(12, 0), Cause::NoMemory);
    assert_eq!(cause_of(5, 0), Cause::Unknown);
}

#[test]
fn a_release_without_time_wait_has_none() {
    let mut released = record(RecordKind::Released);
    released.reason = ReleaseReason::Overflow as u8;
    assert_eq!(
        event(&released).kind,
        Kind::Released {
            held: Duration::from_nanos(1_500),
            time_wait: None,
            reason: Release::Overflow
        }
    );
    released.flags = flag::HAD_TIME_WAIT;
    released.reason = ReleaseReason::Expired as u8;
    assert_eq!(
        event(&released).kind,
        Kind::Released {
            held: Duration::from_nanos(1_500),
            time_wait: Some(Duration::from_nanos(700)),
            reason: Release::Expired
        }
    );
}

#[test]
fn an_unarmed_timer_and_its_taking_back_are_told_apart() {
    assert!(matches!(
        decode(record(RecordKind::Unarmed).as_bytes()),
        Ok(Decoded::Unarmed(Event {
            kind: Kind::Released { .. },
            ..
        }))
    ));
    assert_eq!(
        decode(record(RecordKind::Rearmed).as_bytes()),
        Ok(Decoded::Rearmed { socket: 42 })
    );
}

#[test]
fn foreign_bytes_are_an_error() {
    assert_eq!(decode(&[]), Err(DecodeError::Length(0)));
    assert_eq!(decode(&[0; 119]), Err(DecodeError::Length(119)));
    assert_eq!(decode(&[0; 120]), Err(DecodeError::Kind(0)));
}

proptest! {
    #[test]
    fn any_bytes_decode_to_something(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _answer = decode(&bytes);
    }

    #[test]
    fn any_record_of_a_known_kind_is_an_event(mut bytes in proptest::collection::vec(any::<u8>(), 120), kind in 1_u8..=7) {
        let at = std::mem::offset_of!(Record, kind);
        bytes[at] = kind;
        prop_assert!(decode(&bytes).is_ok());
    }

    #[test]
    fn an_event_that_was_decoded_survives_being_encoded(mut bytes in proptest::collection::vec(any::<u8>(), 120), kind in 1_u8..=6, errno in prop_oneof![Just(99_u16), Just(12), any::<u16>()]) {
        let mut put = |at: usize, new: &[u8]| bytes[at..at + new.len()].copy_from_slice(new);
        put(std::mem::offset_of!(Record, kind), &[kind]);
        put(std::mem::offset_of!(Record, errno), &errno.to_ne_bytes());
        let Ok(Decoded::Event(event) | Decoded::Unarmed(event)) = decode(&bytes) else {
            panic!("of a known kind");
        };
        prop_assert_eq!(decode(encode(&event).as_bytes()), Ok(Decoded::Event(event)));
    }
}
