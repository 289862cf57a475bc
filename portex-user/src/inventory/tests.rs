use std::{
    io::Write as _,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
};

use super::*;
use crate::{
    event::TcpState,
    found::{Namespace, Socket},
};

fn everything(look_at: &Look) -> (Vec<Found>, Report) {
    let mut all = Vec::new();
    let report = look(look_at, &mut |batch| all.extend(batch));
    (all, report)
}

fn own() -> Look {
    Look {
        netns: Some(namespaces::own().expect("readable")),
        owners: true,
    }
}

fn sockets(found: &[Found]) -> impl Iterator<Item = &Socket> {
    found.iter().filter_map(|found| match found {
        Found::Socket(socket) => Some(socket),
        _ => None,
    })
}

fn namespaces_of(found: &[Found]) -> impl Iterator<Item = &Namespace> {
    found.iter().filter_map(|found| match found {
        Found::Namespace(namespace) => Some(namespace),
        _ => None,
    })
}

fn at(found: &[Found], src: SocketAddr) -> Vec<&Socket> {
    let same = |socket: &&Socket| SocketAddr::new(socket.tuple.src, socket.tuple.src_port) == src;
    sockets(found).filter(same).collect()
}

#[test]
fn the_own_namespace_and_the_own_sockets_are_found() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = listener.local_addr().expect("bound");
    let client = TcpStream::connect(server).expect("listening");
    let (_open, _) = listener.accept().expect("connected");
    let (found, report) = everything(&own());

    let netns = own().netns.expect("known");
    let namespaces: Vec<_> = namespaces_of(&found)
        .map(|namespace| namespace.inode)
        .collect();
    assert_eq!(namespaces, [netns]);
    assert_eq!(report.namespaces, 1);
    assert!(
        matches!(found.first(), Some(Found::Namespace(_))),
        "before what is in it"
    );

    let none = IpAddr::from(Ipv4Addr::UNSPECIFIED);
    let [listening, accepted] = at(&found, server)[..] else {
        panic!("not two at {server}: {:?}", at(&found, server));
    };
    assert_eq!(listening.state, TcpState::Listen);
    assert_eq!((listening.tuple.dst, listening.tuple.dst_port), (none, 0));
    assert_eq!(accepted.state, TcpState::Established);
    let local = client.local_addr().expect("connected");
    assert_eq!(accepted.tuple.dst_port, local.port());
    let [connected] = at(&found, local)[..] else {
        panic!("not one at {local}: {:?}", at(&found, local));
    };
    assert_eq!(connected.state, TcpState::Established);
    assert_eq!(connected.tuple.dst_port, server.port());
    for socket in [listening, accepted, connected] {
        assert_eq!(socket.tuple.netns, netns);
        assert_eq!(socket.time_wait, None);
        let owner = socket.process.as_ref().expect("this process");
        assert_eq!(owner.pid, std::process::id());
    }
    let of_any_kind = |found: &&Found| matches!(found, Found::Socket(_) | Found::UdpSocket(_));
    let all = found.iter().filter(of_any_kind).count();
    assert_eq!(report.sockets, all as u64);
}

#[test]
fn a_time_wait_has_a_time_and_no_owner() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = listener.local_addr().expect("bound");
    let client = TcpStream::connect(server).expect("listening");
    let local = client.local_addr().expect("connected");
    let (accepted, _) = listener.accept().expect("connected");
    drop(client);
    // The peer may take its time to acknowledge.
    let becomes = |state| {
        let give_up = Instant::now() + Duration::from_secs(10);
        while Instant::now() < give_up {
            let (found, _) = everything(&own());
            if let Some(socket) = at(&found, local).first()
                && socket.state == state
            {
                return Some((*socket).clone());
            }
        }
        None
    };
    let half_closed = becomes(TcpState::FinWait2).expect("its peer is open");
    assert_eq!(half_closed.process, None, "it was closed");
    drop(accepted);
    let minisocket = becomes(TcpState::TimeWait).expect("for a minute");
    let left = minisocket.time_wait.expect("it is a minisocket");
    assert!(
        left > Duration::from_secs(30) && left <= Duration::from_secs(61),
        "{left:?}"
    );
    assert_eq!(minisocket.process, None);
}

