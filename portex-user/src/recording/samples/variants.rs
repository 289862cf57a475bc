//! Inputs with every variant.

use std::{borrow::Cow, net::Ipv6Addr, sync::Arc, time::Duration};

use super::found;
use crate::{
    event::{BindCall, Cause, Event, Kind, Proto, Release, Restrictions, TcpState, samples},
    found::{Found, Socket, UdpSocket},
    input::Input,
};

/// Every variant of all that is recorded, and both of each option, as far as [`inputs`] has them not.
pub(crate) fn variants() -> Vec<Input<'static>> {
    let states = || (0..=12).map(TcpState::from_number);
    let kinds = states()
        .flat_map(|from| {
            let to = TcpState::from_number(12 - from.number());
            [Kind::State { from, to }, Kind::TimeWait { substate: from }]
        })
        .chain(causes().map(|(errno, cause)| Kind::ConnectFailed {
            errno,
            cause,
            search: None,
            restrictions: Restrictions {
                dev: 9,
                lo: 1,
                hi: 65_535,
            },
        }))
        .chain(binds())
        .chain(
            [(false, false), (true, false), (true, true)].map(|(bound, by_number)| Kind::Connect {
                bound,
                by_number,
                search: None,
                restrictions: Restrictions::default(),
            }),
        )
        .chain(RELEASES.map(|reason| Kind::Released {
            held: Duration::from_nanos(1),
            time_wait: None,
            reason,
        }));
    let events = kinds.map(|kind| Event {
        src: Ipv6Addr::LOCALHOST.into(),
        proto: match kind {
            Kind::BindFailed { .. } => Proto::Udp,
            _ => Proto::Tcp,
        },
        // What was asked for, which a conflict has and exhaustion has not.
        src_port: match kind {
            Kind::BindFailed { cause, .. } => (cause == Cause::PortInUse).then_some(9),
            _ => Some(40_000),
        },
        kind,
        ..samples::connect()
    });
    let mut found = found();
    for found in &mut found {
        if let Found::Namespace(namespace) = found {
            namespace.name = None;
        }
        if let Found::Socket(socket) = found
            && let Some(process) = &mut socket.process
        {
            Arc::make_mut(process).cgroup = None;
        }
    }
    let sockets: Vec<Found> = states()
        .flat_map(|state| {
            found.iter().filter_map(move |found| match found {
                Found::Socket(socket) => Some(Found::Socket(Socket {
                    state,
                    v6only: false,
                    ..socket.clone()
                })),
                _ => None,
            })
        })
        .collect();
    found.extend(sockets);
    found.extend([None, Some(false)].map(|v6only| {
        Found::UdpSocket(UdpSocket {
            netns: 1,
            src: Ipv6Addr::UNSPECIFIED.into(),
            port: 53,
            dev: 0,
            v6only,
            process: None,
        })
    }));
    vec![
        Input::Clock(-1),
        Input::Events(Cow::Owned(events.collect())),
        Input::Found(Cow::Owned(found)),
        Input::Snapshot(Duration::from_secs(105)),
    ]
}

fn causes() -> impl Iterator<Item = (u16, Cause)> {
    [
        (99, Cause::RangeExhausted),
        (99, Cause::TupleInUse),
        (99, Cause::NoSourceAddress),
        (99, Cause::Unknown),
        (12, Cause::NoMemory),
        (101, Cause::Unknown),
    ]
    .into_iter()
}

fn binds() -> impl Iterator<Item = Kind> {
    let calls = [BindCall::Bind, BindCall::Listen, BindCall::Autobind];
    let causes = [
        (98, Cause::PoolExhausted),
        (98, Cause::PortInUse),
        (11, Cause::PoolExhausted),
        (99, Cause::AddressNotLocal),
        (1, Cause::Unknown),
    ];
    calls.into_iter().flat_map(move |call| {
        causes.map(|(errno, cause)| Kind::BindFailed {
            call,
            errno,
            cause,
            restrictions: Restrictions::default(),
        })
    })
}

const RELEASES: [Release; 5] = [
    Release::Closed,
    Release::Expired,
    Release::Recycled,
    Release::Overflow,
    Release::Killed,
];
