//! Binds before connects, binds that find no port, and connections that nobody closes.

use std::net::{IpAddr, Ipv6Addr};

use super::{exactness::FULL_SIGHT, kernel::NETNS, script::*};
use crate::{
    attribution::{
        Limits, State,
        snapshot::{BindPool, FailedCall, Snapshot},
    },
    event::{BindCall, Cause, Event, Kind, Proto, Restrictions, TcpState},
    found::{Blocked, Found, Sight},
};

fn bound(socket: u64, port: u16, by_number: bool) -> Event {
    Event {
        kind: Kind::Connect {
            bound: true,
            by_number,
            search: None,
            restrictions: Restrictions::default(),
        },
        ..connect(seconds(1), socket, port)
    }
}

fn blocked(port: u16) -> Found {
    Found::Blocked(Blocked {
        netns: NETNS,
        l3mdev: 0,
        port,
    })
}

fn counts(picture: &Snapshot) -> (u32, u32) {
    (only(picture).bound, picture.processes[0].bound)
}

#[test]
fn a_bind_to_any_port_before_connect_counts_until_the_port_is_free() {
    let mut state = watching();
    tell(
        &mut state,
        [
            bound(1, 40_000, false),
            bound(2, 40_001, true),
            connect(seconds(1), 3, 40_002),
            // Outside of the range nobody loses a port.
            bound(4, 9_000, false),
        ],
    );
    assert_eq!(counts(&state.snapshot(seconds(2))), (1, 1));
    tell(&mut state, [time_wait(seconds(3), 1, 40_000)]);
    assert_eq!(counts(&state.snapshot(seconds(4))), (1, 1));
    tell(&mut state, [released(seconds(63), 1, 40_000)]);
    assert_eq!(counts(&state.snapshot(seconds(64))), (0, 0));
}

#[test]
fn of_older_connections_those_alone_on_a_blocked_port_count() {
    let guessed = |mut more: Vec<Found>, sight| {
        let mut state = State::new(Limits::default());
        let mut found = vec![
            Found::Socket(socket(40_000, None, Some(10))),
            Found::Socket(socket(40_001, None, Some(10))),
            blocked(40_000),
        ];
        found.append(&mut more);
        scan_of(&mut state, seconds(0), found, sight);
        let picture = state.snapshot(seconds(0));
        let bound: u32 = picture.spaces.iter().map(|space| space.bound).sum();
        assert_eq!(picture.processes[0].bound, bound);
        bound
    };
    assert_eq!(guessed(vec![], FULL_SIGHT), 1);
    let blind = Sight {
        binds: false,
        ..FULL_SIGHT
    };
    assert_eq!(guessed(vec![], blind), 0);
    // Somebody else may have blocked it.
    let mut only_bound = socket(40_000, None, None);
    only_bound.state = TcpState::Close;
    only_bound.tuple.dst_port = 0;
    assert_eq!(guessed(vec![Found::Socket(only_bound)], FULL_SIGHT), 0);
    let mut elsewhere = socket(40_000, None, Some(11));
    elsewhere.tuple.dst_port = 80;
    assert_eq!(guessed(vec![Found::Socket(elsewhere)], FULL_SIGHT), 0);
    let in_vrf = Found::Blocked(Blocked {
        netns: NETNS,
        l3mdev: 7,
        port: 1,
    });
    assert_eq!(guessed(vec![in_vrf], FULL_SIGHT), 0);
}

#[test]
fn a_guess_is_taken_back() {
    let mut state = watching();
    let found = || vec![Found::Socket(socket(40_000, None, Some(10)))];
    let with_bind = found().into_iter().chain([blocked(40_000)]).collect();
    scan_of(&mut state, seconds(0), with_bind, FULL_SIGHT);
    assert_eq!(counts(&state.snapshot(seconds(0))), (1, 1));
    scan_of(&mut state, seconds(2), found(), FULL_SIGHT);
    assert_eq!(counts(&state.snapshot(seconds(2))), (0, 0));
}

