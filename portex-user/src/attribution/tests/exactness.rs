//! `free` is judged by what a kernel gives until it gives no more.

use std::{net::IpAddr, time::Duration};

use proptest::prelude::*;

use super::kernel::{Call, Kernel, NETNS, Sock};
use crate::{
    attribution::{
        Limits, Snapshot, State,
        binds::Namespace,
        snapshot::{BindPool, Space},
    },
    event::TcpState,
    found::{Rules, Sight},
    ports::PortRange,
};

pub(super) const FULL_SIGHT: Sight = Sight {
    binds: true,
    bound_sockets: true,
    timestamps: true,
    udp: true,
    hidden_namespaces: 0,
};

/// What a workload does.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Connect {
        call: usize,
    },
    ConnectBound {
        call: usize,
        port: u16,
    },
    Bind {
        address: usize,
        port: u16,
        random: u32,
    },
    Listen {
        which: usize,
    },
    Accept {
        which: usize,
        peer: u16,
    },
    Close {
        which: usize,
        into: usize,
        timestamps: bool,
    },
    Advance {
        millis: u64,
    },
}

fn addresses() -> [IpAddr; 6] {
    ["10.0.0.1", "127.0.0.1", "0.0.0.0", "::", "fd00::1", "::1"]
        .map(|text| text.parse().expect("an address"))
}

/// Towards two destinations, from two sources, over two devices, with and without a range of its own.
pub(super) fn call(index: usize) -> Call {
    let [far, near, ..] = addresses();
    let owns = [(0, 0), (0, 0), (102, 105), (101, 103)];
    let src = if index & 1 == 0 { far } else { near };
    Call {
        src,
        dst: src,
        dst_port: if index & 2 == 0 { 443 } else { 80 },
        dev: if (index >> 2) & 3 == 3 { 5 } else { 0 },
        own: owns[(index >> 2) & 3],
        pid: 10 + u32::try_from(index & 3).expect("small"),
    }
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    let port = prop_oneof![4 => 100..112_u16, 1 => 20..30_u16];
    prop_oneof![
        8 => (0..16_usize).prop_map(|call| Op::Connect { call }),
        2 => (0..4_usize, port.clone()).prop_map(|(call, port)| Op::ConnectBound { call, port }),
        2 => (0..6_usize, prop_oneof![Just(0), port], any::<u32>())
            .prop_map(|(address, port, random)| Op::Bind { address, port, random }),
        1 => any::<usize>().prop_map(|which| Op::Listen { which }),
        2 => (any::<usize>(), 50_000..50_100_u16)
            .prop_map(|(which, peer)| Op::Accept { which, peer }),
        6 => (any::<usize>(), 0..4_usize, any::<bool>())
            .prop_map(|(which, into, timestamps)| Op::Close { which, into, timestamps }),
        2 => (0..70_000_u64).prop_map(|millis| Op::Advance { millis }),
        2 => (0..3_000_u64).prop_map(|millis| Op::Advance { millis }),
    ]
}

pub(super) fn apply(kernel: &mut Kernel, op: &Op) {
    let pick = |kernel: &Kernel, which: usize, fits: fn(&Sock) -> bool| {
        let ids: Vec<u64> = kernel
            .socks
            .iter()
            .filter(|(_, sock)| fits(sock))
            .map(|(id, _)| *id)
            .collect();
        (!ids.is_empty()).then(|| ids[which % ids.len()])
    };
    match *op {
        Op::Connect { call: index } => {
            kernel.connect(call(index));
        }
        Op::ConnectBound { call: index, port } => {
            kernel.connect_bound(port, call(index));
        }
        Op::Bind {
            address,
            port,
            random,
        } => {
            kernel.bind(addresses()[address], port, random);
        }
        Op::Listen { which } => {
            if let Some(id) = pick(kernel, which, |sock| sock.peer.is_none()) {
                kernel.listen(id);
            }
        }
        Op::Accept { which, peer } => {
            let listener = pick(kernel, which, |sock| sock.state == TcpState::Listen);
            if let Some(id) = listener {
                let local = kernel.socks[&id].src;
                if !local.is_unspecified() {
                    let peer = (local, peer);
                    kernel.accept(id, local, peer);
                }
            }
        }
        Op::Close {
            which,
            into,
            timestamps,
        } => {
            let into = [
                None,
                Some(TcpState::TimeWait),
                Some(TcpState::TimeWait),
                Some(TcpState::FinWait2),
            ][into];
            if let Some(id) = pick(kernel, which, |sock| sock.minisocket.is_none()) {
                kernel.close(id, into, timestamps);
            }
        }
        Op::Advance { millis } => kernel.advance(millis),
    }
}

