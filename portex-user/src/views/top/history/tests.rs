use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::views::snapshot::samples;

fn at(seconds: u64, spaces: Vec<Space>) -> Snapshot {
    Snapshot {
        time: Duration::from_secs(seconds),
        spaces,
        ..samples::snapshot()
    }
}

/// One of many spaces.
fn numbered(number: u32) -> Space {
    Space {
        dst: IpAddr::from(Ipv4Addr::from(number)),
        ..samples::space()
    }
}

#[test]
fn a_track_keeps_the_latest_samples_in_order() {
    let mut history = History::default();
    let space = samples::space();
    for second in 1..=1_000 {
        let used = u32::try_from(second).expect("small");
        let space = Space {
            used,
            ..space.clone()
        };
        history.note(&at(second, vec![space]), None);
    }
    let track = history.of(&space.key()).expect("followed");
    let kept: Vec<(usize, u32)> = track
        .samples()
        .map(|(at, sample)| (at, sample.used))
        .collect();
    assert_eq!(kept.len(), SAMPLES);
    assert_eq!(track.len(), SAMPLES);
    assert_eq!((kept[0], kept[299]), ((700, 701), (999, 1_000)));
    assert!(kept.is_sorted());
    assert_eq!(
        track.last().map(Sample::time),
        Some(Duration::from_secs(999))
    );
    assert_eq!(track.samples.capacity(), SAMPLES);
}

#[test]
fn a_sample_holds_what_the_space_was() {
    let mut history = History::default();
    let space = samples::exhausted();
    history.note(&at(1, vec![space.clone()]), None);
    let sample = *history.of(&space.key()).and_then(Track::last).expect("one");
    assert_eq!((sample.used, sample.time_wait), (28_212, 27_000));
    assert!(sample.is_full());
    assert!((sample.waiting() - 0.957).abs() < 1e-3);
    assert!((sample.failures - 3.4).abs() < 1e-6);
    assert!((sample.connects - 0.0).abs() < 1e-6);
    let unwatched = samples::unwatched(at(2, vec![samples::space()]));
    history.note(&unwatched, None);
    let sample = *history.of(&space.key()).and_then(Track::last).expect("one");
    assert!(!sample.is_full());
    assert!(sample.failures.abs() + sample.connects.abs() < 1e-6);
}

#[test]
fn the_same_snapshot_again_is_no_new_sample() {
    let mut history = History::default();
    let space = samples::space();
    for second in [1, 1, 2, 2, 2] {
        history.note(&at(second, vec![space.clone()]), None);
    }
    assert_eq!(history.of(&space.key()).map(Track::len), Some(2));
}

#[test]
fn a_snapshot_from_before_begins_anew() {
    let mut history = History::default();
    let space = samples::space();
    for second in [10, 11, 3] {
        history.note(&at(second, vec![space.clone()]), None);
    }
    assert_eq!(history.of(&space.key()).map(Track::len), Some(1));
}

#[test]
fn the_most_endangered_spaces_are_followed_and_the_one_that_is_looked_at() {
    let mut history = History::default();
    let spaces: Vec<Space> = (0..5_000).map(numbered).collect();
    let (first, last, focus) = (spaces[0].key(), spaces[1_023].key(), spaces[4_321].key());
    history.note(&at(1, spaces), Some(&focus));
    assert_eq!(history.tracks.len(), SPACES + 1);
    for key in [first, last, focus] {
        assert_eq!(history.of(&key).map(Track::len), Some(1));
    }
    assert!(history.of(&numbered(1_024).key()).is_none());
}

#[test]
fn a_space_that_is_gone_is_forgotten_after_a_while_unless_it_is_looked_at() {
    let mut history = History::default();
    let [gone, focus] = [numbered(1), numbered(2)];
    history.note(&at(1, vec![gone.clone(), focus.clone()]), None);
    history.note(&at(60, Vec::new()), Some(&focus.key()));
    assert!(history.of(&gone.key()).is_some());
    history.note(&at(61, Vec::new()), Some(&focus.key()));
    assert!(history.of(&gone.key()).is_none());
    assert!(history.of(&focus.key()).is_some());
    history.note(&at(62, Vec::new()), None);
    assert!(history.of(&focus.key()).is_none());
}

#[test]
fn memory_is_bounded_however_many_spaces_come_and_go() {
    let mut history = History::default();
    let focus = numbered(7);
    for frame in 0..50_u32 {
        let first = frame * 1_000;
        let spaces = (first..first + 2_000).map(numbered).collect();
        let millis = Duration::from_millis(100 * u64::from(frame));
        let snapshot = Snapshot {
            time: Duration::from_secs(1) + millis,
            ..at(0, spaces)
        };
        history.note(&snapshot, Some(&focus.key()));
        assert!(history.tracks.len() <= KEPT, "{}", history.tracks.len());
        // What is followed now is never what is thrown out.
        assert!((first..first + 1_024).all(|number| history.of(&numbered(number).key()).is_some()));
        assert!(history.of(&focus.key()).is_some());
    }
    let samples: usize = history
        .tracks
        .values()
        .map(|track| track.samples.capacity())
        .sum();
    assert!(samples <= KEPT * SAMPLES);
    assert!(size_of::<Sample>() <= 24);
}

#[test]
fn how_long_it_has_been_full_is_known() {
    let mut history = History::default();
    let key = samples::space().key();
    let mut note = |second, space: Space| {
        history.note(&at(second, vec![space]), None);
        history.of(&key).and_then(Track::full_for)
    };
    let seconds = |seconds| Some((Duration::from_secs(seconds), true));
    assert_eq!(note(1, samples::exhausted()), seconds(0));
    assert_eq!(note(9, samples::exhausted()), seconds(8));
    assert_eq!(note(10, samples::space()), None);
    assert_eq!(
        note(11, samples::exhausted()),
        Some((Duration::ZERO, false))
    );
    assert_eq!(
        note(15, samples::exhausted()),
        Some((Duration::from_secs(4), false))
    );
}
