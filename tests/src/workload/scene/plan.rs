//! What is done in a scene, from its seed alone.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::random::Random;

/// Sizes of the range of ephemeral ports.
const SMALLEST: u16 = 8;
const LARGEST: u16 = 64;
/// Ports that are enough for one connection, after what comes before it.
const ROOM: u16 = 7;
/// Outside all these ranges.
const LISTEN_AT: u16 = 5000;
/// An address of this host that no connect takes by itself.
const OTHER_SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 5));

#[derive(Debug)]
pub(super) struct Plan {
    /// First and last ephemeral port.
    pub(super) range: (u16, u16),
    pub(super) reserved: Vec<u16>,
    pub(super) tw_reuse: u8,
    pub(super) timestamps: bool,
    /// What is filled in the end; no two have both source and destination in common.
    pub(super) spaces: Vec<Space>,
    pub(super) actions: Vec<Action>,
}

/// Where connects go, and which ports they may get.
#[derive(Clone, Copy, Debug)]
pub(super) struct Space {
    /// Bound to with `IP_BIND_ADDRESS_NO_PORT`.
    pub(super) source: Option<IpAddr>,
    pub(super) dst: SocketAddr,
    /// `IP_LOCAL_PORT_RANGE`
    pub(super) own_range: Option<(u16, u16)>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    Connect {
        to: Space,
        /// An IPv4 destination, by a socket of IPv6.
        mapped: bool,
        end: End,
        /// The scene makes no sense without it.
        must: bool,
    },
    /// An explicit bind comes first.
    Prebound {
        dst: SocketAddr,
        bind: SocketAddr,
        share: Share,
        end: End,
    },
    Bind {
        at: SocketAddr,
        share: Share,
        v6only: bool,
        then: Then,
    },
    /// Closes the bound socket that was opened last.
    Release,
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It stays open.
    Keep,
    Reset,
    /// The client closes first: `TIME_WAIT`.
    TimeWait,
    /// The peer closes first: the port is free again.
    Passive,
    /// `FIN_WAIT2` with its socket.
    HalfClosed,
    /// `FIN_WAIT2` without.
    Orphan,
    /// `CLOSE_WAIT`.
    CloseWait,
}

/// Whether a bind shares its port.
#[derive(Clone, Copy, Debug)]
pub(super) enum Share {
    No,
    ReuseAddress,
    ReusePort,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Then {
    Hold,
    Listen,
    Close,
}

impl Plan {
    /// `even`: the range has an even number of ports. `own_ranges`: spaces with
    /// `IP_LOCAL_PORT_RANGE` are wanted too.
    pub(super) fn new(seed: u64, even: bool, own_ranges: bool) -> Self {
        let mut random = Random::new(seed);
        let mut size = random.between(SMALLEST, LARGEST);
        if even {
            size &= !1;
        }
        let low = random.between(40_000, 40_010);
        let range = (low, low + size - 1);
        let reserved = (0..random.below(3))
            .map(|_| random.between(range.0, range.1))
            .collect();
        let spaces = spaces(&mut random, range, own_ranges);
        let actions = actions(&mut random, range, &spaces);
        Self {
            range,
            reserved,
            tw_reuse: random.pick(&[0, 1, 2]),
            timestamps: !random.one_in(6),
            spaces,
            actions,
        }
    }
}

fn spaces(random: &mut Random, range: (u16, u16), own_ranges: bool) -> Vec<Space> {
    let v4 = |last, port| SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), port));
    let mut known = vec![
        v4(1, LISTEN_AT),
        v4(2, LISTEN_AT),
        v4(1, LISTEN_AT + 1),
        SocketAddr::from((Ipv6Addr::LOCALHOST, LISTEN_AT)),
        // A listener blocks its port.
        v4(1, random.between(range.0, range.1)),
    ];
    let mut spaces: Vec<Space> = Vec::new();
    for _ in 0..=random.below(3) {
        let dst = known.swap_remove(random.below(known.len()));
        let own_range = (own_ranges && random.one_in(2)).then(|| own_range(random, range, ROOM));
        spaces.push(Space {
            source: (dst.is_ipv4() && random.one_in(3)).then_some(OTHER_SOURCE),
            dst,
            own_range,
        });
    }
    spaces
}