pub(super) fn rules() -> impl Strategy<Value = Rules> {
    let lo = 100..104_u16;
    (
        (lo, 0..10_u16),
        proptest::collection::vec(98..112_u16, 0..3),
        0..3_u8,
        any::<[bool; 2]>(),
        prop_oneof![Just(1_000_u64), Just(10_000)],
    )
        .prop_map(
            |((lo, more), reserved, tw_reuse, [coarse, fin], delay)| Rules {
                range: PortRange { lo, hi: lo + more },
                reserved: reserved.into_iter().collect(),
                tw_reuse,
                tw_reuse_delay: Duration::from_millis(if coarse { 1_000 } else { delay }),
                tw_reuse_coarse: coarse,
                tw_reuse_fin_wait2: fin,
                ..Namespace::default().rules
            },
        )
}

pub(super) fn scan(state: &mut State, kernel: &Kernel, sight: Sight) {
    state.begin_scan(kernel.time());
    for found in kernel.found() {
        state.found(found);
    }
    state.end_scan(sight, kernel.time());
}

pub(super) fn pass_on_events(state: &mut State, kernel: &mut Kernel) {
    for event in std::mem::take(&mut kernel.events) {
        state.apply(&event, || None);
    }
}

/// How many connects such as the row's succeed.
fn connects(kernel: &Kernel, row: &Space) -> u32 {
    let mut kernel = kernel.clone();
    let own = if row.own_range {
        (row.range.lo, row.range.hi)
    } else {
        (0, 0)
    };
    let call = Call {
        src: row.src,
        dst: row.dst,
        dst_port: row.dst_port,
        dev: row.dev,
        own,
        pid: 1,
    };
    let mut got = 0;
    while kernel.connect(call).is_some() {
        got += 1;
    }
    got
}

fn binds(kernel: &Kernel, pool: &BindPool, random: u32) -> u32 {
    let mut kernel = kernel.clone();
    let mut got = 0;
    let random = |i: u32| random.wrapping_mul(2_654_435_761).wrapping_add(i * 40_503);
    while kernel.bind(pool.src, 0, random(got)).is_some() {
        got += 1;
    }
    got
}

