//! Scripted events, and what the picture says then.

use std::{net::IpAddr, time::Duration};

use super::script::*;
use crate::event::{Cause, Event};

#[test]
fn a_connection_from_its_connect_to_its_release() {
    let mut state = watching();
    tell(&mut state, [connect(seconds(1), 5, 40_000)]);
    let picture = state.snapshot(seconds(2));
    let space = only(&picture);
    assert_eq!((space.used, space.time_wait), (1, 0));
    assert_eq!((space.capacity, space.free), (28_232, 28_231));
    assert!(!space.exact);
    assert_eq!(space.owners[0].holder.pid, Some(10));
    assert_eq!(space.owners[0].holder.comm, b"curl");
    let cgroup = space.owners[0].holder.cgroup.as_deref();
    assert_eq!(cgroup, Some("/system.slice"));
    assert_eq!(
        space.search.expect("a search").max,
        Duration::from_nanos(3_007)
    );

    tell(&mut state, [time_wait(seconds(3), 5, 40_000)]);
    let picture = state.snapshot(seconds(4));
    assert_eq!((only(&picture).used, only(&picture).time_wait), (1, 1));
    let process = &picture.processes[0];
    assert_eq!((process.ports, process.time_wait), (1, 1));
    assert_eq!(
        process.top.expect("a destination").dst,
        IpAddr::from(SERVER)
    );
    assert_eq!(picture.namespaces[0].time_wait, 1);

    tell(&mut state, [released(seconds(63), 5, 40_000)]);
    let picture = state.snapshot(seconds(64));
    assert_eq!(only(&picture).used, 0);
    assert_eq!(picture.processes[0].ports, 0);
    assert!(state.snapshot(seconds(190)).spaces.is_empty());
}

#[test]
fn a_late_release_does_not_free_the_port_of_the_next_connection() {
    let mut state = watching();
    tell(
        &mut state,
        [
            connect(seconds(1), 5, 40_000),
            connect(seconds(2), 6, 40_000),
        ],
    );
    tell(&mut state, [released(seconds(3), 5, 40_000)]);
    assert_eq!(only(&state.snapshot(seconds(3))).used, 1);
    tell(&mut state, [released(seconds(4), 6, 40_000)]);
    let picture = state.snapshot(seconds(4));
    assert_eq!(only(&picture).used, 0);
    let rates = only(&picture).rates.expect("watched");
    assert!((rates.releases - 0.5).abs() < 0.01, "both count: {rates:?}");
}

#[test]
fn a_time_wait_tells_of_a_connect_that_was_lost() {
    let mut state = watching();
    tell(&mut state, [time_wait(seconds(1), 5, 40_000)]);
    let picture = state.snapshot(seconds(1));
    assert_eq!(only(&picture).time_wait, 1);
    assert_eq!(only(&picture).owners[0].holder.pid, Some(10));
}

#[test]
fn only_exhaustion_is_a_failure_of_the_space() {
    let mut state = watching();
    let causes = [
        Cause::TupleInUse,
        Cause::NoSourceAddress,
        Cause::NoMemory,
        Cause::Unknown,
    ];
    tell(&mut state, causes.map(|cause| failed(seconds(1), cause)));
    assert!(state.snapshot(seconds(2)).spaces.is_empty());
    tell(&mut state, [failed(seconds(1), Cause::RangeExhausted)]);
    let picture = state.snapshot(seconds(2));
    assert_eq!(only(&picture).failures, Some(1));
    assert_eq!(picture.processes[0].failures, Some(1));
}

#[test]
fn a_failure_without_source_counts_for_the_only_space_it_can_be_of() {
    let mut state = watching();
    let stray = Event {
        src: IpAddr::from([0; 4]),
        ..failed(seconds(2), Cause::RangeExhausted)
    };
    tell(&mut state, [connect(seconds(1), 5, 40_000), stray.clone()]);
    assert_eq!(only(&state.snapshot(seconds(3))).failures, Some(1));
    let other = Event {
        src: IpAddr::from([10, 0, 0, 9]),
        ..connect(seconds(3), 6, 40_000)
    };
    tell(&mut state, [other]);
    let picture = state.snapshot(seconds(3));
    assert_eq!(picture.spaces.len(), 3);
    let known = picture.spaces.iter().filter(|space| space.used > 0);
    assert!(
        known
            .map(|space| space.failures)
            .all(|failures| failures == Some(0))
    );
}

#[test]
fn a_reused_pid_is_another_process() {
    let mut state = watching();
    let mut other = connect(seconds(2), 6, 40_001);
    other.owner.start = 999;
    other.owner.comm = b"wget".into();
    tell(&mut state, [connect(seconds(1), 5, 40_000), other]);
    let picture = state.snapshot(seconds(2));
    let mut owners: Vec<_> = only(&picture)
        .owners
        .iter()
        .map(|owner| (owner.holder.comm.clone(), owner.ports))
        .collect();
    owners.sort();
    assert_eq!(owners, [(b"curl".to_vec(), 1), (b"wget".to_vec(), 1)]);
}

#[test]
fn a_process_without_start_is_the_one_already_known() {
    let mut state = watching();
    let mut same = connect(seconds(2), 6, 40_001);
    same.owner.start = 0;
    same.owner.comm = b"curl-io".into();
    let mut other = connect(seconds(3), 7, 40_002);
    other.owner.start = 0;
    other.owner.comm = b"sshd".into();
    other.owner.cgroup = 8;
    tell(&mut state, [connect(seconds(1), 5, 40_000), same, other]);
    let picture = state.snapshot(seconds(3));
    let shares: Vec<_> = only(&picture)
        .owners
        .iter()
        .map(|owner| owner.ports)
        .collect();
    assert_eq!(shares, [2, 1]);
    assert_eq!(only(&picture).owners[0].holder.comm, b"curl-io");
}
