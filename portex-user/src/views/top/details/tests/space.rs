use std::sync::Arc;

use ratatui::style::{Color, Modifier};

use super::scenes::{self, *};
use crate::{
    attribution::snapshot::{Holder, PortUse, Space},
    event::Cause,
    views::{snapshot::samples, top::details::space::draw},
};

fn shown(scene: &Scene) -> String {
    screens(|area, buf| draw(&scene.view(), area, buf))
}

#[test]
fn typical() {
    insta::assert_snapshot!(shown(&scenes::typical()));
}

#[test]
fn full() {
    insta::assert_snapshot!(shown(&scenes::full()));
}

#[test]
fn without_colour() {
    insta::assert_snapshot!(shown(&full_and_themed(PLAIN)));
}

#[test]
fn ascii() {
    insta::assert_snapshot!(shown(&full_and_themed(ASCII)));
}

fn full_and_themed(theme: crate::views::top::Theme) -> Scene {
    scenes::full().themed(theme)
}

#[test]
fn nothing_known() {
    let mut scene = Scene::of(samples::space());
    scene.snapshot = samples::unwatched(scene.snapshot);
    scene.space = scene.snapshot.spaces.first().cloned().map(|space| Space {
        exact: false,
        owners: Vec::new(),
        ..space
    });
    insta::assert_snapshot!(shown(&scene));
}

#[test]
fn gone() {
    let mut scene = scenes::full();
    scene.space = None;
    scene.map = None;
    insta::assert_snapshot!(shown(&scene));
}

/// A space whose names do what names can do.
pub(super) fn hostile() -> Scene {
    let mut scene = scenes::typical();
    let comms: [&[u8]; 5] = [
        b"\x1b[2J\x1b]0;owned\x07",
        "\u{202e}txt.exe".as_bytes(),
        "日本語のプロセス".as_bytes(),
        b"\xff\xfe\x9b31m",
        "e\u{301}\u{301}\u{301}\u{200d}👨\u{200d}👩".as_bytes(),
    ];
    let owners = (1..).zip(comms).map(|(pid, comm)| Holder {
        pid: Some(pid),
        comm: comm.to_vec(),
        cgroup: Some(Arc::from(
            "/kubepods/\u{1b}[31m/日本語日本語日本語日本語日本語日本語/\n",
        )),
    });
    let owners: Vec<Holder> = owners.collect();
    scene.snapshot.failures = owners
        .iter()
        .map(|holder| failure(1, Cause::TupleInUse, holder.clone()))
        .collect();
    if let Some(space) = &mut scene.space {
        space.owners = owners
            .into_iter()
            .map(|holder| owner(holder, 5_000, 5_000))
            .collect();
    }
    for netns in &mut scene.snapshot.namespaces {
        netns.name = Some(Arc::from("ns\u{9b}2J\u{200f}"));
    }
    scene.labels.learn(&scene.snapshot);
    scene
}

#[test]
fn hostile_names() {
    insta::assert_snapshot!(shown(&hostile()));
    let ascii = shown(&hostile().themed(ASCII));
    assert!(ascii.is_ascii(), "{ascii}");
}

#[test]
fn thousands_of_owners() {
    let mut scene = scenes::typical();
    if let Some(space) = &mut scene.space {
        space.owners = (1..=5_000)
            .map(|pid| owner(holder(pid, b"worker", "/system.slice/pool.service"), 5, 4))
            .collect();
    }
    scene.selected = 2_500;
    scene.scroll = 2_499;
    insta::assert_snapshot!(shown(&scene));
}

#[test]
fn the_marked_owner_is_always_seen() {
    let mut scene = scenes::typical();
    if let Some(space) = &mut scene.space {
        space.owners = (1..=5_000)
            .map(|pid| owner(holder(pid, b"worker", "/"), 5, 4))
            .collect();
    }
    for (selected, scroll) in [(0, 0), (17, 0), (17, 5_000), (4_999, 0), (9_999, u16::MAX)] {
        (scene.selected, scene.scroll) = (selected, scroll);
        let (text, _) = drawn(80, 18, &|area, buf| draw(&scene.view(), area, buf));
        let marked = selected.min(4_999) + 1;
        let line = format!("> worker ({marked})");
        assert_eq!(
            text.matches(&line).count(),
            usize::from(selected < 5_000),
            "{text}"
        );
    }
}

#[test]
fn failures_are_those_of_the_space_only() {
    let mut scene = scenes::full();
    for (at, failure) in scene.snapshot.failures.iter_mut().enumerate() {
        match at {
            0 => failure.netns += 1,
            1 => failure.src = address("10.9.9.9"),
            2 => failure.dst = address("10.9.9.9"),
            3 => failure.dst_port += 1,
            4 => failure.dev = 3,
            _ => failure.cause = Cause::NoMemory,
        }
    }
    let (text, _) = drawn(120, 33, &|area, buf| draw(&scene.view(), area, buf));
    assert_eq!(text.matches("range_exhausted").count(), 0, "{text}");
    assert_eq!(text.matches("no_memory").count(), 2, "{text}");
}

#[test]
fn a_small_range_of_its_own() {
    let range = range(40_000, 40_399);
    let space = Space {
        range,
        own_range: true,
        dev: 3,
        src: address("2001:db8:1:2:3:4:5:6"),
        dst: address("2001:db8:1:2:3:4:5:7"),
        capacity: 390,
        used: 300,
        time_wait: 200,
        recyclable: 50,
        blocked: 20,
        free: 120,
        fill: 270.0 / 390.0,
        exhausts_in: None,
        need: Some(210.0),
        owners: vec![
            owner(samples::nginx(), 200, 150),
            owner(samples::nobody(), 100, 50),
        ],
        ..samples::space()
    };
    let mut scene = Scene::of(space).filling(12, 0);
    scene.map = Some(strewn(
        range,
        &[
            (PortUse::InUse, 100),
            (PortUse::TimeWait, 150),
            (PortUse::Recyclable, 50),
            (PortUse::Blocked, 20),
            (PortUse::Reserved, 10),
        ],
    ));
    insta::assert_snapshot!(shown(&scene));
}

#[test]
fn few_rows_are_for_what_matters_most() {
    let scene = scenes::full();
    let drawn = |height| {
        let (text, _) = drawn(80, height, &|area, buf| draw(&scene.view(), area, buf));
        format!("{}\n{text}", "=".repeat(80))
    };
    insta::assert_snapshot!([1, 2, 4, 6, 9, 13].map(drawn).concat());
}

#[test]
fn the_marked_owner_stands_out_and_what_is_bad_is_red() {
    let scene = scenes::full();
    let (text, buf) = drawn(80, 18, &|area, buf| draw(&scene.view(), area, buf));
    let row = |start: &str| {
        let row = text.lines().position(|line| line.starts_with(start));
        u16::try_from(row.expect(start)).expect("small")
    };
    let marked = row("> nginx");
    let style = scene.theme.selected();
    for x in 0..80 {
        let cell = buf[(x, marked)].style();
        assert_eq!(cell.bg.filter(|bg| *bg != Color::Reset), style.bg);
        assert!(cell.add_modifier.contains(style.add_modifier));
        assert!(!cell.add_modifier.contains(Modifier::DIM));
    }
    assert_eq!(buf[(0, row("Has none"))].fg, Color::Red);
    assert_eq!(buf[(0, row("Needs about"))].fg, Color::Red);
    // The latest column of the failures, and the number behind it.
    let failures = row("fail/s");
    assert_eq!(buf[(28, failures)].symbol(), "█");
    assert_eq!([28, 30].map(|x| buf[(x, failures)].fg), [Color::Red; 2]);
}
