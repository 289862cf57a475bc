//! Events and findings for scripts: the process 10 connects from 10.0.0.1 to 10.0.0.2:443.

use std::{net::IpAddr, sync::Arc, time::Duration};

use super::kernel::{NETNS, comm};
use crate::{
    attribution::{Drift, Limits, Snapshot, State, binds::Namespace, snapshot::Space},
    event::{Cause, Event, Kind, Owner, Release, Restrictions, TcpState},
    found::{self, Counters, Found, Process, Sight, Socket, Tuple},
};

pub(super) const CLIENT: [u8; 4] = [10, 0, 0, 1];
pub(super) const SERVER: [u8; 4] = [10, 0, 0, 2];

pub(super) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(1_000 + seconds)
}

/// The process 10 connects from `port` to the server.
pub(super) fn connect(at: Duration, socket: u64, port: u16) -> Event {
    Event {
        time: at,
        socket,
        netns: NETNS,
        owner: Owner {
            pid: 10,
            tid: 10,
            uid: 0,
            comm: b"curl".into(),
            cgroup: 7,
            start: 110,
        },
        src: IpAddr::from(CLIENT),
        src_port: Some(port),
        dst: IpAddr::from(SERVER),
        dst_port: 443,
        proto: crate::event::Proto::Tcp,
        capture: None,
        kind: Kind::Connect {
            bound: false,
            by_number: false,
            search: Some(Duration::from_micros(3)),
            restrictions: Restrictions::default(),
        },
    }
}

pub(super) fn time_wait(at: Duration, socket: u64, port: u16) -> Event {
    let kind = Kind::TimeWait {
        substate: TcpState::TimeWait,
    };
    Event {
        kind,
        ..connect(at, socket, port)
    }
}

pub(super) fn released(at: Duration, socket: u64, port: u16) -> Event {
    let kind = Kind::Released {
        held: Duration::from_secs(1),
        time_wait: None,
        reason: Release::Closed,
    };
    Event {
        kind,
        ..connect(at, socket, port)
    }
}

pub(super) fn failed(at: Duration, cause: Cause) -> Event {
    Event {
        socket: 0,
        src_port: None,
        kind: Kind::ConnectFailed {
            errno: 99,
            cause,
            search: Some(Duration::from_millis(2)),
            restrictions: Restrictions::default(),
        },
        ..connect(at, 0, 0)
    }
}

pub(super) fn watching() -> State {
    let mut state = State::new(Limits::default());
    state.watch_from(seconds(0));
    state
}

pub(super) fn tell(state: &mut State, events: impl IntoIterator<Item = Event>) {
    for event in events {
        state.apply(&event, || Some(Arc::from("/system.slice")));
    }
}

pub(super) fn only(picture: &Snapshot) -> &Space {
    assert_eq!(picture.spaces.len(), 1, "{picture:#?}");
    &picture.spaces[0]
}

pub(super) fn process(pid: u32) -> Arc<Process> {
    Arc::new(Process {
        pid,
        start: 100 + pid,
        uid: 0,
        comm: comm(pid),
        cgroup: None,
    })
}

pub(super) fn namespace() -> Found {
    Found::Namespace(found::Namespace {
        inode: NETNS,
        name: Some(Arc::from("blue")),
        rules: Namespace::default().rules,
        counters: Counters::default(),
    })
}

pub(super) fn socket(port: u16, time_wait: Option<u64>, pid: Option<u32>) -> Socket {
    Socket {
        tuple: Tuple {
            netns: NETNS,
            src: IpAddr::from(CLIENT),
            src_port: port,
            dst: IpAddr::from(SERVER),
            dst_port: 443,
        },
        dev: 0,
        state: match time_wait {
            Some(_) => TcpState::TimeWait,
            None => TcpState::Established,
        },
        v6only: false,
        time_wait: time_wait.map(Duration::from_secs),
        process: pid.map(process),
    }
}

pub(super) fn listener(port: u16) -> Found {
    let mut listener = socket(port, None, Some(99));
    listener.tuple.src = IpAddr::from([0; 4]);
    listener.tuple.dst = IpAddr::from([0; 4]);
    listener.tuple.dst_port = 0;
    listener.state = TcpState::Listen;
    Found::Socket(listener)
}

pub(super) fn scan_of(state: &mut State, at: Duration, found: Vec<Found>, sight: Sight) -> Drift {
    state.begin_scan(at);
    state.found(namespace());
    for found in found {
        state.found(found);
    }
    state.end_scan(sight, at)
}
