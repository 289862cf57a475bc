use std::net::Ipv4Addr;

use portex_common::CaptureHeader;
use proptest::prelude::*;

use super::*;
use crate::event::{BuildId, Capture};

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
        Ok(event) => event,
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
    assert_eq!(*event.owner.comm, *b"curl");
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
    assert_eq!(*event(&connect).owner.comm, [b'x'; 16]);
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
fn foreign_bytes_are_an_error() {
    assert_eq!(decode(&[]), Err(DecodeError::Length(0)));
    assert_eq!(decode(&[0; 119]), Err(DecodeError::Length(119)));
    assert_eq!(decode(&[0; 120]), Err(DecodeError::Kind(0)));
}

fn known_kind() -> impl Strategy<Value = u8> {
    prop_oneof![1..=5_u8, Just(RecordKind::BindFailed as u8)]
}

proptest! {
    #[test]
    fn any_bytes_decode_to_something(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _answer = decode(&bytes);
    }

    #[test]
    fn any_record_of_a_known_kind_is_an_event(mut bytes in proptest::collection::vec(any::<u8>(), 120), kind in known_kind()) {
        let at = std::mem::offset_of!(Record, kind);
        bytes[at] = kind;
        prop_assert!(decode(&bytes).is_ok());
    }

    #[test]
    fn an_event_that_was_decoded_survives_being_encoded(mut bytes in proptest::collection::vec(any::<u8>(), 120), kind in known_kind(), errno in prop_oneof![Just(99_u16), Just(12), any::<u16>()]) {
        let mut put = |at: usize, new: &[u8]| bytes[at..at + new.len()].copy_from_slice(new);
        put(std::mem::offset_of!(Record, kind), &[kind]);
        put(std::mem::offset_of!(Record, errno), &errno.to_ne_bytes());
        let Ok(event) = decode(&bytes) else {
            panic!("of a known kind");
        };
        prop_assert_eq!(decode(encode(&event).as_bytes()), Ok(event));
    }
}

/// A failure with what was captured of its call.
fn captured(header: &CaptureHeader, behind: &[u8]) -> Vec<u8> {
    let mut bytes = record(RecordKind::ConnectFailed).as_bytes().to_vec();
    for word in [header.ip, header.sp, header.bp] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes.extend(header.fd.to_ne_bytes());
    for count in [header.user, header.kernel, header.build_ids, header.stack] {
        bytes.extend(count.to_ne_bytes());
    }
    bytes.extend(header.reserved.to_ne_bytes());
    bytes.extend(behind);
    bytes
}

#[test]
fn what_was_captured_comes_with_the_failure() {
    let header = CaptureHeader {
        ip: 0x10,
        sp: 0x20,
        bp: 0x30,
        fd: 7,
        user: 2,
        kernel: 1,
        build_ids: 2,
        stack: 3,
        reserved: 0,
    };
    let mut behind = Vec::new();
    for frame in [0x11_u64, 0x12, 0xffff_ffff_8100_0000] {
        behind.extend(frame.to_ne_bytes());
    }
    for (status, offset) in [(1_i32, 0x400_u64), (2, 0x12)] {
        behind.extend(status.to_ne_bytes());
        behind.extend([9; 20]);
        behind.extend(offset.to_ne_bytes());
    }
    behind.extend(b"abc");
    let Ok(event) = decode(&captured(&header, &behind)) else {
        panic!("no event");
    };
    let id = Some([9; 20]);
    let expected = Capture {
        fd: Some(7),
        ip: 0x10,
        sp: 0x20,
        bp: 0x30,
        user: vec![0x11, 0x12],
        kernel: vec![0xffff_ffff_8100_0000],
        stack: b"abc".to_vec(),
        build_ids: vec![
            BuildId { id, offset: 0x400 },
            BuildId {
                id: None,
                offset: 0x12,
            },
        ],
    };
    assert_eq!(event.capture.as_deref(), Some(&expected));
    // One byte less or more than the header says is no sample of ours.
    let short = &behind[..behind.len() - 1];
    let long = [&behind[..], b"d"].concat();
    for odd in [short, &long] {
        let bytes = captured(&header, odd);
        assert_eq!(decode(&bytes), Err(DecodeError::Length(bytes.len())));
    }
}

#[test]
fn a_call_without_descriptor_has_none() {
    let header = CaptureHeader {
        fd: u32::MAX,
        ..CaptureHeader::default()
    };
    let Ok(event) = decode(&captured(&header, &[])) else {
        panic!("no event");
    };
    assert_eq!(event.capture.as_deref(), Some(&Capture::default()));
}

#[test]
fn a_bind_that_fails_says_whether_ports_ran_out() {
    let told = |errno: u16, port: u16, reason: u8, flags: u8| {
        let mut failed = record(RecordKind::BindFailed);
        failed.errno = errno;
        failed.tuple.sport = port;
        failed.reason = reason;
        failed.flags = flags;
        let event = event(&failed);
        match event.kind {
            Kind::BindFailed { call, cause, .. } => (event.proto, call, cause),
            other => panic!("no failed bind: {other:?}"),
        }
    };
    assert_eq!(
        told(98, 0, 0, 0),
        (Proto::Tcp, BindCall::Bind, Cause::PoolExhausted)
    );
    assert_eq!(
        told(98, 0, 1, 0),
        (Proto::Tcp, BindCall::Listen, Cause::PoolExhausted)
    );
    assert_eq!(
        told(98, 80, 1, 0),
        (Proto::Tcp, BindCall::Listen, Cause::PortInUse)
    );
    assert_eq!(
        told(11, 0, 2, flag::UDP),
        (Proto::Udp, BindCall::Autobind, Cause::PoolExhausted)
    );
    assert_eq!(
        told(99, 0, 0, flag::UDP),
        (Proto::Udp, BindCall::Bind, Cause::AddressNotLocal)
    );
    assert_eq!(
        told(13, 80, 0, 0),
        (Proto::Tcp, BindCall::Bind, Cause::Unknown)
    );
}

proptest! {
    #[test]
    fn any_bytes_behind_a_record_end_in_an_answer(behind in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut bytes = record(RecordKind::BindFailed).as_bytes().to_vec();
        bytes.extend(behind);
        if let Ok(event) = decode(&bytes) {
            prop_assert_eq!(event.capture.is_some(), bytes.len() > size_of::<Record>());
        }
    }
}
