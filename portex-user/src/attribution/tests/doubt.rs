//! What is in doubt is neither promised nor forgotten.

use std::time::Duration;

use proptest::prelude::*;

use super::{
    exactness::{FULL_SIGHT, Op, apply, judge, op, pass_on_events, rules},
    kernel::{Kernel, NETNS},
    script::*,
};
use crate::{
    attribution::{Drift, Limits, Snapshot, State, snapshot::Space},
    event::{Cause, Event, Kind, Restrictions, TcpState},
    found::{Found, Sight},
};

fn millis(millis: u64) -> Duration {
    seconds(0) + Duration::from_millis(millis)
}

/// A scan that takes a while.
fn slow_scan(state: &mut State, (begin, end): (Duration, Duration), found: Vec<Found>) -> Drift {
    state.begin_scan(begin);
    state.found(namespace());
    for found in found {
        state.found(found);
    }
    state.end_scan(FULL_SIGHT, end)
}

fn minisocket(left: u64) -> Vec<Found> {
    vec![Found::Socket(socket(40_000, Some(left), None))]
}

#[test]
fn after_a_long_scan_nothing_is_exact() {
    let mut state = State::new(Limits::default());
    slow_scan(&mut state, (millis(0), millis(6_000)), minisocket(30));
    assert!(!only(&state.snapshot(millis(6_000))).exact);
    slow_scan(&mut state, (millis(7_000), millis(8_000)), minisocket(23));
    assert!(only(&state.snapshot(millis(8_000))).exact);
}

#[test]
fn a_time_wait_may_end_as_much_earlier_as_the_scan_took() {
    // Read at its beginning, it ends 4 s after that.
    for (left, exact) in [(4, false), (5, true)] {
        let mut state = State::new(Limits::default());
        slow_scan(&mut state, (millis(0), millis(1_000)), minisocket(left));
        let picture = state.snapshot(millis(2_900));
        assert_eq!((only(&picture).exact, only(&picture).used), (exact, 1));
    }
}

#[test]
fn a_later_scan_corrects_an_end_that_a_long_one_told_too_late() {
    let mut state = State::new(Limits::default());
    slow_scan(&mut state, (millis(0), millis(6_000)), minisocket(24));
    slow_scan(&mut state, (millis(20_000), millis(20_010)), minisocket(4));
    assert!(only(&state.snapshot(millis(20_020))).exact);
    assert!(!only(&state.snapshot(millis(22_800))).exact);
}

#[test]
fn what_waits_for_its_reuse_may_be_as_much_older_as_the_scan_took() {
    let mut state = State::new(Limits::default());
    let mut found = minisocket(57);
    let mut rules = namespace();
    if let Found::Namespace(namespace) = &mut rules {
        namespace.rules.tw_reuse = 1;
        namespace.rules.tw_reuse_coarse = false;
        namespace.rules.tw_reuse_delay = Duration::from_secs(6);
    }
    found.insert(0, rules);
    slow_scan(&mut state, (millis(0), millis(2_000)), found);
    // Read at the beginning, it is 5 s old by now.
    assert!(!only(&state.snapshot(millis(2_000))).exact);
}

fn scan_without(unseen: fn(&Found) -> bool, state: &mut State, kernel: &Kernel, sight: Sight) {
    state.begin_scan(kernel.time());
    for found in kernel.found().into_iter().filter(|found| !unseen(found)) {
        state.found(found);
    }
    state.end_scan(sight, kernel.time());
}

/// Sockets that are only bound, which `/proc/net/tcp` does not list.
fn is_only_bound(found: &Found) -> bool {
    matches!(found, Found::Socket(socket)
        if socket.tuple.dst_port == 0 && socket.state == TcpState::Close)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn without_sight_of_the_binds_free_is_the_least(
        rules in rules(),
        ops in proptest::collection::vec(op(), 0..60),
        after in proptest::collection::vec(op(), 0..10),
        watched in any::<bool>(),
        random in any::<u32>(),
    ) {
        let mut kernel = Kernel::new(rules);
        let mut state = State::new(Limits::default());
        for op in &ops {
            apply(&mut kernel, op);
            if watched {
                pass_on_events(&mut state, &mut kernel);
            }
        }
        kernel.events.clear();
        let sight = Sight { binds: false, ..FULL_SIGHT };
        scan_without(|found| matches!(found, Found::Blocked(_)), &mut state, &kernel, sight);
        judge(&kernel, &state.snapshot(kernel.time()), random)?;
        for op in after.iter().filter(|op| matches!(op, Op::Connect { .. } | Op::ConnectBound { .. })) {
            apply(&mut kernel, op);
        }
        pass_on_events(&mut state, &mut kernel);
        judge(&kernel, &state.snapshot(kernel.time()), random)?;
    }

    #[test]
    fn without_sight_of_bound_sockets_free_is_the_least(
        rules in rules(),
        ops in proptest::collection::vec(op(), 0..60),
        random in any::<u32>(),
    ) {
        let mut kernel = Kernel::new(rules);
        let mut state = State::new(Limits::default());
        for op in &ops {
            apply(&mut kernel, op);
        }
        let sight = Sight { bound_sockets: false, ..FULL_SIGHT };
        scan_without(is_only_bound, &mut state, &kernel, sight);
        judge(&kernel, &state.snapshot(kernel.time()), random)?;
    }
}

