//! How every view looks, at 80×24 and 120×40.

use std::sync::Arc;

use super::*;
use crate::views::snapshot::samples as models;

const SIZE: (u16, u16) = (80, 24);

fn pressed(snapshot: Snapshot, keys: &str) -> String {
    let mut top = showing(snapshot, SIZE);
    press(&mut top, keys);
    screens(top)
}

#[test]
fn before_the_first_frame() {
    insta::assert_snapshot!(screens(blank(SIZE, Theme::default())));
}

#[test]
fn spaces() {
    insta::assert_snapshot!("spaces_one", pressed(samples::snapshot(), ""));
    insta::assert_snapshot!("spaces_busy", pressed(samples::busy(), ""));
    insta::assert_snapshot!(
        "spaces_many",
        pressed(samples::many(5_000, 1_000), "<PgDn>jj")
    );
    insta::assert_snapshot!("spaces_hostile", pressed(samples::hostile(), ""));
    insta::assert_snapshot!("spaces_none", pressed(Snapshot::default(), ""));
}

#[test]
fn processes() {
    insta::assert_snapshot!("processes_one", pressed(samples::snapshot(), "2"));
    insta::assert_snapshot!("processes_busy", pressed(samples::busy(), "2"));
    insta::assert_snapshot!("processes_many", pressed(samples::many(5_000, 1_000), "2G"));
    insta::assert_snapshot!("processes_hostile", pressed(samples::hostile(), "2"));
    insta::assert_snapshot!("processes_none", pressed(Snapshot::default(), "2"));
}

#[test]
fn failures() {
    insta::assert_snapshot!("failures_busy", pressed(samples::busy(), "3"));
    insta::assert_snapshot!("failures_hostile", pressed(samples::hostile(), "3"));
    insta::assert_snapshot!("failures_many", pressed(samples::crowded(), "3<PgDn>"));
    insta::assert_snapshot!("failures_none", pressed(samples::snapshot(), "3"));
    let unwatched = models::unwatched(samples::snapshot());
    insta::assert_snapshot!("failures_unwatched", pressed(unwatched, "3"));
}

#[test]
fn namespaces_and_pools() {
    insta::assert_snapshot!("namespaces", pressed(samples::busy(), "4"));
    insta::assert_snapshot!("namespaces_hostile", pressed(samples::hostile(), "4"));
    insta::assert_snapshot!("namespaces_many", pressed(samples::crowded(), "4G"));
    insta::assert_snapshot!("namespaces_none", pressed(Snapshot::default(), "4"));
    insta::assert_snapshot!("pools", pressed(samples::busy(), "5"));
    insta::assert_snapshot!("pools_hostile", pressed(samples::hostile(), "5"));
    insta::assert_snapshot!("pools_many", pressed(samples::crowded(), "5<PgDn>"));
    insta::assert_snapshot!("pools_none", pressed(Snapshot::default(), "5"));
}

#[test]
fn trees() {
    insta::assert_snapshot!("tree_of_spaces", pressed(samples::busy(), "t"));
    insta::assert_snapshot!("tree_of_processes", pressed(samples::busy(), "2t"));
    insta::assert_snapshot!("tree_hostile", pressed(samples::hostile(), "t"));
}

#[test]
fn help() {
    let mut top = showing(samples::busy(), SIZE);
    press(&mut top, "?");
    insta::assert_snapshot!("help", screens(top));
    let mut top = showing(samples::busy(), SIZE);
    press(&mut top, "?G");
    insta::assert_snapshot!("help_end", screens(top));
}

#[test]
fn filter_and_menu() {
    insta::assert_snapshot!("filter_typed", pressed(samples::busy(), "/HTTP 10.0"));
    insta::assert_snapshot!("filter_kept", pressed(samples::busy(), "/blue<Enter>"));
    insta::assert_snapshot!("filter_of_nothing", pressed(samples::busy(), "/xyzzy"));
    insta::assert_snapshot!("filter_by_namespace", pressed(samples::busy(), "4j<Enter>"));
    insta::assert_snapshot!("menu", pressed(samples::busy(), "sjjj"));
    insta::assert_snapshot!(
        "sorted",
        pressed(samples::many(5_000, 1_000), "sjj<Enter>r")
    );
}

