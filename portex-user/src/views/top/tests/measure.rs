//! How long things take with 50,000 spaces and 10,000 processes:
//!
//! ```sh
//! cargo test --release -p portex --lib top::tests::measure -- --ignored --nocapture
//! ```

use std::time::{Duration, Instant};

use super::*;

const ROUNDS: usize = 15;

/// The median, with the time of a frame's copy not counted.
fn median(mut round: impl FnMut() -> Duration) -> Duration {
    let mut times: Vec<Duration> = (0..ROUNDS).map(|_| round()).collect();
    times.sort();
    times[ROUNDS / 2]
}

fn report(what: &str, time: Duration) {
    println!("{what:<44} {:>9.3} ms", time.as_secs_f64() * 1e3);
}

fn draw(top: &Top) -> Duration {
    let mut terminal = Terminal::new(TestBackend::new(120, 40)).expect("a screen in memory");
    let begin = Instant::now();
    terminal.draw(|frame| render(top, frame)).expect("draws");
    begin.elapsed()
}

fn timed(top: &mut Top, message: Message) -> Duration {
    let begin = Instant::now();
    top.update(message);
    begin.elapsed()
}

#[test]
#[ignore = "reports times, judges nothing"]
fn a_large_host() {
    let snapshot = samples::many(50_000, 10_000);
    let frame = samples::frame(snapshot);
    for (name, keys) in [
        ("spaces", ""),
        ("spaces by destination", "sjj<Enter>"),
        ("spaces by time to exhaustion", "sjjjjjjjjjjj<Enter>"),
        ("spaces by namespace", "s<Enter>"),
        ("spaces, tree", "t"),
        ("spaces, last row", "G"),
        ("processes", "2"),
        ("processes by search time", "2sjjjjjjjjj<Enter>"),
        ("processes, tree", "2t"),
        ("namespaces", "4"),
        ("details of a space", "<Enter>"),
        ("details of a process", "2<Enter>"),
    ] {
        let mut top = blank((120, 40), Theme::default());
        top.update(Message::Frame(Box::new(frame.clone())));
        press(&mut top, keys);
        report(
            &format!("{name}: new frame"),
            median(|| timed(&mut top, Message::Frame(Box::new(frame.clone())))),
        );
        report(&format!("{name}: drawing"), median(|| draw(&top)));
        report(
            &format!("{name}: key"),
            median(|| {
                let down = KeyEvent::new(KeyCode::Down, KeyModifiers::NONE);
                timed(&mut top, Message::Input(Event::Key(down)))
            }),
        );
    }
    let mut top = blank((120, 40), Theme::default());
    top.update(Message::Frame(Box::new(frame)));
    press(&mut top, "/");
    for letter in "worker-1".chars() {
        let key = KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE);
        report(
            &format!("filter, after {letter:?}"),
            timed(&mut top, Message::Input(Event::Key(key))),
        );
    }
}
