//! UDP pools, judged by a small kernel.

mod kernel;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use self::kernel::{Kernel, Options, Sock};
use super::{exactness::FULL_SIGHT, kernel::NETNS, script::*};
use crate::{
    attribution::{
        Limits, State,
        snapshot::{BindPool, Snapshot},
    },
    event::Proto,
    found::{Counters, Found, Namespace, Rules, Sight, UdpSocket},
    ports::PortRange,
};

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// A namespace whose range has so many ports from 100 on, 103 of them reserved.
fn small(ports: u16) -> Found {
    Found::Namespace(Namespace {
        inode: NETNS,
        name: None,
        rules: Rules {
            range: PortRange {
                lo: 100,
                hi: 99 + ports,
            },
            reserved: [103].into_iter().collect(),
            ..crate::attribution::binds::Namespace::default().rules
        },
        counters: Counters::default(),
    })
}

fn scanned(ports: u16, found: impl IntoIterator<Item = UdpSocket>, sight: Sight) -> State {
    let mut state = State::new(Limits::default());
    state.begin_scan(seconds(0));
    state.found(small(ports));
    for socket in found {
        state.found(Found::UdpSocket(socket));
    }
    state.end_scan(sight, seconds(0));
    state
}

fn pool<'a>(picture: &'a Snapshot, src: &str) -> &'a BindPool {
    let src = address(src);
    let mut pools = picture.bind_pools.iter();
    let found = pools.find(|pool| (pool.proto, pool.src) == (Proto::Udp, src));
    found.unwrap_or_else(|| panic!("no pool of {src}: {:#?}", picture.bind_pools))
}

fn udp(src: &str, port: u16) -> UdpSocket {
    UdpSocket {
        netns: NETNS,
        src: address(src),
        port,
        dev: 0,
        v6only: None,
        process: None,
    }
}

#[test]
fn a_port_is_held_on_its_address_and_on_any() {
    let sockets = [
        udp("10.0.0.1", 100),
        udp("10.0.0.2", 101),
        udp("0.0.0.0", 102),
    ];
    let picture = scanned(10, sockets, FULL_SIGHT).snapshot(seconds(0));
    let told = |src| {
        let pool = pool(&picture, src);
        (pool.capacity, pool.used, pool.free, pool.exact)
    };
    assert_eq!(told("10.0.0.1"), (9, 2, 7, true));
    assert_eq!(told("10.0.0.2"), (9, 2, 7, true));
    assert_eq!(told("0.0.0.0"), (9, 3, 6, true));
    assert_eq!(picture.bind_pools.len(), 3, "nobody uses IPv6");
    assert_eq!(picture.namespaces.len(), 1);
    assert!(picture.spaces.is_empty());
}

#[test]
fn an_odd_range_loses_no_port() {
    let picture = scanned(9, [udp("10.0.0.1", 104)], FULL_SIGHT).snapshot(seconds(0));
    let pool = pool(&picture, "0.0.0.0");
    assert_eq!((pool.capacity, pool.free, pool.exact), (8, 7, true));
}

#[test]
fn outside_of_the_range_and_reserved_ports_take_nothing() {
    let sockets = [udp("10.0.0.1", 53), udp("10.0.0.2", 103)];
    let picture = scanned(10, sockets, FULL_SIGHT).snapshot(seconds(0));
    assert!(picture.bind_pools.is_empty(), "{picture:#?}");
}

#[test]
fn owners_are_those_in_the_way_the_greatest_first() {
    let of = |src: &str, port, pid| UdpSocket {
        process: Some(process(pid)),
        ..udp(src, port)
    };
    let sockets = [
        of("10.0.0.1", 100, 20),
        of("10.0.0.1", 101, 21),
        of("10.0.0.1", 102, 21),
        // The same port twice, of one that shares it.
        of("10.0.0.1", 102, 21),
        of("10.0.0.2", 104, 22),
        udp("0.0.0.0", 105),
    ];
    let picture = scanned(10, sockets, FULL_SIGHT).snapshot(seconds(0));
    let owners = |src| {
        let owners = pool(&picture, src).owners.iter();
        let owners = owners.map(|owner| (owner.holder.pid, owner.ports));
        owners.collect::<Vec<_>>()
    };
    assert_eq!(
        owners("10.0.0.1"),
        [(Some(21), 2), (None, 1), (Some(20), 1)]
    );
    let all = [(Some(21), 2), (None, 1), (Some(20), 1), (Some(22), 1)];
    assert_eq!(owners("0.0.0.0"), all);
}

#[test]
fn of_many_owners_ten_are_told() {
    let sockets = (0..30_u16).map(|number| UdpSocket {
        process: Some(process(1_000 + u32::from(number))),
        ..udp("10.0.0.1", 110 + number)
    });
    let picture = scanned(100, sockets, FULL_SIGHT).snapshot(seconds(0));
    let pool = pool(&picture, "0.0.0.0");
    assert_eq!((pool.used, pool.owners.len()), (30, 10));
}

#[test]
fn what_was_not_looked_at_or_is_old_is_not_exact() {
    let blind = Sight {
        udp: false,
        ..FULL_SIGHT
    };
    let picture = scanned(10, [udp("10.0.0.1", 100)], blind).snapshot(seconds(0));
    assert!(!pool(&picture, "0.0.0.0").exact);
    let picture = scanned(10, [udp("10.0.0.1", 100)], FULL_SIGHT).snapshot(seconds(4));
    assert!(!pool(&picture, "0.0.0.0").exact);
    assert_eq!(pool(&picture, "0.0.0.0").free, 8);
}