pub(super) fn judge(kernel: &Kernel, picture: &Snapshot, random: u32) -> Result<(), TestCaseError> {
    for row in &picture.spaces {
        let got = connects(kernel, row);
        if row.exact {
            prop_assert_eq!(got, row.free, "{:?}", row);
        } else {
            prop_assert!(row.free <= got, "{} < {:?}", got, row);
        }
        let sum = row.used + row.blocked + row.free;
        prop_assert!(sum <= row.capacity + row.recyclable, "{:?}", row);
        prop_assert!(row.recyclable <= row.time_wait && row.time_wait <= row.used);
        let owned: u32 = row.owners.iter().map(|owner| owner.ports).sum();
        prop_assert_eq!(owned, row.used);
    }
    for pool in &picture.bind_pools {
        let got = binds(kernel, pool, random);
        if pool.exact {
            prop_assert_eq!(got, pool.free, "{:?}", pool);
        } else {
            prop_assert!(pool.free <= got, "{} < {:?}", got, pool);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_a_scan_free_is_what_the_kernel_gives(
        rules in rules(),
        ops in proptest::collection::vec(op(), 0..60),
        watched in any::<bool>(),
        random in any::<u32>(),
    ) {
        let mut kernel = Kernel::new(rules);
        let mut state = State::new(Limits::default());
        if watched {
            state.watch_from(kernel.time());
        }
        for op in &ops {
            apply(&mut kernel, op);
            if watched {
                pass_on_events(&mut state, &mut kernel);
            }
        }
        scan(&mut state, &kernel, FULL_SIGHT);
        let picture = state.snapshot(kernel.time());
        judge(&kernel, &picture, random)?;
    }

    #[test]
    fn events_after_a_scan_keep_it_right(
        rules in rules(),
        before in proptest::collection::vec(op(), 0..40),
        after in proptest::collection::vec(op(), 0..20),
        random in any::<u32>(),
    ) {
        let mut kernel = Kernel::new(rules);
        let mut state = State::new(Limits::default());
        state.watch_from(kernel.time());
        for op in &before {
            apply(&mut kernel, op);
        }
        pass_on_events(&mut state, &mut kernel);
        scan(&mut state, &kernel, FULL_SIGHT);
        for op in &after {
            // Nobody tells of other binds, nor of what is accepted.
            if matches!(op, Op::Connect { .. } | Op::ConnectBound { .. } | Op::Close { .. }) {
                let bound_only = kernel.socks.values().any(|sock| !sock.outbound);
                if !(bound_only && matches!(op, Op::Close { .. })) {
                    apply(&mut kernel, op);
                }
            }
        }
        pass_on_events(&mut state, &mut kernel);
        let picture = state.snapshot(kernel.time());
        judge(&kernel, &picture, random)?;
    }

    #[test]
    fn nothing_is_exact_without_sight_of_the_binds_or_after_a_loss_or_a_while(
        rules in rules(),
        ops in proptest::collection::vec(op(), 0..30),
    ) {
        let mut kernel = Kernel::new(rules);
        let mut state = State::new(Limits::default());
        for op in &ops {
            apply(&mut kernel, op);
        }
        pass_on_events(&mut state, &mut kernel);
        let exact = |picture: &Snapshot| {
            picture.spaces.iter().any(|row| row.exact) || picture.bind_pools.iter().any(|row| row.exact)
        };
        scan(&mut state, &kernel, Sight { binds: false, ..FULL_SIGHT });
        prop_assert!(!exact(&state.snapshot(kernel.time())));
        scan(&mut state, &kernel, FULL_SIGHT);
        prop_assert!(!exact(&state.snapshot(kernel.time() + Duration::from_secs(3))));
        state.lost(1);
        prop_assert!(!exact(&state.snapshot(kernel.time())));
    }
}

#[test]
fn most_of_what_can_be_exact_is() {
    let mut kernel = Kernel::new(Rules {
        range: PortRange { lo: 100, hi: 109 },
        ..Namespace::default().rules
    });
    let mut state = State::new(Limits::default());
    for index in 0..4 {
        kernel.connect(call(index)).expect("a port");
    }
    kernel.bind(addresses()[0], 0, 3).expect("a port");
    kernel.connect_bound(25, call(0)).expect("a port");
    scan(&mut state, &kernel, FULL_SIGHT);
    let picture = state.snapshot(kernel.time());
    assert_eq!(picture.spaces.len(), 4);
    assert!(picture.spaces.iter().all(|row| row.exact), "{picture:#?}");
    assert!(!picture.bind_pools.is_empty());
    assert!(
        picture.bind_pools.iter().all(|row| row.exact),
        "{picture:#?}"
    );
    assert_eq!(picture.namespaces.len(), 1);
    assert_eq!(picture.namespaces[0].inode, NETNS);
}
