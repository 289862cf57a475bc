//! A map of a space agrees with its row.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use proptest::prelude::*;

use super::{
    exactness::{FULL_SIGHT, Op, apply, op, pass_on_events, rules, scan},
    kernel::Kernel,
    script::*,
};
use crate::{
    attribution::{
        Limits, Snapshot, State,
        snapshot::{PortMap, PortUse, Space},
    },
    event::{Cause, Event, Kind, Restrictions, TcpState},
    found::{Blocked, Found, Sight},
    ports::PortRange,
};

fn counts(map: &PortMap) -> impl Fn(PortUse) -> u32 + use<> {
    let mut counts: HashMap<PortUse, u32> = HashMap::new();
    for &port in &map.ports {
        *counts.entry(port).or_default() += 1;
    }
    move |port| counts.get(&port).copied().unwrap_or(0)
}

fn agrees(row: &Space, map: &PortMap) -> Result<(), TestCaseError> {
    let count = counts(map);
    prop_assert_eq!(map.range, row.range);
    let size = (u32::from(row.range.hi) + 1).saturating_sub(u32::from(row.range.lo));
    prop_assert_eq!(map.ports.len(), usize::try_from(size).expect("small"));
    prop_assert_eq!(size - count(PortUse::Reserved), row.capacity, "{:?}", row);
    let time_wait = count(PortUse::TimeWait) + count(PortUse::Recyclable);
    prop_assert_eq!(time_wait, row.time_wait, "{:?}", row);
    prop_assert_eq!(time_wait + count(PortUse::InUse), row.used, "{:?}", row);
    prop_assert_eq!(count(PortUse::Recyclable), row.recyclable, "{:?}", row);
    prop_assert_eq!(count(PortUse::Blocked), row.blocked, "{:?}", row);
    let free = count(PortUse::Free) + count(PortUse::Recyclable);
    if row.exact {
        prop_assert_eq!(free, row.free, "{:?}", row);
    } else {
        prop_assert!(free >= row.free, "{} {:?}", free, row);
    }
    Ok(())
}

fn all_agree(state: &State, picture: &Snapshot) -> Result<(), TestCaseError> {
    for row in &picture.spaces {
        let map = state.port_map(&row.key(), picture.time);
        let map = map.ok_or_else(|| TestCaseError::fail(format!("no map of {row:?}")))?;
        agrees(row, &map)?;
    }
    Ok(())
}

