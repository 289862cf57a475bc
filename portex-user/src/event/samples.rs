//! Events for tests.

use std::net::{IpAddr, Ipv4Addr};

use super::*;

/// curl (pid 10) of cgroup 7 connects from 10.0.0.1:40000 to 10.0.0.2:443, in namespace 4026531840.
pub(crate) fn connect() -> Event {
    Event {
        time: Duration::new(100, 5),
        socket: 42,
        netns: 4_026_531_840,
        owner: Owner {
            pid: 10,
            tid: 11,
            uid: 1000,
            comm: b"curl".into(),
            cgroup: 7,
            start: 1_234,
        },
        src: IpAddr::from(Ipv4Addr::new(10, 0, 0, 1)),
        src_port: Some(40_000),
        dst: IpAddr::from(Ipv4Addr::new(10, 0, 0, 2)),
        dst_port: 443,
        proto: Proto::Tcp,
        capture: None,
        kind: Kind::Connect {
            bound: false,
            by_number: false,
            search: Some(Duration::from_nanos(1_500)),
            restrictions: Restrictions::default(),
        },
    }
}

/// The same without a port left.
pub(crate) fn failed() -> Event {
    Event {
        src_port: None,
        kind: Kind::ConnectFailed {
            errno: 99,
            cause: Cause::RangeExhausted,
            search: Some(Duration::from_micros(250)),
            restrictions: Restrictions::default(),
        },
        ..connect()
    }
}

/// bind() to port 0 of 10.0.0.1 finds none.
pub(crate) fn bind_failed() -> Event {
    Event {
        src_port: None,
        dst: IpAddr::from(Ipv4Addr::UNSPECIFIED),
        dst_port: 0,
        kind: Kind::BindFailed {
            call: BindCall::Bind,
            errno: 98,
            cause: Cause::PoolExhausted,
            restrictions: Restrictions::default(),
        },
        ..connect()
    }
}

/// Its port is free after a TIME_WAIT.
pub(crate) fn released() -> Event {
    Event {
        kind: Kind::Released {
            held: Duration::from_millis(60_250),
            time_wait: Some(Duration::from_secs(60)),
            reason: Release::Expired,
        },
        ..connect()
    }
}
