//! Scripted scans, and what the picture says then.

use std::{net::IpAddr, time::Duration};

use super::{
    exactness::{FULL_SIGHT, pass_on_events, scan},
    kernel::{Call, Kernel, NETNS},
    script::*,
};
use crate::{
    attribution::{Drift, Limits, State, binds::Namespace},
    event::{Kind, Restrictions},
    found::{self, Found, Sight},
    ports::PortRange,
};

#[test]
fn accepted_connections_are_no_spaces_whatever_the_order_of_the_scan() {
    for listener_first in [true, false] {
        for binds in [true, false] {
            let mut found: Vec<Found> = (0..2_000_u16)
                .map(|i| {
                    let mut accepted = socket(8_080, None, Some(99));
                    accepted.tuple.dst_port = 1_024 + i;
                    Found::Socket(accepted)
                })
                .collect();
            found.push(Found::Socket(socket(40_000, None, Some(10))));
            found.insert(
                if listener_first { 0 } else { found.len() },
                listener(8_080),
            );
            found.push(Found::Blocked(found::Blocked {
                netns: NETNS,
                l3mdev: 0,
                port: 8_080,
            }));
            let mut state = State::new(Limits::default());
            let sight = Sight {
                binds,
                ..FULL_SIGHT
            };
            scan_of(&mut state, seconds(0), found, sight);
            let picture = state.snapshot(seconds(0));
            assert_eq!(only(&picture).used, 1);
            assert_eq!(only(&picture).exact, binds);
            assert_eq!(picture.processes.len(), 1);
        }
    }
}

#[test]
fn of_two_ends_on_one_host_the_one_without_listener_connected() {
    let mut client = socket(40_000, None, Some(10));
    client.tuple.dst = client.tuple.src;
    client.tuple.dst_port = 50_000;
    let mut server = socket(50_000, None, Some(99));
    server.tuple.dst = server.tuple.src;
    server.tuple.dst_port = 40_000;
    let blocked = Found::Blocked(found::Blocked {
        netns: NETNS,
        l3mdev: 0,
        port: 50_000,
    });
    // With its listener, and after that has closed: then the bucket still tells.
    for more in [vec![listener(50_000)], vec![]] {
        let mut found = vec![
            Found::Socket(server.clone()),
            Found::Socket(client.clone()),
            blocked.clone(),
        ];
        found.extend(more);
        let mut state = State::new(Limits::default());
        scan_of(&mut state, seconds(0), found, FULL_SIGHT);
        let picture = state.snapshot(seconds(0));
        assert_eq!(only(&picture).dst_port, 50_000);
        assert_eq!(only(&picture).used, 1);
    }
}

#[test]
fn a_bound_client_is_a_client() {
    let client = socket(40_000, None, Some(10));
    let blocked = Found::Blocked(found::Blocked {
        netns: NETNS,
        l3mdev: 0,
        port: 40_000,
    });
    let mut state = State::new(Limits::default());
    scan_of(
        &mut state,
        seconds(0),
        vec![Found::Socket(client), blocked],
        FULL_SIGHT,
    );
    let picture = state.snapshot(seconds(0));
    assert_eq!((only(&picture).used, only(&picture).blocked), (1, 0));
    assert_eq!(only(&picture).free, 28_231);
}

#[test]
fn who_connected_is_kept_when_a_child_has_the_socket() {
    let mut state = watching();
    tell(&mut state, [connect(seconds(1), 5, 40_000)]);
    scan_of(&mut state, seconds(2), vec![], FULL_SIGHT);
    tell(&mut state, [connect(seconds(3), 6, 40_000)]);
    let child = Found::Socket(socket(40_000, None, Some(11)));
    let drift = scan_of(&mut state, seconds(4), vec![child.clone()], FULL_SIGHT);
    assert_eq!(drift, Drift::default());
    let holder = |state: &State| only(&state.snapshot(seconds(5))).owners[0].holder.pid;
    assert_eq!(holder(&state), Some(10));
    // After a loss it may be another connection: then who has it open is the better witness.
    state.lost(1);
    let drift = scan_of(&mut state, seconds(5), vec![child], FULL_SIGHT);
    assert_eq!(drift.changed, 1);
    assert_eq!(holder(&state), Some(11));
}

