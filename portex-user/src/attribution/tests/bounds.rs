//! Nothing grows without bound.

use std::{net::IpAddr, time::Duration};

use super::{exactness::FULL_SIGHT, script::*};
use crate::{
    attribution::{Limits, State},
    event::Event,
    found::Found,
};

const LIMITS: Limits = Limits {
    sockets: 500,
    spaces: 100,
    owners: 50,
    histograms: 10,
    pools: 5,
};

fn to(destination: u32, event: Event) -> Event {
    Event {
        dst: IpAddr::from((0x0b00_0000 + destination).to_be_bytes()),
        ..event
    }
}

fn of(pid: u32, mut event: Event) -> Event {
    event.owner.pid = pid;
    event.owner.start = pid;
    event
}

fn bounded() -> State {
    let mut state = State::new(LIMITS);
    state.watch_from(seconds(0));
    state
}

#[test]
fn more_ports_than_the_limit_are_refused_and_counted() {
    let mut state = bounded();
    let connects = (0..600).map(|i| connect(seconds(1), u64::from(i) + 1, 40_000 + i));
    tell(&mut state, connects);
    let picture = state.snapshot(seconds(1));
    assert_eq!((only(&picture).used, picture.dropped), (500, 100));
    // What is freed makes room again.
    tell(
        &mut state,
        [
            released(seconds(2), 1, 40_000),
            connect(seconds(2), 900, 50_000),
        ],
    );
    let picture = state.snapshot(seconds(2));
    assert_eq!((only(&picture).used, picture.dropped), (500, 100));
}

#[test]
fn spaces_that_hold_ports_are_kept_and_new_ones_refused() {
    let mut state = bounded();
    let connects = (0..150).map(|i| to(i, connect(seconds(1), u64::from(i) + 1, 40_000)));
    tell(&mut state, connects);
    let picture = state.snapshot(seconds(1));
    assert_eq!((picture.spaces.len(), picture.dropped), (100, 50));
}

#[test]
fn churn_over_many_destinations_and_processes_stays_within_the_limits() {
    let mut state = bounded();
    for i in 0..20_000_u32 {
        let at = Duration::from_millis(1_000_000 + u64::from(i) * 10);
        let one = |event| of(i + 1, to(i, event));
        let socket = u64::from(i) + 1;
        tell(
            &mut state,
            [
                one(connect(at, socket, 40_000)),
                one(released(at, socket, 40_000)),
            ],
        );
        assert!(state.spaces.map.len() <= 100 && state.owners.iter().count() <= 50);
    }
    let picture = state.snapshot(Duration::from_secs(1_200));
    assert!(picture.spaces.len() > 10);
    assert!(picture.dropped > 0);
    let newest = picture
        .processes
        .iter()
        .filter(|row| row.holder.pid > Some(19_000));
    assert!(newest.count() > 0, "the present counts more than the past");
    let with_times = picture
        .spaces
        .iter()
        .filter(|space| space.hold.is_some())
        .count()
        + picture
            .processes
            .iter()
            .filter(|process| process.hold.is_some())
            .count();
    assert!((1..=10).contains(&with_times), "{with_times} histograms");
}

#[test]
fn slow_churn_drops_nothing_and_leaves_nothing() {
    let mut state = bounded();
    for i in 0..200_u32 {
        let at = seconds(u64::from(i) * 10);
        let one = |event| of(i / 40 + 1, to(i, event));
        let socket = u64::from(i) + 1;
        tell(
            &mut state,
            [
                one(connect(at, socket, 40_000)),
                one(released(at, socket, 40_000)),
            ],
        );
    }
    let end = seconds(10_000);
    state.begin_scan(end);
    state.end_scan(FULL_SIGHT, end);
    let picture = state.snapshot(end);
    assert_eq!(
        (
            picture.spaces.len(),
            picture.processes.len(),
            picture.dropped
        ),
        (0, 0, 0)
    );
    assert_eq!(
        (state.spaces.map.len(), state.owners.iter().count()),
        (0, 0)
    );
    assert_eq!(state.budget.0, LIMITS.histograms, "given back");
}

#[test]
fn pools_beyond_the_limit_are_counted() {
    let mut state = bounded();
    let found = (1..=8)
        .map(|i| {
            let mut socket = socket(40_000, None, None);
            socket.tuple.src = IpAddr::from([10, 0, 0, i]);
            Found::Socket(socket)
        })
        .collect();
    scan_of(&mut state, seconds(0), found, FULL_SIGHT);
    let picture = state.snapshot(seconds(0));
    assert_eq!((picture.bind_pools.len(), picture.dropped), (5, 3));
}

#[test]
fn times_far_off_and_ranges_the_wrong_way_round_do_no_harm() {
    let mut state = bounded();
    let mut odd = connect(Duration::MAX, 1, 40_000);
    if let crate::event::Kind::Connect { restrictions, .. } = &mut odd.kind {
        (restrictions.lo, restrictions.hi) = (50_000, 40_000);
    }
    tell(
        &mut state,
        [
            odd,
            time_wait(Duration::MAX, 2, 40_001),
            connect(Duration::ZERO, 3, 40_002),
        ],
    );
    tell(
        &mut state,
        [
            time_wait(Duration::ZERO, 3, 40_002),
            released(Duration::MAX, 1, 40_000),
        ],
    );
    let found = vec![Found::Socket(socket(40_001, Some(u64::MAX), None))];
    scan_of(&mut state, seconds(1), found, FULL_SIGHT);
    for now in [Duration::ZERO, seconds(2), Duration::MAX] {
        let picture = state.snapshot(now);
        assert!(
            picture
                .spaces
                .iter()
                .all(|space| space.free <= space.capacity)
        );
    }
}
