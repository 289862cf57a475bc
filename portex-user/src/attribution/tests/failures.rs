//! The log of failed allocations.

use std::{cell::Cell, net::IpAddr, sync::Arc, time::Duration};

use super::script::*;
use crate::{
    attribution::{Snapshot, failures, snapshot::Failure},
    event::{Cause, Event, Kind, Restrictions},
    found::{Found, Process},
};

fn refused(at: u64, cause: Cause, errno: u16) -> Event {
    Event {
        kind: Kind::ConnectFailed {
            errno,
            cause,
            search: None,
            restrictions: Restrictions::default(),
        },
        ..failed(seconds(at), cause)
    }
}

#[test]
fn every_cause_is_remembered_the_latest_first() {
    let mut state = watching();
    let causes = [
        Cause::TupleInUse,
        Cause::NoSourceAddress,
        Cause::RangeExhausted,
        Cause::NoMemory,
        Cause::Unknown,
    ];
    let events = (1..).zip(causes);
    tell(
        &mut state,
        events.map(|(at, cause)| refused(at, cause, 99 + u16::try_from(at).expect("small"))),
    );
    let picture = state.snapshot(seconds(9));
    let told: Vec<_> = picture
        .failures
        .iter()
        .map(|failure| (failure.time, failure.cause, failure.errno))
        .collect();
    assert_eq!(
        told,
        [
            (seconds(5), Cause::Unknown, 104),
            (seconds(4), Cause::NoMemory, 103),
            (seconds(3), Cause::RangeExhausted, 102),
            (seconds(2), Cause::NoSourceAddress, 101),
            (seconds(1), Cause::TupleInUse, 100),
        ]
    );
    // Only one of them is a failure of the space, and of the process.
    assert_eq!(only(&picture).failures, Some(1));
    assert_eq!(picture.processes[0].failures, Some(1));
    assert_eq!(picture.events, 5);
}

#[test]
fn what_is_told_of_a_failure() {
    let mut state = watching();
    let mut event = failed(seconds(1), Cause::RangeExhausted);
    event.src = IpAddr::from([0; 4]);
    event.src_port = Some(7_000);
    event.owner.tid = 11;
    event.kind = Kind::ConnectFailed {
        errno: 99,
        cause: Cause::RangeExhausted,
        search: Some(Duration::from_millis(2)),
        restrictions: Restrictions {
            dev: 3,
            ..Restrictions::default()
        },
    };
    tell(&mut state, [event]);
    let failure = &state.snapshot(seconds(2)).failures[0];
    assert_eq!(failure.holder.pid, Some(10));
    assert_eq!(failure.holder.comm, b"curl");
    assert_eq!(failure.holder.cgroup.as_deref(), Some("/system.slice"));
    let Failure {
        tid,
        netns,
        src,
        src_port,
        dst,
        dst_port,
        dev,
        search,
        ..
    } = failure;
    assert_eq!((*tid, *netns, *dev), (11, super::kernel::NETNS, 3));
    assert_eq!((*src, *src_port), (IpAddr::from([0; 4]), Some(7_000)));
    assert_eq!((*dst, *dst_port), (IpAddr::from(SERVER), 443));
    assert_eq!(*search, Some(Duration::from_millis(2)));
}

#[test]
fn a_process_that_only_fails_is_named_and_takes_no_room_in_the_table() {
    let mut state = watching();
    tell(&mut state, [refused(1, Cause::NoSourceAddress, 99)]);
    let picture = state.snapshot(seconds(2));
    assert_eq!(picture.failures[0].holder.comm, b"curl");
    let cgroup = picture.failures[0].holder.cgroup.as_deref();
    assert_eq!(cgroup, Some("/system.slice"));
    assert!(picture.processes.is_empty() && picture.spaces.is_empty());
    // It is not asked for its cgroup again and again.
    let asked = Cell::new(0);
    for at in 2..9 {
        state.apply(&refused(at, Cause::NoSourceAddress, 99), || {
            asked.set(asked.get() + 1);
            None
        });
    }
    assert_eq!(asked.get(), 0);
    let cgroup = state.snapshot(seconds(9)).failures[0].holder.cgroup.clone();
    assert_eq!(cgroup.as_deref(), Some("/system.slice"));
}

#[test]
fn only_the_latest_are_kept() {
    let mut state = watching();
    let many = u16::try_from(failures::MOST).expect("small") + 100;
    for errno in 1..=many {
        let mut event = refused(1, Cause::Unknown, errno);
        event.owner.comm = errno.to_string().as_bytes().into();
        tell(&mut state, [event]);
    }
    let kept = state.snapshot(seconds(2)).failures;
    assert_eq!(kept.len(), failures::MOST);
    let expected = (101..=many).rev();
    for (failure, errno) in kept.iter().zip(expected) {
        assert_eq!(failure.errno, errno);
        assert_eq!(failure.holder.comm, errno.to_string().into_bytes());
    }
}

#[test]
fn the_cgroup_is_that_of_the_process_now_but_the_name_that_of_then() {
    let mut state = watching();
    tell(&mut state, [failed(seconds(1), Cause::RangeExhausted)]);
    let moved = |port, start| {
        let mut socket = socket(port, None, None);
        socket.process = Some(Arc::new(Process {
            pid: 10,
            start,
            uid: 0,
            comm: b"renamed".to_vec(),
            cgroup: Some(Arc::from("/moved")),
        }));
        vec![Found::Socket(socket)]
    };
    let cgroup = |picture: &Snapshot| {
        assert_eq!(picture.failures[0].holder.comm, b"curl");
        let cgroup = &picture.failures[0].holder.cgroup;
        cgroup.as_deref().map(str::to_owned)
    };
    let sight = super::exactness::FULL_SIGHT;
    // Another process of the same id.
    scan_of(&mut state, seconds(2), moved(40_000, 999), sight);
    let told = cgroup(&state.snapshot(seconds(2)));
    assert_eq!(told.as_deref(), Some("/system.slice"));
    scan_of(&mut state, seconds(3), moved(40_001, 110), sight);
    let told = cgroup(&state.snapshot(seconds(3)));
    assert_eq!(told.as_deref(), Some("/moved"));
    // Long after it has ended.
    for at in [2_000, 4_000] {
        scan_of(&mut state, seconds(at), Vec::new(), sight);
    }
    let picture = state.snapshot(seconds(4_000));
    assert!(picture.processes.is_empty());
    assert_eq!(cgroup(&picture).as_deref(), Some("/system.slice"));
}