/// What happens, and how much of it is seen.
fn scene() -> impl Strategy<Value = (Vec<Op>, [bool; 3])> {
    (proptest::collection::vec(op(), 0..60), any::<[bool; 3]>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_uses_of_a_map_add_up_to_the_row(
        rules in rules(),
        (before, [watched, scanned, binds]) in scene(),
        (after, _) in scene(),
        later in 0..70_u64,
    ) {
        let mut kernel = Kernel::new(rules);
        let mut state = State::new(Limits::default());
        state.watch_from(kernel.time());
        for op in &before {
            apply(&mut kernel, op);
        }
        if watched {
            pass_on_events(&mut state, &mut kernel);
        } else {
            kernel.events.clear();
        }
        if scanned {
            scan(&mut state, &kernel, Sight { binds, ..FULL_SIGHT });
            let picture = state.snapshot(kernel.time());
            all_agree(&state, &picture)?;
        }
        for op in &after {
            apply(&mut kernel, op);
        }
        pass_on_events(&mut state, &mut kernel);
        all_agree(&state, &state.snapshot(kernel.time()))?;
        all_agree(&state, &state.snapshot(kernel.time() + Duration::from_secs(later)))?;
    }
}

fn use_of(map: &PortMap, port: u16) -> PortUse {
    map.ports[usize::from(port - map.range.lo)]
}

#[test]
fn every_port_has_its_use() {
    let mut state = watching();
    let Found::Namespace(mut namespace) = namespace() else {
        panic!("a namespace");
    };
    namespace.rules.range = PortRange { lo: 100, hi: 109 };
    namespace.rules.reserved = [101, 102].into_iter().collect();
    namespace.rules.tw_reuse = 1;
    namespace.rules.tw_reuse_delay = Duration::from_secs(10);
    let connection = |port, time_wait| Found::Socket(socket(port, time_wait, Some(10)));
    let fin_wait2 = {
        let mut socket = socket(107, Some(50), None);
        socket.state = TcpState::FinWait2;
        Found::Socket(socket)
    };
    let mut fresh = connection(108, Some(60));
    if let Found::Socket(socket) = &mut fresh {
        socket.process = None;
    }
    let blocked = |port| {
        Found::Blocked(Blocked {
            netns: namespace.inode,
            l3mdev: 0,
            port,
        })
    };
    state.begin_scan(seconds(1));
    for found in [
        Found::Namespace(namespace.clone()),
        connection(102, None),
        connection(103, None),
        connection(104, None),
        connection(105, Some(30)),
        connection(50, None),
        fin_wait2,
        fresh,
        blocked(104),
        blocked(106),
        blocked(102),
    ] {
        state.found(found);
    }
    state.end_scan(FULL_SIGHT, seconds(1));
    let picture = state.snapshot(seconds(1));
    let row = only(&picture);
    let map = state.port_map(&row.key(), seconds(1)).expect("a space");
    let uses = [
        (100, PortUse::Free),
        (101, PortUse::Reserved),
        (102, PortUse::Reserved),
        (103, PortUse::InUse),
        (104, PortUse::InUse),
        (105, PortUse::Recyclable),
        (106, PortUse::Blocked),
        (107, PortUse::TimeWait),
        (108, PortUse::TimeWait),
        (109, PortUse::Free),
    ];
    for (port, expected) in uses {
        assert_eq!(use_of(&map, port), expected, "{port}");
    }
    agrees(row, &map).expect("the row's figures");
    assert!(row.exact, "{row:?}");
}

fn on_device(dev: u32, own: (u16, u16), event: Event) -> Event {
    let kind = Kind::Connect {
        bound: false,
        by_number: false,
        search: None,
        restrictions: Restrictions {
            dev,
            lo: own.0,
            hi: own.1,
        },
    };
    Event { kind, ..event }
}

#[test]
fn sockets_without_a_device_are_in_the_way_of_those_with_one() {
    let mut state = watching();
    let plain = connect(seconds(1), 5, 40_000);
    let device = on_device(3, (0, 0), connect(seconds(1), 6, 40_001));
    tell(&mut state, [plain, device]);
    let picture = state.snapshot(seconds(1));
    assert_eq!(picture.spaces.len(), 2);
    for row in &picture.spaces {
        let map = state.port_map(&row.key(), seconds(1)).expect("a space");
        agrees(row, &map).expect("the row's figures");
        let of_device = match row.dev {
            0 => PortUse::Free,
            _ => PortUse::InUse,
        };
        assert_eq!(use_of(&map, 40_000), PortUse::InUse);
        assert_eq!(use_of(&map, 40_001), of_device);
    }
}

#[test]
fn a_range_of_its_own_has_a_map_of_its_own() {
    let mut state = watching();
    let own = on_device(0, (40_000, 40_009), connect(seconds(1), 5, 40_001));
    tell(&mut state, [own, connect(seconds(1), 6, 50_000)]);
    let picture = state.snapshot(seconds(1));
    assert_eq!(picture.spaces.len(), 2);
    for row in &picture.spaces {
        let map = state.port_map(&row.key(), seconds(1)).expect("a space");
        agrees(row, &map).expect("the row's figures");
        assert_eq!(use_of(&map, 40_001), PortUse::InUse);
    }
    let mut unknown = picture.spaces[0].key();
    unknown.own_range = Some(PortRange { lo: 1, hi: 2 });
    assert_eq!(state.port_map(&unknown, seconds(1)), None);
}

#[test]
fn what_the_snapshot_does_not_show_has_no_map() {
    let mut state = watching();
    tell(
        &mut state,
        [
            connect(seconds(1), 5, 40_000),
            released(seconds(2), 5, 40_000),
        ],
    );
    let key = only(&state.snapshot(seconds(3))).key();
    assert!(state.port_map(&key, seconds(3)).is_some());
    let mut other = key;
    other.dst_port = 1;
    assert_eq!(state.port_map(&other, seconds(3)), None);
    let late = seconds(190);
    assert!(state.snapshot(late).spaces.is_empty());
    assert_eq!(state.port_map(&key, late), None);
}

#[test]
fn a_space_without_source_has_a_map_also_when_its_failures_count_elsewhere() {
    let mut state = watching();
    let stray = Event {
        src: IpAddr::from([0; 4]),
        ..failed(seconds(2), Cause::RangeExhausted)
    };
    tell(&mut state, [stray]);
    let picture = state.snapshot(seconds(3));
    let key = only(&picture).key();
    assert!(key.src.is_unspecified());
    all_agree(&state, &picture).expect("the row's figures");
    tell(&mut state, [connect(seconds(3), 5, 40_000)]);
    let picture = state.snapshot(seconds(3));
    assert_eq!(only(&picture).failures, Some(1));
    all_agree(&state, &picture).expect("the row's figures");
    assert!(state.port_map(&key, seconds(3)).is_some());
}
