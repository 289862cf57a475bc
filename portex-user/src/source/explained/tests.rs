use std::sync::mpsc;

use super::{worker::Task, *};
use crate::{
    event::{Capture, samples},
    source::Script,
};

fn failed(socket: u64) -> Event {
    Event {
        socket,
        capture: Some(Arc::new(Capture::default())),
        ..samples::failed()
    }
}

fn plain(socket: u64) -> Event {
    Event {
        socket,
        ..samples::connect()
    }
}

struct Desk {
    tasks: mpsc::Receiver<Task>,
    answers: mpsc::Sender<Answer>,
}

impl Desk {
    /// Answers what was asked last, or first.
    fn answer(&self, jobs: Vec<Job>) {
        for job in jobs {
            let call = Call {
                fd: Some(7),
                ..Call::default()
            };
            let answer = Answer {
                capture: job.capture,
                call: Arc::new(call),
            };
            self.answers.send(answer).expect("somebody listens");
        }
    }

    fn asked(&self) -> Vec<Job> {
        let tasks = self.tasks.try_iter();
        tasks
            .filter_map(|task| match task {
                Task::Answer(job) => Some(job),
                Task::Keep(_) => None,
            })
            .collect()
    }
}

fn explained(batches: Vec<Vec<Event>>, patience: Duration) -> (Explained<Script>, Desk) {
    let mut script = Script::default();
    for batch in batches {
        script.batches.push_back((batch, Losses::default()));
    }
    let (worker, tasks, answers) = Explainer::by_hand();
    let mut explained = Explained::new(script, worker, Filter::default());
    explained.patience = patience;
    (explained, Desk { tasks, answers })
}

/// Sockets of the events that one call hands out, and whether each has its call.
fn fill(explained: &mut Explained<Script>) -> Vec<(u64, bool)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let mut events = Vec::new();
    runtime
        .block_on(explained.fill(&mut events))
        .expect("a script does not fail");
    told(explained, &events)
}

fn told(explained: &Explained<Script>, events: &[Event]) -> Vec<(u64, bool)> {
    let one = |event: &Event| (event.socket, explained.call(event).is_some());
    events.iter().map(one).collect()
}

const LONG: Duration = Duration::from_secs(3600);

#[test]
fn events_keep_their_order_whatever_order_answers_have() {
    let batches = vec![
        vec![plain(1), failed(2), plain(3), failed(4), plain(5)],
        Vec::new(),
        Vec::new(),
    ];
    let (mut explained, desk) = explained(batches, LONG);
    assert_eq!(fill(&mut explained), [(1, false)]);
    let mut jobs = desk.asked();
    assert_eq!(jobs.len(), 2);
    let first = jobs.remove(0);
    desk.answer(jobs);
    assert_eq!(fill(&mut explained), []);
    desk.answer(vec![first]);
    let all = [(2, true), (3, false), (4, true), (5, false)];
    assert_eq!(fill(&mut explained), all);
    assert_eq!(explained.losses().stacks, 0);
}

#[test]
fn a_failure_does_not_wait_for_ever() {
    let batches = vec![vec![failed(1), plain(2)], vec![failed(3)], Vec::new()];
    let (mut explained, desk) = explained(batches, Duration::ZERO);
    assert_eq!(fill(&mut explained), [(1, false), (2, false)]);
    assert_eq!(explained.losses().stacks, 1);
    // The answer that comes too late is nobody's, be the next one at the same place in memory or not.
    explained.patience = LONG;
    desk.answer(desk.asked());
    assert_eq!(fill(&mut explained), []);
    desk.answer(desk.asked());
    assert_eq!(fill(&mut explained), [(3, true)]);
    assert_eq!(explained.losses().stacks, 1);
    assert!(explained.answers.is_empty() && explained.wanted.is_empty());
    assert_eq!(explained.asked, 0);
}

#[test]
fn without_the_thread_everything_is_told_without_stacks() {
    let batches = vec![vec![failed(1)], vec![failed(2), plain(3)], Vec::new()];
    let (mut explained, desk) = explained(batches, LONG);
    assert_eq!(fill(&mut explained), []);
    drop(desk);
    assert_eq!(fill(&mut explained), [(1, false), (2, false), (3, false)]);
    assert_eq!(explained.losses().stacks, 2);
}

#[test]
fn more_than_can_be_asked_are_told_without() {
    let many = u64::try_from(MOST_ASKED).expect("small") + 10;
    let (mut explained, desk) = explained(vec![(0..many).map(failed).collect(), Vec::new()], LONG);
    assert_eq!(fill(&mut explained), []);
    assert_eq!(explained.losses().stacks, 10);
    let jobs = desk.asked();
    assert_eq!(jobs.len(), MOST_ASKED);
    desk.answer(jobs);
    let told = fill(&mut explained);
    assert_eq!(told.len(), MOST_ASKED + 10);
    assert_eq!(told.iter().filter(|(_, has)| !has).count(), 10);
}

#[test]
fn what_the_filter_does_not_let_through_is_not_asked_for() {
    let (mut explained, desk) = explained(vec![vec![failed(1)]], LONG);
    explained.filter.pid = Some(1);
    assert_eq!(fill(&mut explained), [(1, false)]);
    assert!(desk.asked().is_empty());
    assert_eq!(explained.losses().stacks, 0);
}

#[test]
fn the_end_waits_a_little_unless_nobody_looks() {
    for given_up in [false, true] {
        let (mut explained, desk) = explained(Vec::new(), Duration::from_millis(20));
        explained.source.rest = vec![failed(1), plain(2)];
        if given_up {
            explained.give_up();
        } else {
            // Answered while it waits.
            explained.patience = LONG;
            std::thread::spawn(move || {
                let task = desk.tasks.recv().expect("asked");
                let Task::Answer(job) = task else {
                    panic!("not a job");
                };
                desk.answer(vec![job]);
            });
        }
        let mut events = Vec::new();
        explained.finish(&mut events);
        assert_eq!(told(&explained, &events), [(1, !given_up), (2, false)]);
    }
}

#[test]
fn it_is_no_later_than_what_waits() {
    let (mut explained, desk) = explained(vec![vec![failed(1)], Vec::new()], LONG);
    let later = Duration::from_secs(200);
    explained.source.now = later;
    assert_eq!(explained.told_until(), later);
    assert_eq!(fill(&mut explained), []);
    // A line about losses that is told now stands before the failure.
    assert_eq!(explained.told_until(), samples::failed().time);
    desk.answer(desk.asked());
    assert_eq!(fill(&mut explained), [(1, true)]);
    assert_eq!(explained.told_until(), later);
}
