use std::future::pending;

use super::*;
use crate::recording::samples::{ahead, inputs, record};

/// What comes of a recording, and the replay in the end.
fn told(pace: Pace, duration: Option<Duration>) -> (Vec<Event>, Replay) {
    let (bytes, _) = record(&inputs(200), 1 << 30, true);
    let mut replay = Replay::new(ahead(bytes), pace, duration);
    let mut events = Vec::new();
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
        .block_on(async { while replay.fill(&mut events).await.expect("whole") {} });
    (events, replay)
}

fn recorded() -> Vec<Event> {
    crate::recording::samples::events(200)
}

#[test]
fn every_event_comes_in_its_order_with_what_was_known_of_it() {
    for pace in [Pace::AtOnce, Pace::Times(10_000.0)] {
        let (events, mut replay) = told(pace, None);
        assert!(events == recorded());
        let owner = &events[0].owner;
        assert_eq!(replay.cgroup(owner).as_deref(), Some("/user.slice"));
        let stranger = Owner {
            cgroup: 8,
            ..*owner
        };
        assert_eq!(replay.cgroup(&stranger), None);
        assert_eq!(replay.losses().table_full, 7);
        assert_eq!(replay.now(), Duration::from_secs(111));
        assert!(replay.clock().is_fixed());
        assert_eq!(replay.recording().complaint(), None);
    }
}

#[test]
fn a_duration_is_one_of_the_recording() {
    // They began a second after portex started.
    let last = recorded()[499].time;
    let duration = last.checked_sub(Duration::from_secs(99)).expect("later");
    let (events, replay) = told(Pace::AtOnce, Some(duration));
    assert!(events == recorded()[..500]);
    assert_eq!(replay.now(), last);
}

#[test]
fn waiting_can_be_given_up_and_nothing_is_lost() {
    let (bytes, _) = record(&inputs(200), 1 << 30, true);
    let mut replay = Replay::new(ahead(bytes), Pace::Times(0.001), None);
    replay.pacer = Some(Pacer::new(Pace::Times(0.001), Duration::ZERO));
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
        .block_on(async {
            let mut events = Vec::new();
            while replay.waiting.is_none() {
                tokio::select! {
                    biased;
                    _ = replay.fill(&mut events) => {}
                    () = tokio::task::yield_now() => {}
                }
            }
            assert!(events.is_empty(), "not due for hours");
            replay.pacer = Some(Pacer::new(Pace::AtOnce, Duration::ZERO));
            while events.len() < recorded().len() {
                tokio::select! {
                    more = replay.fill(&mut events) => assert!(more.expect("whole")),
                    () = pending() => {}
                }
            }
            assert!(events == recorded());
        });
}

#[test]
fn a_step_of_the_clock_holds_from_there_on() {
    let events = |at: std::ops::Range<usize>| Input::Events(recorded()[at].to_vec().into());
    let inputs = [events(0..3), Input::Clock(5_000_000_000), events(3..6)];
    let mut replay = Replay::new(ahead(record(&inputs, 1 << 20, false).0), Pace::AtOnce, None);
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
        .block_on(async {
            let before = replay.clock().offset();
            let mut events = Vec::new();
            while events.len() < 3 {
                assert!(replay.fill(&mut events).await.expect("whole"));
            }
            assert_eq!(replay.clock().offset(), before);
            while events.len() < 6 {
                assert!(replay.fill(&mut events).await.expect("whole"));
            }
            assert_eq!(replay.clock().offset(), 5_000_000_000);
        });
}