#[test]
fn a_live_connection_where_a_time_wait_was_is_another() {
    let mut state = watching();
    tell(
        &mut state,
        [
            connect(seconds(1), 5, 40_000),
            time_wait(seconds(2), 5, 40_000),
        ],
    );
    let found = |pid| vec![Found::Socket(socket(40_000, None, pid))];
    let drift = scan_of(&mut state, seconds(10), found(None), FULL_SIGHT);
    assert_eq!(drift.changed, 1);
    let picture = state.snapshot(seconds(10));
    assert_eq!(only(&picture).time_wait, 0);
    assert_eq!(only(&picture).owners[0].holder.pid, None);
    assert_eq!(only(&picture).owners[0].holder.comm, b"unknown");
    scan_of(&mut state, seconds(11), found(Some(12)), FULL_SIGHT);
    let picture = state.snapshot(seconds(11));
    assert_eq!(only(&picture).owners[0].holder.pid, Some(12));
}

#[test]
fn events_win_over_the_rows_of_a_scan_that_was_under_way() {
    let mut state = watching();
    tell(
        &mut state,
        [
            connect(seconds(1), 5, 40_000),
            connect(seconds(1), 6, 40_001),
        ],
    );
    state.begin_scan(seconds(2));
    state.found(namespace());
    // Read before these happened.
    let rows = [40_000, 40_001, 40_002].map(|port| socket(port, None, None));
    tell(
        &mut state,
        [
            released(seconds(3), 5, 40_000),
            time_wait(seconds(3), 6, 40_001),
        ],
    );
    tell(
        &mut state,
        [
            released(seconds(3), 7, 40_002),
            connect(seconds(3), 8, 40_003),
        ],
    );
    for row in rows {
        state.found(Found::Socket(row));
    }
    let drift = state.end_scan(FULL_SIGHT, seconds(4));
    assert_eq!(drift, Drift::default());
    let picture = state.snapshot(seconds(4));
    assert_eq!((only(&picture).used, only(&picture).time_wait), (2, 1));
}

#[test]
fn a_namespace_that_is_gone_is_forgotten_and_a_hidden_one_is_not() {
    let mut state = watching();
    scan_of(&mut state, seconds(0), vec![], FULL_SIGHT);
    tell(&mut state, [connect(seconds(1), 5, 40_000)]);
    let gone = |state: &mut State, hidden_namespaces| {
        state.begin_scan(seconds(2));
        let sight = Sight {
            hidden_namespaces,
            ..FULL_SIGHT
        };
        state.end_scan(sight, seconds(2))
    };
    assert_eq!(gone(&mut state, 1).stale, 0);
    assert_eq!(only(&state.snapshot(seconds(2))).used, 1);
    assert_eq!(gone(&mut state, 0).stale, 1);
    let picture = state.snapshot(seconds(3));
    assert!(picture.spaces.is_empty() && picture.namespaces.is_empty());
}

#[test]
fn a_range_of_its_own_is_a_row_of_its_own_with_the_same_ports() {
    let mut state = watching();
    scan_of(&mut state, seconds(0), vec![], FULL_SIGHT);
    let mut own = connect(seconds(1), 5, 40_000);
    if let Kind::Connect { restrictions, .. } = &mut own.kind {
        *restrictions = Restrictions {
            dev: 0,
            lo: 40_000,
            hi: 40_009,
        };
    }
    tell(&mut state, [own, connect(seconds(1), 6, 40_001)]);
    let picture = state.snapshot(seconds(1));
    let mut rows: Vec<_> = picture
        .spaces
        .iter()
        .map(|row| (row.capacity, row.used, row.free, row.own_range))
        .collect();
    rows.sort_unstable();
    assert_eq!(rows, [(10, 2, 8, true), (28_232, 2, 28_230, false)]);
    let connects: Vec<f64> = picture
        .spaces
        .iter()
        .map(|row| row.rates.expect("watched").connects)
        .collect();
    assert_eq!(connects, [1.0, 1.0]);
}