#[test]
fn whose_connect_was_seen_is_not_guessed_at() {
    let mut state = watching();
    tell(&mut state, [connect(seconds(1), 1, 40_000)]);
    let found = vec![
        Found::Socket(socket(40_000, None, Some(10))),
        blocked(40_000),
    ];
    scan_of(&mut state, seconds(2), found, FULL_SIGHT);
    assert_eq!(counts(&state.snapshot(seconds(2))), (0, 0));
}

#[test]
fn close_wait_is_as_of_the_latest_scan() {
    let mut state = watching();
    let waiting = |port, state| {
        let mut socket = socket(port, None, Some(10));
        socket.state = state;
        Found::Socket(socket)
    };
    let of = |state: &State, at| {
        let picture = state.snapshot(seconds(at));
        (only(&picture).close_wait, picture.processes[0].close_wait)
    };
    tell(&mut state, [connect(seconds(0), 1, 40_000)]);
    let first = vec![
        waiting(40_000, TcpState::CloseWait),
        waiting(40_001, TcpState::CloseWait),
        waiting(40_002, TcpState::Established),
    ];
    scan_of(&mut state, seconds(1), first, FULL_SIGHT);
    assert_eq!(of(&state, 1), (2, 2));
    let second = vec![
        waiting(40_000, TcpState::CloseWait),
        waiting(40_001, TcpState::LastAck),
        waiting(40_002, TcpState::CloseWait),
    ];
    scan_of(&mut state, seconds(3), second, FULL_SIGHT);
    assert_eq!(of(&state, 3), (2, 2));
    tell(&mut state, [released(seconds(4), 1, 40_000)]);
    assert_eq!(of(&state, 4), (1, 1));
}

fn refused(at: u64, proto: Proto, src: IpAddr, call: BindCall, cause: Cause) -> Event {
    Event {
        src,
        src_port: (cause == Cause::PortInUse).then_some(80),
        dst: IpAddr::from([0; 4]),
        dst_port: 0,
        proto,
        kind: Kind::BindFailed {
            call,
            errno: 98,
            cause,
            restrictions: Restrictions::default(),
        },
        ..failed(seconds(at), cause)
    }
}

fn autobind(at: u64, src: IpAddr) -> Event {
    refused(
        at,
        Proto::Udp,
        src,
        BindCall::Autobind,
        Cause::PoolExhausted,
    )
}

fn refusals(pools: &[BindPool]) -> Vec<(Proto, String, Option<u64>)> {
    let row = |pool: &BindPool| (pool.proto, pool.src.to_string(), pool.failures);
    pools.iter().map(row).collect()
}

#[test]
fn exhaustion_counts_for_pool_and_process_a_conflict_does_not() {
    let mut state = watching();
    let (any, own) = (IpAddr::from([0; 4]), IpAddr::from(CLIENT));
    let in_tcp = |cause| refused(3, Proto::Tcp, own, BindCall::Bind, cause);
    tell(
        &mut state,
        [
            autobind(1, any),
            autobind(2, any),
            in_tcp(Cause::PoolExhausted),
            in_tcp(Cause::PortInUse),
            in_tcp(Cause::AddressNotLocal),
        ],
    );
    let picture = state.snapshot(seconds(4));
    let mut told = refusals(&picture.bind_pools);
    told.sort();
    let expected = [
        (Proto::Tcp, "10.0.0.1".to_owned(), Some(1)),
        (Proto::Udp, "0.0.0.0".to_owned(), Some(2)),
    ];
    assert_eq!(told, expected);
    let udp = picture
        .bind_pools
        .iter()
        .find(|pool| pool.proto == Proto::Udp);
    let udp = udp.expect("listed");
    assert!((udp.failures_per_s.expect("watched") - 0.5).abs() < 1e-9);
    assert!(udp.is_needed() && !udp.exact, "no scan yet");
    assert_eq!(picture.processes[0].failures, Some(3));
    assert!(picture.spaces.is_empty(), "{:#?}", picture.spaces);
    let calls: Vec<_> = picture
        .failures
        .iter()
        .map(|failure| failure.call)
        .collect();
    let (bind, auto) = (
        FailedCall::Bind(BindCall::Bind),
        FailedCall::Bind(BindCall::Autobind),
    );
    assert_eq!(calls, [bind, bind, bind, auto, auto]);
    assert_eq!(picture.failures[1].src_port, Some(80));
    assert_eq!(picture.failures[4].proto, Proto::Udp);
}