#[test]
fn header_says_what_is_missing() {
    let mut snapshot = samples::busy();
    (snapshot.lost, snapshot.dropped, snapshot.hidden_namespaces) = (12, 3, 2);
    let mut frame = samples::frame(snapshot);
    frame.status.notes = Arc::from(["cannot read /proc/7\u{1b}[2J".to_owned()]);
    frame.status.advice = Some(Arc::from("look at curl: it binds before it connects"));
    frame.status.recorded = Some(12_345_678);
    let mut top = blank(SIZE, Theme::default());
    top.update(Message::Frame(Box::new(frame.clone())));
    press(&mut top, "p");
    insta::assert_snapshot!("header_live", screens(top));
    frame.status.own_cost = None;
    frame.status.replay = Some(Replay {
        position: std::time::Duration::from_secs(75),
        speed: 10.0,
        ended: true,
    });
    let mut top = blank(SIZE, Theme::default());
    top.update(Message::Frame(Box::new(frame)));
    insta::assert_snapshot!("header_replay", screens(top));
}

#[test]
fn own_cost_goes_first_where_room_is_scarce() {
    let at = |width: u16| {
        let shown = screen(&showing(samples::busy(), (width, 24)));
        shown
            .lines()
            .nth(1)
            .expect("a second line")
            .trim_end()
            .to_owned()
    };
    let all = "every 1s  lost 0  1234 events/s  own CPU 1.2%  BPF 2.9%  RSS 37MB";
    assert_eq!(at(80), all);
    for (width, without) in [
        (64, "  RSS 37MB"),
        (54, "  BPF 2.9%"),
        (40, "  own CPU 1.2%"),
    ] {
        let end = all.find(without).expect("part of it");
        assert_eq!(at(width), &all[..end], "{width}");
    }
}

#[test]
fn in_ascii_without_colours() {
    let plain = Theme {
        color: false,
        unicode: false,
    };
    let mut text = String::new();
    for keys in ["", "t", "sj", "2", "3", "4", "5", "?"] {
        let mut top = blank(SIZE, plain);
        send(&mut top, samples::busy());
        press(&mut top, keys);
        let shown = screens(top);
        assert!(shown.is_ascii(), "{shown}");
        text.push_str(&shown);
    }
    insta::assert_snapshot!("ascii", text);
    for keys in ["", "t", "2t", "3", "4", "/日本"] {
        let mut top = blank(SIZE, plain);
        send(&mut top, samples::hostile());
        press(&mut top, keys);
        assert!(screens(top).is_ascii(), "{keys}");
    }
}

fn headings<C>(fields: &[crate::fields::Field<C>]) -> Vec<&'static str> {
    fields.iter().map(|field| field.heading).collect()
}

#[test]
fn a_wide_terminal_has_every_column() {
    let shown = |view: &str| {
        let mut top = showing(samples::busy(), (150, 24));
        press(&mut top, view);
        screen(&top)
    };
    let all = [
        ("1", headings(crate::fields::TOP_SPACES)),
        ("2", headings(crate::fields::TOP_PROCESSES)),
        ("3", headings(crate::fields::TOP_FAILURES)),
        ("4", headings(crate::fields::TOP_NAMESPACES)),
        ("5", headings(crate::fields::TOP_POOLS)),
    ];
    for (view, headings) in all {
        let shown = shown(view);
        for heading in headings {
            assert!(shown.contains(heading), "{heading}:\n{shown}");
        }
    }
}

#[test]
fn there_is_room_for_the_mark_of_the_order() {
    fn fits<C>(fields: &[crate::fields::Field<C>]) {
        for field in fields {
            assert!(field.heading.len() < field.width, "{}", field.heading);
        }
    }
    fits(crate::fields::TOP_SPACES);
    fits(crate::fields::TOP_PROCESSES);
    fits(crate::fields::TOP_FAILURES);
    fits(crate::fields::TOP_NAMESPACES);
    fits(crate::fields::TOP_POOLS);
}

#[test]
fn details_stand_between_header_and_footer() {
    for keys in ["<Enter>", "<Enter>m", "2<Enter>"] {
        let mut top = showing(samples::busy(), SIZE);
        press(&mut top, keys);
        let shown = screen(&top);
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[0].starts_with("portex on web1"), "{shown}");
        assert!(lines[23].contains("Esc Back"), "{shown}");
        assert_ne!(lines[4], "", "{shown}");
        assert_ne!(shown, screen(&showing(samples::busy(), SIZE)));
    }
}

#[test]
fn columns_stand_still_from_frame_to_frame() {
    let mut top = showing(samples::many(500, 100), (120, 40));
    let heading = |top: &Top| {
        let shown = screen(top);
        let line = shown.lines().find(|line| line.contains("DESTINATION"));
        line.expect("headings").to_owned()
    };
    let before = heading(&top);
    send(&mut top, samples::snapshot());
    assert_eq!(heading(&top), before);
}