#[test]
fn what_there_is_no_room_for_is_counted() {
    let mut state = State::new(Limits {
        sockets: 2,
        ..Limits::default()
    });
    state.begin_scan(seconds(0));
    state.found(small(10));
    for port in 100..103 {
        state.found(Found::UdpSocket(udp("10.0.0.1", port)));
    }
    state.end_scan(FULL_SIGHT, seconds(0));
    let picture = state.snapshot(seconds(0));
    assert_eq!(picture.dropped, 1);
    let pool = pool(&picture, "0.0.0.0");
    assert!(!pool.exact && pool.used == 2);
}

#[test]
fn the_next_scan_goes_before_the_last() {
    let mut state = scanned(10, [udp("10.0.0.1", 100)], FULL_SIGHT);
    state.begin_scan(seconds(2));
    state.found(small(10));
    state.end_scan(FULL_SIGHT, seconds(2));
    assert!(state.snapshot(seconds(2)).bind_pools.is_empty());
}

/// What a workload does.
#[derive(Clone, Debug)]
enum Op {
    Bind(usize, u16, Options),
    /// Of a socket that may be bound to any address, or unbound: it has a source then.
    Connect {
        v6: bool,
        to: usize,
        bound: bool,
        options: Options,
    },
    Close(usize),
}

fn addresses() -> [IpAddr; 8] {
    [
        "10.0.0.1",
        "127.0.0.6",
        "0.0.0.0",
        "::",
        "fd00::1",
        "::1",
        "::ffff:10.0.0.1",
        "::ffff:0.0.0.0",
    ]
    .map(address)
}

fn op() -> impl Strategy<Value = Op> {
    let port = prop_oneof![2 => Just(0), 3 => 98..112_u16];
    let options = || {
        (
            any::<[bool; 3]>(),
            prop_oneof![4 => Just(0), 1 => Just(5_u32)],
        )
            .prop_map(|([reuse, reuseport, v6only], dev)| Options {
                reuse,
                reuseport,
                v6only,
                dev,
            })
    };
    prop_oneof![
        6 => (0..8_usize, port, options()).prop_map(|(at, port, options)| Op::Bind(at, port, options)),
        3 => (any::<bool>(), 0..4_usize, any::<bool>(), options())
            .prop_map(|(v6, to, bound, options)| Op::Connect { v6, to, bound, options }),
        2 => any::<usize>().prop_map(Op::Close),
    ]
}

fn apply(kernel: &mut Kernel, op: &Op) {
    match *op {
        Op::Bind(at, port, options) => {
            kernel.bind(addresses()[at], port, options);
        }
        Op::Connect {
            v6,
            to,
            bound,
            options,
        } => {
            let sources = ["10.0.0.1", "127.0.0.6", "fd00::1", "::1"].map(address);
            let source = match (sources[to], v6) {
                (IpAddr::V6(_), false) => address("10.0.0.1"),
                (source, _) => source,
            };
            let any: IpAddr = if v6 {
                Ipv6Addr::UNSPECIFIED.into()
            } else {
                Ipv4Addr::UNSPECIFIED.into()
            };
            // An IPv6-only socket reaches no IPv4 address.
            let v6only = options.v6only && source.is_ipv6();
            let options = Options { v6only, ..options };
            let options = if bound {
                options
            } else {
                Options {
                    reuse: false,
                    ..options
                }
            };
            if let Some(id) = kernel.bind(any, 0, options) {
                kernel.connect(id, source);
            }
        }
        Op::Close(which) => kernel.close(which),
    }
}

/// How many ordinary sockets get a port.
fn fill(kernel: &Kernel, at: IpAddr) -> u32 {
    let mut kernel = kernel.clone();
    let mut got = 0;
    while kernel.bind(at, 0, Options::default()).is_some() {
        got += 1;
    }
    got
}

fn judge(kernel: &Kernel) -> Result<Vec<BindPool>, TestCaseError> {
    let picture = scanned(kernel.ports(), kernel.found(NETNS), FULL_SIGHT).snapshot(seconds(0));
    for pool in &picture.bind_pools {
        let got = fill(kernel, pool.src);
        if pool.exact {
            prop_assert_eq!(got, pool.free, "{:?}\n{:#?}", pool, kernel);
        } else {
            prop_assert!(pool.free <= got, "{} < {:?}", got, pool);
        }
        prop_assert_eq!(pool.used + pool.free, pool.capacity);
    }
    Ok(picture.bind_pools)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_exact_is_what_the_kernel_gives(
        ops in proptest::collection::vec(op(), 0..30),
        ports in 1..14_u16,
    ) {
        let mut kernel = Kernel::new(ports, 103);
        for op in &ops {
            apply(&mut kernel, op);
        }
        let pools = judge(&kernel)?;
        // Only what a connected IPv6 socket takes cannot be told.
        let doubtful = kernel.socks().any(Sock::is_connected_v6);
        prop_assert!(doubtful || pools.iter().all(|pool| pool.exact), "{:?}", pools);
    }
}

#[test]
fn a_connected_ipv6_socket_takes_from_ipv4_too_as_far_as_anybody_knows() {
    let mut kernel = Kernel::new(10, 103);
    let id = kernel.bind(address("::"), 0, Options::default());
    kernel.connect(id.expect("free"), address("fd00::1"));
    let pools = judge(&kernel).expect("judged");
    let exact = |src: &str| {
        let pool = pools.iter().find(|pool| pool.src == address(src));
        pool.expect("listed").exact
    };
    assert!(exact("::") && exact("fd00::1") && !exact("0.0.0.0"));
    assert_eq!(fill(&kernel, address("0.0.0.0")), 8);
}
