use std::future::pending;

use tokio::sync::watch;

use super::*;
use crate::{
    filter::Filter,
    live::Origin,
    observe::{linger, replay},
    recording::{
        Pace,
        samples::{ahead, header, inputs, record},
    },
};

fn frames() -> Frames {
    let header = header();
    let origin = Origin {
        host: "host".into(),
        kernel: header.kernel.as_str().into(),
        attach: Some(header.attach.as_str().into()),
        began: header.started(),
        clock: header.clock(),
        replayed: true,
        advice: None,
        notes: Vec::new(),
    };
    Frames::new(origin, Filter::default(), Duration::from_millis(250))
}

/// What a replay prints at a pace.
fn printed(pace: Pace) -> Vec<String> {
    let mut inputs = ahead(record(&inputs(200), 1 << 30, true).0);
    let mut view = Printed::new(Vec::new(), frames(), Form::Json, None, pending());
    assert_eq!(view.next_look(), None, "never by this machine's clock");
    let mut model = Model::default();
    let (_unchanged, pace) = watch::channel(pace);
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
        .block_on(async {
            let replayed = replay(&mut inputs, pace, &mut model, &mut view, pending()).await;
            assert_eq!(view.next_look(), None, "never by this machine's clock");
            view.replay_ended();
            let at = replayed.expect("whole").at;
            linger(at, &model, &mut view, pending())
                .await
                .expect("printed");
            let mut last = Vec::new();
            let snapshot = model.snapshot(at);
            let header = header();
            let about = About {
                kernel: &header.kernel,
                attach: Some(&header.attach),
                time: header.clock().timestamp(at),
                uptime: at.saturating_sub(header.started()),
                own_cost: None,
            };
            snapshot::json(&mut last, &snapshot, &about).expect("memory");
            assert!(view.out.ends_with(&last), "the end is that of a snapshot");
        });
    let text = String::from_utf8(view.out).expect("text");
    text.lines().map(ToOwned::to_owned).collect()
}

#[test]
fn a_replay_prints_the_same_frames_at_any_pace() {
    let at_once = printed(Pace::AtOnce);
    // The scan ends a second before the end.
    assert_eq!(at_once.len(), 5);
    assert!(printed(Pace::Times(100.0)) == at_once);
}

#[test]
fn a_replay_follows_the_clock_of_its_recording() {
    let mut view = Printed::new(Vec::new(), frames(), Form::Json, None, pending());
    view.hear(&Input::Clock(7_000_000_000)).expect("heard");
    let frame = view
        .frames
        .make(&Model::default(), Duration::from_secs(100));
    assert_eq!(frame.status.time.as_second(), 107);
}