#[test]
fn families_have_pools_of_their_own() {
    let mut state = watching();
    let any = Ipv6Addr::UNSPECIFIED.into();
    tell(
        &mut state,
        [autobind(1, any), autobind(1, IpAddr::from([0; 4]))],
    );
    assert_eq!(state.snapshot(seconds(1)).bind_pools.len(), 2);
}

#[test]
fn a_pool_without_sockets_is_shown_for_a_minute_after_it_refused() {
    let mut state = watching();
    tell(&mut state, [autobind(1, IpAddr::from([0; 4]))]);
    scan_of(&mut state, seconds(2), vec![], FULL_SIGHT);
    let pools = |at| state.snapshot(seconds(at)).bind_pools;
    assert_eq!(pools(61).len(), 1);
    assert!((pools(61)[0].failures_per_s.expect("watched")).abs() < 1e-9);
    assert!(pools(62).is_empty());
}

#[test]
fn who_did_not_watch_knows_of_no_failures() {
    let mut state = State::new(Limits::default());
    let mut bound = socket(40_000, None, Some(10));
    bound.state = TcpState::Close;
    bound.tuple.dst_port = 0;
    let found = vec![Found::Socket(bound), blocked(40_000)];
    scan_of(&mut state, seconds(0), found, FULL_SIGHT);
    let picture = state.snapshot(seconds(0));
    let pool = &picture.bind_pools[0];
    assert_eq!((pool.failures, pool.failures_per_s), (None, None));
    assert_eq!((pool.bound, pool.owners.len()), (1, 1));
    assert_eq!(pool.owners[0].holder.pid, Some(10));
}

#[test]
fn owners_of_a_pool_are_of_all_its_sockets() {
    let mut state = watching();
    tell(
        &mut state,
        [
            connect(seconds(0), 1, 40_000),
            connect(seconds(0), 2, 40_001),
            time_wait(seconds(0), 2, 40_001),
        ],
    );
    let found = vec![
        Found::Socket(socket(40_000, None, Some(10))),
        Found::Socket(socket(40_001, Some(50), None)),
        listener(40_002),
    ];
    scan_of(&mut state, seconds(1), found, FULL_SIGHT);
    let picture = state.snapshot(seconds(1));
    let of = |src: &str| {
        let pool = picture
            .bind_pools
            .iter()
            .find(|pool| pool.src.to_string() == src);
        let owners = pool.expect("listed").owners.iter();
        let owners = owners.map(|owner| (owner.holder.pid, owner.ports, owner.time_wait));
        owners.collect::<Vec<_>>()
    };
    let both = [(Some(10), 2, 1), (Some(99), 1, 0)];
    assert_eq!(of("10.0.0.1"), both);
    assert_eq!(of("0.0.0.0"), both);
}

#[test]
fn pools_that_refuse_are_bounded_and_counted() {
    let limits = Limits {
        pools: 5,
        ..Limits::default()
    };
    let mut state = State::new(limits);
    state.watch_from(seconds(0));
    let from = |last: u8| autobind(1, IpAddr::from([10, 0, 0, last]));
    tell(&mut state, (0..8).map(from));
    let picture = state.snapshot(seconds(1));
    assert_eq!((picture.bind_pools.len(), picture.dropped), (5, 3));
    // What is old makes room.
    let late = |last: u8| autobind(90, IpAddr::from([10, 0, 1, last]));
    tell(&mut state, (0..4).map(late));
    let picture = state.snapshot(seconds(90));
    assert_eq!((picture.bind_pools.len(), picture.dropped), (4, 3));
}