#[test]
fn one_without_events_has_no_rates() {
    let mut state = State::new(Limits::default());
    let found = vec![Found::Socket(socket(40_000, Some(30), None))];
    scan_of(&mut state, seconds(0), found, FULL_SIGHT);
    let picture = state.snapshot(seconds(0));
    assert_eq!((picture.watched, picture.drift), (None, None));
    let space = only(&picture);
    assert_eq!(
        (space.rates, space.failures, space.need),
        (None, None, None)
    );
    assert_eq!(picture.processes[0].holder.pid, None);
    assert_eq!(picture.processes[0].rates, None);
    assert_eq!(picture.namespaces[0].name.as_deref(), Some("blue"));
}

#[test]
fn the_most_endangered_space_comes_first() {
    let mut kernel = Kernel::new(found::Rules {
        range: PortRange { lo: 100, hi: 109 },
        ..Namespace::default().rules
    });
    let mut state = State::new(Limits::default());
    state.watch_from(kernel.time());
    for (dst_port, connects) in [(1, 2), (2, 9), (3, 5)] {
        for _ in 0..connects {
            kernel.connect(Call {
                src: IpAddr::from(CLIENT),
                dst: IpAddr::from(SERVER),
                dst_port,
                dev: 0,
                own: (0, 0),
                pid: 10,
            });
        }
    }
    scan(&mut state, &kernel, FULL_SIGHT);
    let picture = state.snapshot(kernel.time());
    let order: Vec<u16> = picture.spaces.iter().map(|space| space.dst_port).collect();
    assert_eq!(order, [2, 3, 1], "by fill");
    // Its last port is taken within the second; the others have more.
    pass_on_events(&mut state, &mut kernel);
    let picture = state.snapshot(kernel.time());
    let ends: Vec<_> = picture
        .spaces
        .iter()
        .map(|space| space.exhausts_in)
        .collect();
    assert!(ends.is_sorted() && ends[0].is_some(), "{ends:?}");
    assert_eq!(picture.spaces[0].dst_port, 2);
}

#[test]
fn a_release_from_a_blocked_port_during_a_scan_leaves_nothing_exact() {
    let blocked = |port| {
        Found::Blocked(found::Blocked {
            netns: NETNS,
            l3mdev: 0,
            port,
        })
    };
    for (port, exact) in [(40_000, false), (40_001, true)] {
        let mut state = watching();
        tell(&mut state, [connect(seconds(1), 5, 40_000)]);
        state.begin_scan(seconds(2));
        state.found(namespace());
        state.found(blocked(port));
        tell(&mut state, [released(seconds(3), 5, 40_000)]);
        state.end_scan(FULL_SIGHT, seconds(4));
        assert_eq!(only(&state.snapshot(seconds(4))).exact, exact);
    }
}

#[test]
fn a_time_wait_without_device_is_not_taken_for_a_later_connection_with_one() {
    let mut state = watching();
    // The release of the first is lost, and the connect of the second, which is bound to a device.
    tell(
        &mut state,
        [
            connect(seconds(1), 1, 40_000),
            time_wait(seconds(2), 1, 40_000),
        ],
    );
    let mut second = socket(40_000, None, Some(11));
    second.dev = 5;
    let found = || vec![Found::Socket(second.clone())];
    scan_of(&mut state, seconds(70), found(), FULL_SIGHT);
    tell(&mut state, [time_wait(seconds(71), 2, 40_000)]);
    let mut second = second.clone();
    second.time_wait = Some(Duration::from_secs(59));
    scan_of(
        &mut state,
        seconds(72),
        vec![Found::Socket(second)],
        FULL_SIGHT,
    );
    let picture = state.snapshot(seconds(72));
    let held: Vec<_> = picture
        .spaces
        .iter()
        .map(|space| (space.dev, space.used))
        .collect();
    assert_eq!(
        held.iter()
            .filter(|(_, used)| *used > 0)
            .collect::<Vec<_>>(),
        [&(5, 1)],
        "{held:?}"
    );
}