#[test]
fn without_owners_nobody_is_asked() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let (found, report) = everything(&Look {
        owners: false,
        ..own()
    });
    let found = at(&found, listener.local_addr().expect("bound"));
    assert!(found.iter().all(|socket| socket.process.is_none()));
    assert_eq!(found.len(), 1);
    assert!(
        !report.sight.binds && !report.sight.timestamps,
        "only BPF sees those"
    );
}

#[test]
fn both_sources_tell_the_same() {
    let listener = TcpListener::bind("[::1]:0").expect("a port");
    let server = listener.local_addr().expect("bound");
    let mut client = TcpStream::connect(server).expect("listening");
    client.write_all(b"x").expect("connected");
    let ours = |row: &row::Row| [row.src_port, row.dst_port].contains(&server.port());
    let mut rows = [Vec::new(), Vec::new()];
    let [diag, proc] = &mut rows;
    let dumped = sock_diag::dump(&mut |row| {
        diag.extend(Some(row).filter(ours));
        std::ops::ControlFlow::Continue(())
    });
    proc_net::dump(proc_net::TCP, &mut |row| {
        proc.extend(Some(row).filter(ours));
        std::ops::ControlFlow::Continue(())
    })
    .expect("there");
    let told = rows.map(|rows| {
        let key = |row: row::Row| {
            (
                row.src_port,
                row.dst_port,
                row.src,
                row.dst,
                row.state,
                row.inode,
            )
        };
        let mut keys: Vec<_> = rows.into_iter().map(key).collect();
        keys.sort_unstable();
        keys
    });
    assert_eq!(told[1].len(), 3, "{told:?}");
    if dumped.expect("no error") == sock_diag::Dumped::Whole {
        assert_eq!(told[0], told[1]);
    }
}

#[test]
fn udp_sockets_are_found_with_their_process() {
    let bound = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = bound.local_addr().expect("bound").port();
    let (found, report) = everything(&own());
    assert!(report.sight.udp);
    let mut sockets = found.iter().filter_map(|found| match found {
        Found::UdpSocket(socket) if socket.port == port => Some(socket),
        _ => None,
    });
    let socket = sockets.next().expect("found");
    assert_eq!(socket.src, IpAddr::from(Ipv4Addr::LOCALHOST));
    assert_eq!((socket.dev, socket.v6only), (0, None));
    let process = socket.process.as_ref().expect("it is this one");
    assert_eq!(process.pid, std::process::id());
    assert!(sockets.next().is_none());
}

#[test]
fn both_sources_tell_the_same_of_udp() {
    let sockets = ["127.0.0.1:0", "[::1]:0", "[::]:0"]
        .map(|address| UdpSocket::bind(address).expect("a port"));
    let bound = sockets
        .each_ref()
        .map(|socket| socket.local_addr().expect("bound"));
    let mut rows = [Vec::new(), Vec::new()];
    let [diag, proc] = &mut rows;
    let ours = |row: &row::Row| bound.contains(&SocketAddr::new(row.src, row.src_port));
    let dumped = sock_diag::dump_udp(&mut |row| {
        diag.extend(Some(row).filter(ours));
        std::ops::ControlFlow::Continue(())
    });
    proc_net::dump(proc_net::UDP, &mut |row| {
        proc.extend(Some(row).filter(ours));
        std::ops::ControlFlow::Continue(())
    })
    .expect("there");
    let told = rows.map(|rows| {
        let key = |row: row::Row| (row.src_port, row.src, row.dst_port, row.state, row.inode);
        let mut keys: Vec<_> = rows.into_iter().map(key).collect();
        keys.sort_unstable();
        keys
    });
    assert_eq!(told[1].len(), 3, "{told:?}");
    if dumped.expect("no error") == sock_diag::Dumped::Whole {
        assert_eq!(told[0], told[1]);
    }
}

#[test]
fn a_namespace_that_is_not_there_is_said() {
    let absent = Look {
        netns: Some(1),
        owners: false,
    };
    let (found, report) = everything(&absent);
    assert!(found.is_empty());
    assert_eq!(report.notes, ["network namespace 1 is not there"]);
}

#[test]
fn a_taker_that_panics_ends_the_look() {
    let taker = || look(&own(), &mut |_| panic!("enough"));
    assert!(std::panic::catch_unwind(taker).is_err());
}
