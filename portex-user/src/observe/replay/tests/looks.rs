//! When an audience looks, and that it can always leave.

use std::{io::Write as _, os::unix::net::UnixStream};

use super::*;
use crate::recording::samples::reader_of;

/// Looks by the time of the recording, this often from the end of the first scan on.
struct Steps {
    every: Duration,
    next: Option<Duration>,
    looks: Vec<(Duration, Duration)>,
}

fn steps(every: Duration) -> Steps {
    Steps {
        every,
        next: None,
        looks: Vec::new(),
    }
}

impl Audience for Steps {
    fn hear(&mut self, input: &Input<'_>) -> io::Result<Wish> {
        if let Input::Watch(at) = *input {
            self.next = Some(at);
        }
        Ok(Wish::GoOn)
    }

    fn next_recorded_look(&self) -> Option<Duration> {
        self.next
    }

    fn look(&mut self, model: &Model, now: Duration) -> io::Result<Wish> {
        self.looks.push((now, model.latest()));
        self.next = Some(now + self.every);
        Ok(Wish::GoOn)
    }
}

#[test]
fn looks_by_recorded_time_are_the_same_at_any_pace() {
    let every = Duration::from_secs(3);
    let mut at_once = steps(every);
    replayed(bytes(), Pace::AtOnce, &mut at_once);
    let times: Vec<u64> = at_once.looks.iter().map(|(now, _)| now.as_secs()).collect();
    assert_eq!(times, [100, 103, 106, 109]);
    for (now, latest) in &at_once.looks {
        assert!(latest <= now, "nothing of later was taken in");
    }
    let mut slower = steps(every);
    replayed(bytes(), Pace::Times(100.0), &mut slower);
    assert_eq!(slower.looks, at_once.looks);
}

#[test]
fn a_gap_of_years_has_so_many_looks_and_no_more() {
    let year = Duration::from_secs(365 * 24 * 60 * 60);
    let start = Duration::from_secs(100);
    let inputs = [
        Input::Watch(start),
        Input::ScanBegins(start + year),
        Input::ScanBegins(start + year + Duration::from_secs(2)),
    ];
    let mut steps = steps(Duration::from_millis(100));
    let bytes = record(&inputs, 1 << 20, true).0;
    replayed(bytes, Pace::AtOnce, &mut steps);
    let gap = usize::try_from(STEPS).expect("small") + 1;
    let before = steps.looks.iter().filter(|(now, _)| *now < start + year);
    assert_eq!(before.count(), gap);
    assert!(steps.looks.len() > gap, "it goes on behind the gap");
}

/// Changes the pace when it is woken, as a key does.
struct Impatient {
    pace: watch::Sender<Pace>,
    changed: bool,
}

impl Audience for Impatient {
    async fn wake(&mut self) {
        if self.changed {
            return pending().await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.pace.send_replace(Pace::AtOnce);
        self.changed = true;
    }
}

#[test]
fn the_audience_can_change_the_pace_when_it_is_woken() {
    let mut inputs = ahead(bytes());
    let mut model = Model::default();
    // At that pace it takes hours.
    let (change, receiver) = watch::channel(Pace::Times(0.001));
    let mut audience = Impatient {
        pace: change,
        changed: false,
    };
    let outcome = run(replay(
        &mut inputs,
        receiver,
        &mut model,
        &mut audience,
        pending(),
    ));
    assert_eq!(outcome.expect("whole").ended, Some(Ended::Complete));
}

#[test]
fn a_pipe_without_news_does_not_keep_anybody() {
    let (mut from, to) = UnixStream::pair().expect("a pair");
    let bytes = bytes();
    let half = bytes.len() / 2;
    from.write_all(&bytes[..half]).expect("room");
    let reader = reader_of(to).expect("a header");
    let mut inputs = Ahead::start(reader).expect("a thread");
    let mut model = Model::default();
    let (_unchanged, pace) = watch::channel(Pace::AtOnce);
    let mut nobody = ();
    let stop = async { tokio::time::sleep(Duration::from_millis(50)).await };
    let outcome = run(replay(&mut inputs, pace, &mut model, &mut nobody, stop));
    assert_eq!(outcome.expect("no error").ended, None);
    drop(from);
}
