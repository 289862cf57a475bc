use std::{
    net::Ipv4Addr,
    sync::mpsc::{Receiver, channel},
};

use super::*;

fn address(number: u32) -> IpAddr {
    Ipv4Addr::from(number).into()
}

fn known(pid: u32) -> ProcessDetails {
    ProcessDetails {
        pid,
        ..ProcessDetails::default()
    }
}

fn named(address: IpAddr) -> Option<Arc<str>> {
    (!address.is_unspecified()).then(|| format!("host-{address}").into())
}

fn process(pid: u32) -> Answer {
    Answer::Process(Box::new(known(pid)))
}

fn host(number: u32) -> Answer {
    Answer::HostName(address(number), named(address(number)))
}

/// A resolver of host names that hangs at every question until `go` says something, and tells `begun`
/// of each.
struct Slow {
    lookup: Lookup,
    answers: Receiver<Answer>,
    begun: Receiver<IpAddr>,
    go: std::sync::mpsc::Sender<()>,
}

fn slow() -> Slow {
    let (answer, answers) = channel();
    let (tell, begun) = channel();
    let (go, gone) = channel::<()>();
    let resolver = move || {
        move |address| {
            tell.send(address).expect("the test listens");
            // Without a sender it does not hang any more.
            let _ended = gone.recv();
            named(address)
        }
    };
    let take = move |found| {
        let _ended = answer.send(found);
    };
    let lookup = Lookup::with(take, || known, resolver).expect("threads");
    Slow {
        lookup,
        answers,
        begun,
        go,
    }
}

#[test]
fn questions_are_answered_in_the_order_of_asking() {
    let (answer, answers) = channel();
    let take = move |found| answer.send(found).expect("the test listens");
    let lookup = Lookup::with(take, || known, || named).expect("threads");
    for number in 1..=100 {
        lookup.ask(Question::Process(number));
        lookup.ask(Question::HostName(address(number)));
    }
    let (hosts, processes): (Vec<_>, Vec<_>) = answers
        .iter()
        .take(200)
        .partition(|answer| matches!(answer, Answer::HostName(..)));
    assert_eq!(processes, (1..=100).map(process).collect::<Vec<_>>());
    assert_eq!(hosts, (1..=100).map(host).collect::<Vec<_>>());
}

#[test]
fn a_resolver_that_hangs_holds_up_no_process() {
    let slow = slow();
    slow.lookup.ask(Question::HostName(address(1)));
    assert_eq!(slow.begun.recv(), Ok(address(1)));
    slow.lookup.ask(Question::Process(7));
    assert_eq!(slow.answers.recv(), Ok(process(7)));
    slow.go.send(()).expect("it waits");
    assert_eq!(slow.answers.recv(), Ok(host(1)));
}

#[test]
fn who_asks_too_much_is_forgotten_and_never_waits() {
    let slow = slow();
    slow.lookup.ask(Question::HostName(address(0)));
    assert_eq!(slow.begun.recv(), Ok(address(0)));
    for number in 1..5_000 {
        slow.lookup.ask(Question::HostName(address(number)));
    }
    drop(slow.go);
    let kept = u32::try_from(WAITING).expect("small");
    for number in 0..=kept {
        assert_eq!(slow.answers.recv(), Ok(host(number)));
    }
    // There is room again, and none of the others was kept.
    slow.lookup.ask(Question::HostName(address(9_999)));
    assert_eq!(slow.answers.recv(), Ok(host(9_999)));
}

#[test]
fn the_end_waits_for_nobody_and_nothing_is_answered_after_it() {
    let slow = slow();
    for number in 1..=3 {
        slow.lookup.ask(Question::HostName(address(number)));
    }
    assert_eq!(slow.begun.recv(), Ok(address(1)));
    drop(slow.lookup);
    // It hangs still. Let go, it answers no more, asks for no other, and ends.
    drop(slow.go);
    assert!(slow.answers.recv().is_err());
    assert!(slow.begun.recv().is_err());
}

#[test]
fn a_real_process_is_looked_up() {
    let (answer, answers) = channel();
    let take = move |found| answer.send(found).expect("the test listens");
    let lookup = Lookup::start(take).expect("threads");
    lookup.ask(Question::Process(std::process::id()));
    let Ok(Answer::Process(told)) = answers.recv() else {
        panic!("a process");
    };
    assert_eq!((told.pid, told.alive), (std::process::id(), true));
}
