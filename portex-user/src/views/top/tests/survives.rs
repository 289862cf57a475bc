//! Whatever comes, nothing breaks and nothing leaves its place.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Key(KeyCode, bool),
    Size(u16, u16),
    Frame(Sample),
    Paste(String),
}

#[derive(Clone, Debug)]
enum Sample {
    Empty,
    Busy,
    Hostile,
    Many(u32, u32),
    /// With everything at its bounds.
    Odd,
}

impl Sample {
    fn snapshot(&self) -> Snapshot {
        match self {
            Self::Empty => Snapshot::default(),
            Self::Busy => samples::busy(),
            Self::Hostile => samples::hostile(),
            Self::Many(spaces, processes) => samples::many(*spaces, *processes),
            Self::Odd => odd(),
        }
    }
}

fn odd() -> Snapshot {
    let mut snapshot = samples::busy();
    snapshot.time = Duration::ZERO;
    for space in &mut snapshot.spaces {
        (space.capacity, space.free, space.used) = (0, u32::MAX, u32::MAX);
        space.fill = f64::NAN;
        space.exhausts_in = Some(Duration::MAX);
    }
    for process in &mut snapshot.processes {
        (process.ports, process.failures) = (u32::MAX, Some(u64::MAX));
    }
    for failure in &mut snapshot.failures {
        failure.time = Duration::MAX;
    }
    snapshot.lost = u64::MAX;
    snapshot
}

fn key() -> impl Strategy<Value = Step> {
    let known: Vec<(KeyCode, bool)> = keys::TABLE
        .iter()
        .flat_map(|row| row.keys.iter().map(|key| (key.code, key.ctrl)))
        // What ends it all is tried elsewhere.
        .filter(|key| *key != (KeyCode::Char('c'), true) && key.0 != KeyCode::Char('q'))
        .collect();
    prop_oneof![
        8 => prop::sample::select(known).prop_map(|(code, ctrl)| Step::Key(code, ctrl)),
        1 => any::<char>().prop_map(|character| Step::Key(KeyCode::Char(character), false)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![Just((0, 0)), Just((20, 5)), (0_u16..200, 0_u16..60)];
    let sample = prop_oneof![
        Just(Sample::Empty),
        Just(Sample::Busy),
        Just(Sample::Hostile),
        Just(Sample::Odd),
        (0_u32..200, 0_u32..50).prop_map(|(spaces, processes)| Sample::Many(spaces, processes)),
    ];
    prop_oneof![
        12 => key(),
        2 => size.prop_map(|(columns, rows)| Step::Size(columns, rows)),
        3 => sample.prop_map(Step::Frame),
        1 => any::<String>().prop_map(Step::Paste),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_messages(
        steps in prop::collection::vec(step(), 1..60),
        color in any::<bool>(),
        unicode in any::<bool>(),
    ) {
        let mut top = blank((80, 24), Theme { color, unicode });
        for step in steps {
            match step {
                Step::Key(code, ctrl) => {
                    let modifiers = if ctrl { KeyModifiers::CONTROL } else { KeyModifiers::NONE };
                    top.update(Message::Input(Event::Key(KeyEvent::new(code, modifiers))));
                }
                Step::Size(columns, rows) => resize(&mut top, (columns, rows)),
                Step::Frame(sample) => { send(&mut top, sample.snapshot()); }
                Step::Paste(text) => { top.update(Message::Input(Event::Paste(text))); }
            }
            screen(&top);
            // The terminal may have another size before it is said.
            screen_of(&top, (33, 7));
        }
    }
}

#[test]
fn the_smallest_terminals() {
    for size in [(20, 5), (1, 1), (2, 3), (10, 2), (0, 0), (200, 1), (1, 60)] {
        for snapshot in [
            samples::busy(),
            samples::hostile(),
            Snapshot::default(),
            odd(),
        ] {
            for keys in [
                "", "t", "2t", "3", "4", "5", "s", "/abc", "?", "<Enter>", "<Enter>m",
            ] {
                let mut top = showing(snapshot.clone(), size);
                press(&mut top, keys);
                let shown = screen(&top);
                assert_eq!(
                    shown.lines().count(),
                    usize::from(size.1) * usize::from(size.0.min(1))
                );
            }
        }
    }
    let mut top = showing(samples::busy(), (20, 5));
    press(&mut top, "j");
    insta::assert_snapshot!("tiny", screen(&top));
}
