//! When the ports run out, judged by a workload that goes on until they do.

use std::{collections::VecDeque, net::IpAddr, time::Duration};

use super::kernel::NETNS;
use crate::{
    attribution::{Limits, State, snapshot::Space},
    event::{Event, Kind, Owner, Release, Restrictions, TcpState},
    found::{Counters, Found, Namespace, Rules},
    ports::PortRange,
};

const START: u64 = 5_000_000;

/// A steady workload, in milliseconds: every `every`, a connection that lives for `live` (`None`:
/// for ever), then goes into TIME_WAIT, or not.
struct Workload {
    ports: u16,
    every: u64,
    live: Option<u64>,
    time_wait: bool,
}

/// Runs it; shows the state to `look` each second; returns when the first connect failed.
fn run(work: &Workload, until: u64, mut look: impl FnMut(u64, &Space)) -> Option<u64> {
    let mut state = State::new(Limits::default());
    let rules = Rules {
        range: PortRange {
            lo: 10_000,
            hi: 9_999 + work.ports,
        },
        ..crate::attribution::binds::Namespace::default().rules
    };
    state.found(Found::Namespace(Namespace {
        inode: NETNS,
        name: None,
        rules,
        counters: Counters::default(),
    }));
    state.watch_from(Duration::from_millis(START));
    let mut free: VecDeque<u16> = (10_000..10_000 + work.ports).collect();
    let mut closing: VecDeque<(u64, u64, u16)> = VecDeque::new();
    let mut waiting: VecDeque<(u64, u64, u16)> = VecDeque::new();
    let mut socket = 0;
    for now in START..START + until {
        while let Some(&(at, id, port)) = waiting.front().filter(|(at, ..)| *at <= now) {
            waiting.pop_front();
            let held = Duration::from_millis(60_000 + work.live.unwrap_or(0));
            let kind = Kind::Released {
                held,
                time_wait: Some(Duration::from_secs(60)),
                reason: Release::Expired,
            };
            state.apply(&event(at, id, port, kind), || None);
            free.push_back(port);
        }
        if now % work.every == 0 {
            let Some(port) = free.pop_front() else {
                return Some(now - START);
            };
            socket += 1;
            let kind = Kind::Connect {
                bound: false,
                by_number: false,
                search: None,
                restrictions: Restrictions::default(),
            };
            state.apply(&event(now, socket, port, kind), || None);
            if let Some(live) = work.live {
                closing.push_back((now + live, socket, port));
            }
        }
        while let Some(&(at, id, port)) = closing.front().filter(|(at, ..)| *at <= now) {
            closing.pop_front();
            let kind = if work.time_wait {
                waiting.push_back((at + 60_000, id, port));
                Kind::TimeWait {
                    substate: TcpState::TimeWait,
                }
            } else {
                free.push_back(port);
                Kind::Released {
                    held: Duration::from_millis(work.live.unwrap_or(0)),
                    time_wait: None,
                    reason: Release::Closed,
                }
            };
            state.apply(&event(at, id, port, kind), || None);
        }
        if (now - START) % 1_000 == 999 {
            let picture = state.snapshot(Duration::from_millis(now));
            look(now - START, &picture.spaces[0]);
        }
    }
    None
}

fn event(at: u64, socket: u64, port: u16, kind: Kind) -> Event {
    Event {
        time: Duration::from_millis(at),
        socket,
        netns: NETNS,
        owner: Owner {
            pid: 10,
            tid: 10,
            uid: 0,
            comm: b"load".into(),
            cgroup: 0,
            start: 1,
        },
        src: IpAddr::from([10, 0, 0, 1]),
        src_port: Some(port),
        dst: IpAddr::from([10, 0, 0, 2]),
        dst_port: 443,
        proto: crate::event::Proto::Tcp,
        capture: None,
        kind,
    }
}

/// Every forecast from `from` on must name the end to 10 %, or a second.
fn assert_foretold(work: &Workload, from: u64) {
    let mut forecasts = Vec::new();
    let end = run(work, 1_000_000, |at, space| {
        forecasts.push((at, space.exhausts_in));
    });
    let end = end.expect("it ends");
    let told: Vec<_> = forecasts.iter().filter(|(at, _)| *at >= from).collect();
    assert!(told.len() > 5, "{} looks before {end}", told.len());
    for (at, forecast) in told {
        let left = Duration::from_millis(end - at);
        let forecast = forecast.unwrap_or_else(|| panic!("nothing foretold at {at} of {end} ms"));
        let error = forecast.abs_diff(left);
        let allowed = (left / 10).max(Duration::from_secs(1));
        assert!(
            error <= allowed,
            "at {at} ms: {forecast:?}, but in {left:?}"
        );
    }
}

#[test]
fn churn_into_time_wait() {
    // 100/s need 6000 ports in the long run: 4000 last for 40 s.
    assert_foretold(
        &Workload {
            ports: 4_000,
            every: 10,
            live: Some(0),
            time_wait: true,
        },
        2_000,
    );
}

#[test]
fn churn_of_connections_that_live_a_while() {
    assert_foretold(
        &Workload {
            ports: 5_000,
            every: 10,
            live: Some(3_000),
            time_wait: true,
        },
        14_000,
    );
}

#[test]
fn a_leak() {
    assert_foretold(
        &Workload {
            ports: 2_000,
            every: 50,
            live: None,
            time_wait: false,
        },
        2_000,
    );
}

#[test]
fn resets_never_exhaust() {
    let work = Workload {
        ports: 1_000,
        every: 2,
        live: Some(0),
        time_wait: false,
    };
    let end = run(&work, 60_000, |at, space| {
        assert_eq!(space.exhausts_in, None, "at {at} ms");
    });
    assert_eq!(end, None);
}

#[test]
fn a_steady_state_below_the_capacity_lasts() {
    // 50/s need 3000 ports of 3200.
    let work = Workload {
        ports: 3_200,
        every: 20,
        live: Some(0),
        time_wait: true,
    };
    let end = run(&work, 200_000, |at, space| {
        assert_eq!(space.exhausts_in, None, "at {at} ms");
        if at > 61_000 {
            let need = space.need.expect("connects");
            assert!((need - 3_000.0).abs() < 60.0, "{need}");
        }
    });
    assert_eq!(end, None);
}

#[test]
fn without_a_port_left_it_is_now() {
    let work = Workload {
        ports: 100,
        every: 10,
        live: Some(0),
        time_wait: true,
    };
    let mut last = None;
    let end = run(&work, 10_000, |_, space| last = space.exhausts_in);
    assert_eq!(end, Some(1_000));
    assert_eq!(last, Some(Duration::ZERO));
}

#[test]
fn where_nothing_goes_on_nothing_is_foretold() {
    let work = Workload {
        ports: 1_000,
        every: START,
        live: None,
        time_wait: false,
    };
    // One connect, at the very beginning, and then none.
    let mut last = 0;
    run(&work, 30_000, |at, space| {
        if at > 11_000 {
            assert_eq!(space.exhausts_in, None, "at {at} ms");
            last = at;
        }
    });
    assert_eq!(last, 29_999);
}