#[test]
fn what_cannot_be_read_is_neither_forgotten_nor_exact() {
    let mut state = watching();
    tell(&mut state, [connect(seconds(1), 5, 40_000)]);
    let found = [40_000, 40_001].map(|port| Found::Socket(socket(port, None, Some(10))));
    scan_of(&mut state, seconds(2), found.to_vec(), FULL_SIGHT);
    assert!(only(&state.snapshot(seconds(2))).exact);
    // Before it broke off, it had found one of them, and one that is new.
    let found = vec![
        Found::Socket(socket(40_001, Some(60), None)),
        Found::Socket(socket(40_002, None, None)),
        Found::Unreadable(NETNS),
    ];
    let drift = scan_of(&mut state, seconds(3), found, FULL_SIGHT);
    assert_eq!((drift.stale, drift.missed), (0, 0));
    let picture = state.snapshot(seconds(3));
    let space = only(&picture);
    assert_eq!((space.used, space.exact), (2, false));
    let pids: Vec<_> = space.owners.iter().map(|owner| owner.holder.pid).collect();
    assert_eq!(pids, [Some(10)]);
    assert_eq!(picture.namespaces[0].name.as_deref(), Some("blue"));
    // Nor is the past of one that holds nothing.
    tell(&mut state, [failed(seconds(4), Cause::RangeExhausted)]);
    let gone = [5, 0].map(|socket| released(seconds(4), socket, 40_000 + u16::from(socket == 0)));
    tell(&mut state, gone);
    scan_of(
        &mut state,
        seconds(5),
        vec![Found::Unreadable(NETNS)],
        FULL_SIGHT,
    );
    let failures = |picture: &Snapshot| {
        picture
            .spaces
            .iter()
            .filter_map(|row| row.failures)
            .sum::<u64>()
    };
    assert_eq!(failures(&state.snapshot(seconds(5))), 1);
}

/// With a range of its own.
fn own(lo: u16, hi: u16, mut event: Event) -> Event {
    let own = Restrictions { dev: 0, lo, hi };
    if let Kind::Connect { restrictions, .. } | Kind::ConnectFailed { restrictions, .. } =
        &mut event.kind
    {
        *restrictions = own;
    }
    event
}

fn close_to(rate: f64, expected: f64) -> bool {
    (rate - expected).abs() < 1e-9
}

#[test]
fn ranges_that_come_down_to_the_same_add_up() {
    let mut state = watching();
    scan_of(&mut state, seconds(0), vec![], FULL_SIGHT);
    let at = seconds(1);
    tell(
        &mut state,
        [
            connect(at, 5, 40_000),
            own(1, 2, connect(at, 6, 40_001)),
            own(1, 2, failed(at, Cause::RangeExhausted)),
            own(40_000, 40_009, connect(at, 7, 40_002)),
            own(40_000, 40_009, failed(at, Cause::RangeExhausted)),
            // After a second.
            released(at, 5, 40_000),
            released(at, 6, 40_001),
        ],
    );
    let picture = state.snapshot(at);
    let row = |own: bool, picture: &Snapshot| -> Space {
        let mut rows = picture.spaces.iter().filter(|row| row.own_range == own);
        rows.next().expect("a row").clone()
    };
    // The failure has no source any more, so that it counts for the row of the same range.
    assert_eq!(picture.spaces.len(), 2, "{:#?}", picture.spaces);
    let all = row(false, &picture);
    let rates = all.rates.expect("watched");
    assert!(close_to(rates.connects, 2.0), "{rates:?}");
    assert!(close_to(all.need.expect("a rate"), 2.0), "{all:?}");
    assert!(close_to(
        row(true, &picture).rates.expect("watched").connects,
        1.0
    ));
    assert_eq!(all.failures, Some(1));
}

#[test]
fn times_of_ranges_that_come_down_to_the_same_are_one_distribution() {
    let mut state = watching();
    let at = seconds(1);
    let mut slow = own(1, 2, connect(at, 6, 40_001));
    if let Kind::Connect { search, .. } = &mut slow.kind {
        *search = Some(Duration::from_millis(500));
    }
    tell(&mut state, [connect(at, 5, 40_000), slow]);
    let search = only(&state.snapshot(at)).search.expect("searches");
    assert!(search.p50 < Duration::from_millis(1), "{search:?}");
    assert!(search.max >= Duration::from_millis(490), "{search:?}");
}

#[test]
fn failures_of_a_range_of_its_own_are_told_as_long_as_its_space_is_there() {
    let mut state = watching();
    let failed = Event {
        src: connect(seconds(1), 1, 1).src,
        ..failed(seconds(1), Cause::RangeExhausted)
    };
    let failed = own(40_000, 40_009, failed);
    tell(&mut state, [connect(seconds(1), 5, 40_000), failed]);
    let picture = state.snapshot(seconds(300));
    let failures: Vec<_> = picture
        .spaces
        .iter()
        .map(|row| (row.own_range, row.failures))
        .collect();
    assert!(failures.contains(&(true, Some(1))), "{failures:?}");
}

