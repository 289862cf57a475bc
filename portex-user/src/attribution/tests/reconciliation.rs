//! Whatever was lost, after a scan the state is the truth.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{
    exactness::{FULL_SIGHT, Op, apply, op, rules, scan},
    kernel::{Kernel, NETNS, Sock},
};
use crate::{
    attribution::{Drift, Limits, State, space::Key},
    event::{Event, Kind},
    found::Tuple,
};

/// Source, destination and device; and the port.
type Place = (Key, u16);

fn place(sock: &Sock) -> Place {
    let (dst, dst_port) = sock.peer.expect("connected");
    let tuple = Tuple {
        netns: NETNS,
        src: sock.src,
        src_port: sock.port,
        dst,
        dst_port,
    };
    (Key::of_tuple(&tuple, sock.dev), sock.port)
}

fn connects_to(event: &Event, (key, port): Place) -> bool {
    let here = Key::of_event(event, key.dev) == key && event.src_port == Some(port);
    here && matches!(event.kind, Kind::Connect { .. })
}

/// What the state holds, with the pid of the owner.
fn held(state: &State) -> BTreeMap<String, (bool, Option<u32>)> {
    let spaces = state.spaces.map.iter();
    spaces
        .flat_map(|(key, space)| space.held.iter().map(move |held| (*key, held)))
        .map(|(key, (&port, held))| {
            let pid = state.holder_of(held.owner).pid;
            let at = format!("{:?}", (key, port));
            (at, (held.phase.is_time_wait(), pid))
        })
        .collect()
}

/// Only what events tell of.
fn workload() -> impl Strategy<Value = Vec<Op>> {
    let traced = |op: &Op| {
        matches!(
            op,
            Op::Connect { .. } | Op::Close { .. } | Op::Advance { .. }
        )
    };
    proptest::collection::vec(op(), 0..90)
        .prop_map(move |ops| ops.into_iter().filter(traced).collect())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_scan_sets_right_what_lost_events_left_wrong(
        rules in rules(),
        ops in workload(),
        more in workload(),
        lost in proptest::collection::vec(proptest::bool::weighted(0.3), 40),
    ) {
        let mut kernel = Kernel::new(rules);
        let mut state = State::new(Limits::default());
        state.watch_from(kernel.time());
        let mut seen: BTreeSet<u64> = BTreeSet::new();
        let mut all: Vec<Event> = Vec::new();
        let mut losses = 0;
        for ops in [&ops, &more] {
            for op in ops {
                apply(&mut kernel, op);
            }
            // An event of the very moment at which a scan begins is taken to be later.
            kernel.advance(1);
            for (event, &lose) in std::mem::take(&mut kernel.events).into_iter().zip(lost.iter().cycle()) {
                if lose {
                    losses += 1;
                } else {
                    state.apply(&event, || None);
                    seen.insert(event.socket);
                }
                all.push(event);
            }
            state.lost(losses);
            scan(&mut state, &kernel, FULL_SIGHT);

            let held = held(&state);
            prop_assert_eq!(held.len(), kernel.socks.len());
            for (id, sock) in &kernel.socks {
                let place = place(sock);
                let known = held.get(&format!("{place:?}"));
                prop_assert!(known.is_some(), "{:?} is not known", sock);
                let (time_wait, pid) = known.copied().unwrap_or_default();
                prop_assert_eq!(time_wait, sock.minisocket.is_some());
                let right = pid.is_none() || pid == Some(sock.pid);
                // If no event of it was seen, it may pass for one that was there before.
                let earlier = || all.iter().any(|event| connects_to(event, place) && pid == Some(event.owner.pid));
                prop_assert!(right || !seen.contains(id) && sock.minisocket.is_some() && earlier(),
                    "{:?} is {:?}'s", pid, sock);
                let live_and_open = sock.minisocket.is_none();
                prop_assert!(pid.is_some() || !live_and_open);
            }
            state.begin_scan(kernel.time());
            for found in kernel.found() {
                state.found(found);
            }
            prop_assert_eq!(state.end_scan(FULL_SIGHT, kernel.time()), Drift::default());
        }
    }

    #[test]
    fn without_losses_there_is_no_drift_and_every_owner_is_known(
        rules in rules(),
        ops in workload(),
    ) {
        let mut kernel = Kernel::new(rules);
        let mut state = State::new(Limits::default());
        state.watch_from(kernel.time());
        for op in &ops {
            apply(&mut kernel, op);
            for event in std::mem::take(&mut kernel.events) {
                state.apply(&event, || None);
            }
        }
        state.begin_scan(kernel.time());
        for found in kernel.found() {
            state.found(found);
        }
        prop_assert_eq!(state.end_scan(FULL_SIGHT, kernel.time()), Drift::default());
        let held = held(&state);
        for sock in kernel.socks.values() {
            let known = held.get(&format!("{:?}", place(sock))).copied();
            prop_assert_eq!(known, Some((sock.minisocket.is_some(), Some(sock.pid))));
        }
    }
}
