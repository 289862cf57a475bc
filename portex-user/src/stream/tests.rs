use std::future::pending;

use jiff::Timestamp;

use super::*;
use crate::{
    event::{Kind, samples},
    source::Script,
};

/// Remembers what it was told.
#[derive(Default)]
struct Memory {
    events: Vec<u64>,
    lost: Vec<Losses>,
    /// From this event on the reader has gone away.
    closed_at: Option<usize>,
}

impl EventView for Memory {
    const SHOWS_CGROUP: bool = false;

    fn event(&mut self, event: &Event, _context: Context<'_>) -> io::Result<()> {
        if self.closed_at.is_some_and(|at| self.events.len() >= at) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.events.push(event.socket);
        Ok(())
    }

    fn lost(&mut self, since_last: &Losses, _at: Timestamp) -> io::Result<()> {
        self.lost.push(*since_last);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn numbered(socket: u64) -> Event {
    Event {
        socket,
        ..samples::connect()
    }
}

fn script(batches: &[&[u64]], rest: &[u64]) -> Script {
    let mut script = Script::default();
    for batch in batches {
        let events = batch.iter().copied().map(numbered).collect();
        script.batches.push_back((events, Losses::default()));
    }
    script.rest = rest.iter().copied().map(numbered).collect();
    script
}

fn play(script: &mut Script, view: &mut Memory, filter: &Filter, limits: Limits) -> Totals {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
        .block_on(run(script, view, filter, limits, pending()))
        .expect("no error")
}

#[test]
fn everything_is_shown_in_order_and_what_was_on_its_way_too() {
    let mut view = Memory::default();
    let totals = play(
        &mut script(&[&[1, 2], &[], &[3]], &[4]),
        &mut view,
        &Filter::default(),
        Limits::default(),
    );
    assert_eq!(view.events, [1, 2, 3, 4]);
    assert_eq!(totals.shown, BTreeMap::from([("connect", 4)]));
    assert!(view.lost.is_empty());
}

#[test]
fn a_limit_is_exact_even_within_a_batch() {
    let mut view = Memory::default();
    let limits = Limits {
        events: Some(3),
        duration: None,
    };
    let totals = play(
        &mut script(&[&[1, 2], &[3, 4]], &[5]),
        &mut view,
        &Filter::default(),
        limits,
    );
    assert_eq!(view.events, [1, 2, 3]);
    assert_eq!(totals.events(), 3);
}

#[test]
fn only_wanted_events_count_towards_the_limit() {
    let mut script = script(&[&[1, 2]], &[]);
    script
        .batches
        .push_back((vec![samples::failed()], Losses::default()));
    let mut view = Memory::default();
    let filter = Filter {
        failures: true,
        ..Filter::default()
    };
    let limits = Limits {
        events: Some(1),
        duration: None,
    };
    let totals = play(&mut script, &mut view, &filter, limits);
    assert!(matches!(samples::failed().kind, Kind::ConnectFailed { .. }));
    assert_eq!(totals.shown, BTreeMap::from([("connect_failed", 1)]));
}

#[test]
fn losses_are_told_once() {
    let mut script = script(&[&[1]], &[]);
    let lost = Losses {
        table_full: 7,
        ..Losses::default()
    };
    script.batches.push_back((vec![numbered(2)], lost));
    let mut view = Memory::default();
    let totals = play(
        &mut script,
        &mut view,
        &Filter::default(),
        Limits::default(),
    );
    assert_eq!(view.lost, [lost]);
    assert_eq!(totals.losses, lost);
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let mut view = Memory {
        closed_at: Some(1),
        ..Memory::default()
    };
    let totals = play(
        &mut script(&[&[1, 2, 3]], &[4]),
        &mut view,
        &Filter::default(),
        Limits::default(),
    );
    assert_eq!(view.events, [1]);
    assert_eq!(totals.events(), 1);
}