#[test]
fn behind_a_device_nothing_is_exact() {
    let mut state = State::new(Limits::default());
    let mut row = socket(40_000, None, None);
    row.dev = 5;
    let found = vec![
        Found::Socket(row),
        Found::Socket(socket(40_001, None, None)),
    ];
    scan_of(&mut state, seconds(0), found, FULL_SIGHT);
    let picture = state.snapshot(seconds(0));
    let mut exact: Vec<_> = picture
        .spaces
        .iter()
        .map(|row| (row.dev, row.exact))
        .collect();
    exact.sort_unstable();
    assert_eq!(exact, [(0, true), (5, false)]);
}

/// The scan begins with a model that believes it to have closed at `closed`, and finds a minisocket
/// with `left` of its time.
fn found_after_all(closed: Duration, left: u64, bound: bool) -> (State, Drift) {
    let mut state = watching();
    scan_of(&mut state, seconds(0), vec![], FULL_SIGHT);
    tell(
        &mut state,
        [connect(seconds(1), 5, 40_000), released(closed, 5, 40_000)],
    );
    let mut found = minisocket(left);
    if bound {
        // Bound to the port, so that the row alone would not tell who connected.
        found.push(Found::Blocked(crate::found::Blocked {
            netns: NETNS,
            l3mdev: 0,
            port: 40_000,
        }));
    }
    let drift = scan_of(&mut state, seconds(20), found, FULL_SIGHT);
    (state, drift)
}

#[test]
fn the_time_wait_of_one_that_was_told_closed_is_still_its_own() {
    for bound in [false, true] {
        let (state, drift) = found_after_all(seconds(3), 43, bound);
        assert_eq!(drift.missed, 1);
        let picture = state.snapshot(seconds(20));
        let space = only(&picture);
        assert_eq!((space.used, space.time_wait), (1, 1));
        assert_eq!(space.owners[0].holder.pid, Some(10));
    }
}

#[test]
fn a_time_wait_that_began_at_another_moment_is_not() {
    for left in [41, 45] {
        let (state, _) = found_after_all(seconds(3), left, false);
        let picture = state.snapshot(seconds(20));
        assert_eq!(only(&picture).owners[0].holder.pid, None, "{left}");
    }
}

#[test]
fn a_time_wait_that_one_scan_misses_is_kept_in_doubt() {
    let mut state = watching();
    scan_of(&mut state, seconds(0), vec![], FULL_SIGHT);
    tell(
        &mut state,
        [
            connect(seconds(1), 5, 40_000),
            time_wait(seconds(2), 5, 40_000),
        ],
    );
    scan_of(&mut state, seconds(10), minisocket(52), FULL_SIGHT);
    let drift = scan_of(&mut state, seconds(20), vec![], FULL_SIGHT);
    let picture = state.snapshot(seconds(20));
    assert_eq!((drift, only(&picture).used), (Drift::default(), 1));
    assert!(!only(&picture).exact);
    scan_of(&mut state, seconds(30), minisocket(32), FULL_SIGHT);
    let picture = state.snapshot(seconds(30));
    assert_eq!((only(&picture).used, only(&picture).exact), (1, true));
    assert_eq!(only(&picture).owners[0].holder.pid, Some(10));
    // Twice in a row, it is gone; so is one whose time has run out.
    for (first, second) in [(31, 32), (63, 63)] {
        let mut state = watching();
        scan_of(&mut state, seconds(0), vec![], FULL_SIGHT);
        tell(&mut state, [time_wait(seconds(2), 5, 40_000)]);
        let drift = scan_of(&mut state, seconds(first), vec![], FULL_SIGHT);
        let kept = u64::from(first < 62);
        assert_eq!(drift.stale, 1 - kept);
        let drift = scan_of(&mut state, seconds(second), vec![], FULL_SIGHT);
        assert_eq!(drift.stale, kept);
        let picture = state.snapshot(seconds(second));
        assert!(picture.spaces.iter().all(|space| space.used == 0));
    }
}

#[test]
fn after_a_loss_what_a_scan_misses_is_gone() {
    let mut state = watching();
    scan_of(&mut state, seconds(0), vec![], FULL_SIGHT);
    tell(&mut state, [time_wait(seconds(2), 5, 40_000)]);
    state.lost(1);
    let drift = scan_of(&mut state, seconds(10), vec![], FULL_SIGHT);
    assert_eq!(drift.stale, 1);
}

#[test]
fn the_settings_of_what_cannot_be_read_are_kept() {
    let mut state = watching();
    scan_of(&mut state, seconds(0), vec![], FULL_SIGHT);
    let unreadable = vec![Found::Unreadable(NETNS)];
    scan_of(&mut state, seconds(1), unreadable, FULL_SIGHT);
    tell(&mut state, [connect(seconds(2), 5, 40_000)]);
    let picture = state.snapshot(seconds(2));
    assert_eq!(picture.namespaces[0].name.as_deref(), Some("blue"));
}