/// So many ports at least; mostly inside the range of the namespace, but sometimes a bound lies
/// outside or is not set.
fn own_range(random: &mut Random, (low, high): (u16, u16), least: u16) -> (u16, u16) {
    let first = random.between(low, high + 1 - least);
    let second = random.between(first + least - 1, high);
    match random.below(6) {
        0 => (low - 5, second),
        1 => (first, high + 5),
        2 => (first, 0),
        _ => (first, second),
    }
}

/// A few binds, then a connection of each space that stays, then anything.
fn actions(random: &mut Random, range: (u16, u16), spaces: &[Space]) -> Vec<Action> {
    let mut actions: Vec<Action> = (0..random.below(3)).map(|_| bind(random, range)).collect();
    actions.extend(spaces.iter().map(|to| Action::Connect {
        to: *to,
        mapped: to.dst.is_ipv4() && random.one_in(3),
        end: End::Keep,
        must: true,
    }));
    for _ in 0..random.below(usize::from(range.1 - range.0) + 1) {
        let action = match random.below(12) {
            0 | 1 => bind(random, range),
            2 => Action::Release,
            3 => prebound(random, range, spaces),
            _ => connect(random, range, spaces),
        };
        actions.push(action);
    }
    actions
}

fn connect(random: &mut Random, range: (u16, u16), spaces: &[Space]) -> Action {
    let mut to = random.pick(spaces);
    if random.one_in(10) {
        to.own_range = Some(own_range(random, range, 1));
    }
    Action::Connect {
        to,
        mapped: to.dst.is_ipv4() && random.one_in(3),
        end: end(random),
        must: false,
    }
}

fn prebound(random: &mut Random, range: (u16, u16), spaces: &[Space]) -> Action {
    let dst = random.pick(spaces).dst;
    let from = match dst {
        SocketAddr::V4(_) => random.pick(&[
            IpAddr::from(Ipv4Addr::LOCALHOST),
            OTHER_SOURCE,
            Ipv4Addr::UNSPECIFIED.into(),
        ]),
        SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    Action::Prebound {
        dst,
        bind: SocketAddr::new(from, port(random, range)),
        share: share(random),
        end: end(random),
    }
}

fn bind(random: &mut Random, range: (u16, u16)) -> Action {
    let at = random.pick(&[
        IpAddr::from(Ipv4Addr::LOCALHOST),
        Ipv4Addr::new(127, 0, 0, 3).into(),
        Ipv4Addr::UNSPECIFIED.into(),
        Ipv6Addr::LOCALHOST.into(),
        Ipv6Addr::UNSPECIFIED.into(),
    ]);
    Action::Bind {
        at: SocketAddr::new(at, port(random, range)),
        share: share(random),
        v6only: random.one_in(2),
        then: random.pick(&[Then::Hold, Then::Hold, Then::Listen, Then::Close]),
    }
}

/// One of the range, or the kernel's choice.
fn port(random: &mut Random, range: (u16, u16)) -> u16 {
    if random.one_in(3) {
        0
    } else {
        random.between(range.0, range.1)
    }
}

fn share(random: &mut Random) -> Share {
    random.pick(&[Share::No, Share::ReuseAddress, Share::ReusePort])
}

fn end(random: &mut Random) -> End {
    random.pick(&[
        End::Keep,
        End::Keep,
        End::TimeWait,
        End::TimeWait,
        End::Reset,
        End::Passive,
        End::HalfClosed,
        End::Orphan,
        End::CloseWait,
    ])
}

#[cfg(test)]
mod tests {
    use super::{Action, LARGEST, Plan, SMALLEST};

    #[test]
    fn scenes_stay_within_what_they_are_meant_to_be() {
        for seed in 0..500 {
            let plan = Plan::new(seed, seed % 3 == 0, seed % 2 == 0);
            let (low, high) = plan.range;
            assert!((SMALLEST..=LARGEST).contains(&(high - low + 1)));
            let anchors = plan
                .actions
                .iter()
                .filter(|action| matches!(action, Action::Connect { must: true, .. }));
            assert_eq!(anchors.count(), plan.spaces.len());
            assert!((1..=3).contains(&plan.spaces.len()));
            for (number, space) in plan.spaces.iter().enumerate() {
                assert!(
                    plan.spaces[..number]
                        .iter()
                        .all(|other| other.dst != space.dst)
                );
            }
        }
    }
}
