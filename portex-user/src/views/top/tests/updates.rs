//! What keys and frames change, and what is asked for.

use std::{net::IpAddr, sync::Arc, time::Duration};

use super::*;
use crate::{
    attribution::snapshot::{PortMap, PortUse, SpaceKey},
    details::ProcessDetails,
    ports::PortRange,
    views::top::{
        lists::{RowKey, View},
        state::{Mode, Of},
    },
};

const SIZE: (u16, u16) = (120, 40);

fn selected(top: &Top) -> String {
    let list = top.list();
    let line = list.lines.get(list.cursor.at).expect("a row");
    let snapshot = &top.frame.as_ref().expect("a frame").snapshot;
    let at = line.item as usize;
    match top.view {
        View::Spaces => top
            .labels
            .destination(snapshot.spaces[at].dst, snapshot.spaces[at].dst_port),
        View::Processes => format!("{:?}", snapshot.processes[at].holder.pid),
        View::Failures => format!("{:?}", snapshot.failures[at].time),
        View::Namespaces => snapshot.namespaces[at].inode.to_string(),
        View::Pools => snapshot.bind_pools[at].src.to_string(),
    }
}

fn shown_ports(top: &Top) -> Vec<u32> {
    let snapshot = &top.frame.as_ref().expect("a frame").snapshot;
    let lines = top.list().lines.iter();
    lines
        .map(|line| snapshot.processes[line.item as usize].ports)
        .collect()
}

#[test]
fn the_selection_stays_with_its_row() {
    let snapshot = samples::many(100, 20);
    let mut top = showing(snapshot.clone(), SIZE);
    press(&mut top, "jjjjjjj");
    let row = selected(&top);
    for keys in [
        "sjj<Enter>",
        "r",
        "<lt>",
        ">",
        "0",
        "t",
        "t",
        "/10.1.0.0<Enter>",
        "<Esc>",
    ] {
        press(&mut top, keys);
        assert_eq!(selected(&top), row, "after {keys}");
    }
    let mut turned = snapshot.clone();
    turned.spaces.reverse();
    send(&mut top, turned.clone());
    assert_eq!(selected(&top), row, "in another order");
    turned
        .spaces
        .retain(|space| top.labels.destination(space.dst, space.dst_port) != row);
    let at = top.list().cursor.at;
    send(&mut top, turned);
    assert_ne!(selected(&top), row);
    assert_eq!(top.list().cursor.at, at, "what stands in its place");
}

#[test]
fn the_first_row_is_the_most_endangered_until_the_user_moves() {
    let mut snapshot = samples::many(10, 5);
    let mut top = showing(snapshot.clone(), SIZE);
    snapshot.spaces.reverse();
    send(&mut top, snapshot.clone());
    assert_eq!(top.list().cursor.at, 0);
    press(&mut top, "jk");
    let row = selected(&top);
    snapshot.spaces.reverse();
    send(&mut top, snapshot);
    assert_eq!((selected(&top), top.list().cursor.at), (row, 9));
}

#[test]
fn the_selected_row_is_always_in_sight() {
    let mut top = showing(samples::many(500, 20), SIZE);
    for keys in [
        "G", "<C-b>", "k", "<C-u>", "<PgDn>", "<C-d>", "g", "jjj", "G",
    ] {
        press(&mut top, keys);
        for size in [(80, 24), (20, 5), (300, 100), (1, 1), (0, 0), SIZE] {
            resize(&mut top, size);
            let height = usize::from(render::areas::of(&top).rows.height).max(1);
            let cursor = &top.list().cursor;
            assert!(
                (cursor.offset..cursor.offset + height).contains(&cursor.at),
                "{keys} {size:?}"
            );
        }
    }
    assert_eq!(top.list().cursor.at, 499);
}

#[test]
fn any_column_sorts_and_danger_comes_back() {
    let mut snapshot = samples::many(200, 50);
    // Some of what is not known, between the rest.
    for (number, process) in snapshot.processes.iter_mut().enumerate() {
        if number % 3 == 0 {
            process.top = None;
            process.search = None;
            process.rates = None;
            process.holder.cgroup = None;
        }
    }
    for view in ["1", "2", "3", "4", "5"] {
        let mut top = showing(snapshot.clone(), SIZE);
        press(&mut top, view);
        let columns = lists::with_list!(top.view, lists::columns()).len();
        let danger = top.list().lines.clone();
        for _ in 0..=columns {
            press(&mut top, ">");
            assert_eq!(top.list().lines.len(), danger.len());
            assert!(top.list().sort.is_some());
        }
        press(&mut top, "0");
        assert_eq!(top.list().lines, danger);
    }
    let mut top = showing(snapshot, SIZE);
    // PORTS is the fifth column.
    press(&mut top, "2sjjjj<Enter>");
    assert!(shown_ports(&top).is_sorted_by(|a, b| a >= b));
    press(&mut top, "r");
    assert!(shown_ports(&top).is_sorted());
    press(&mut top, "I");
    assert!(shown_ports(&top).is_sorted_by(|a, b| a >= b));
}

#[test]
fn failing_processes_come_first() {
    let mut top = showing(samples::busy(), SIZE);
    press(&mut top, "2");
    assert_eq!(selected(&top), "Some(100)");
}

#[test]
fn cgroups_are_short() {
    let id = "0123456789abcdef0123456789abcdef";
    for (path, short) in [
        ("/system.slice/nginx.service", "nginx.service"),
        (
            "/user.slice/user-0.slice/session-3.scope",
            "session-3.scope",
        ),
        ("/machine.slice/libpod-{id}.scope/container", "0123456789ab"),
        ("/kubepods/pod1/{id}", "0123456789ab"),
        ("/system.slice/docker-{id}.scope/init.scope", "0123456789ab"),
        ("/init.scope", "init.scope"),
        ("/docker-é.scope", "docker-é.scope"),
        ("/", "/"),
        ("", ""),
    ] {
        let path = path.replace("{id}", id);
        assert_eq!(lists::short_cgroup(&path), short, "{path}");
    }
}

#[test]
fn every_word_of_the_filter_must_occur() {
    let found = |filter: &str| {
        let mut top = showing(samples::busy(), SIZE);
        press(&mut top, &format!("/{filter}"));
        top.list().found
    };
    assert_eq!(found(""), 3);
    assert_eq!(found("NGINX"), 3);
    assert_eq!(found("curl"), 1, "an owner that is not the first");
    assert_eq!(found("kubepods curl"), 1, "its cgroup");
    assert_eq!(found("https"), 1, "the name of a port");
    assert_eq!(found(":443"), 1, "its number all the same");
    assert_eq!(found("blue"), 1, "the namespace");
    assert_eq!(found("blue nginx 5432"), 1);
    assert_eq!(found("blue curl"), 0);
}

#[test]
fn the_filter_is_edited_kept_and_cleared() {
    let mut top = showing(samples::busy(), SIZE);
    press(&mut top, "/nginx curlx<Backspace>");
    assert_eq!(
        (top.filter.text().as_str(), top.list().found),
        ("nginx curl", 1)
    );
    press(&mut top, "<C-w>");
    assert_eq!(top.filter.text(), "nginx ");
    press(&mut top, "<Home>é<Right><Left>本<End>!");
    assert_eq!(top.filter.text(), "é本nginx !");
    press(&mut top, "<C-u>blue<Enter>");
    assert_eq!((top.mode, top.list().found), (Mode::Normal, 1));
    press(&mut top, "q");
    assert!(top.ended());
    let mut top = showing(samples::busy(), SIZE);
    press(&mut top, "/blue<Esc>");
    assert_eq!((top.mode, top.list().found), (Mode::Normal, 3));
    press(&mut top, "/q?5<Enter>");
    assert!(!top.ended(), "letters are letters in the editor");
    press(&mut top, "<Esc>");
    assert_eq!(top.list().found, 3);
    press(&mut top, "/<Backspace>");
    assert_eq!(top.mode, Mode::Normal);
}

#[test]
fn a_pause_keeps_the_picture() {
    let mut top = showing(samples::busy(), SIZE);
    press(&mut top, " ");
    let before = screen(&top);
    assert!(before.contains("PAUSED"));
    send(&mut top, samples::snapshot());
    assert_eq!(screen(&top), before);
    press(&mut top, "p");
    assert_eq!(top.list().found, 1, "what came last");
    assert!(!screen(&top).contains("PAUSED"));
}

fn map_of(key: SpaceKey) -> (SpaceKey, Arc<PortMap>) {
    let map = PortMap {
        range: PortRange { lo: 1, hi: 4 },
        ports: vec![PortUse::Free; 4],
    };
    (key, Arc::new(map))
}

#[test]
fn the_ports_of_a_space_are_shown_in_a_pause_too() {
    let snapshot = samples::busy();
    let key = snapshot.spaces[0].key();
    let mut top = showing(snapshot.clone(), SIZE);
    assert_eq!(press(&mut top, "p<Enter>"), [Request::PortMap(Some(key))]);
    let mut frame = samples::frame(snapshot);
    frame.port_map = Some(map_of(key));
    top.update(Message::Frame(Box::new(frame)));
    assert!(
        top.frame
            .as_ref()
            .is_some_and(|frame| frame.port_map.is_some())
    );
    assert!(top.aside.is_some());
}

#[test]
fn details_lie_on_top_of_each_other() {
    let snapshot = samples::busy();
    let (first, roomy) = (snapshot.spaces[0].key(), snapshot.spaces[1].key());
    let mut top = showing(snapshot, SIZE);
    assert_eq!(press(&mut top, "<Enter>"), [Request::PortMap(Some(first))]);
    // Its owner, nginx; then the second of nginx' destinations.
    let asked = press(&mut top, "<Enter>");
    assert_eq!(asked, [Request::PortMap(None), Request::Process(12)]);
    assert_eq!(top.places.len(), 2);
    let going: Vec<u32> = {
        let Some(Of::Process(key)) = top.place().map(|place| place.of) else {
            panic!("a process")
        };
        top.destinations(key).iter().map(|row| row.space).collect()
    };
    assert_eq!(
        going,
        [0, 1],
        "those of the other namespace are not among them"
    );
    assert_eq!(press(&mut top, "j<Enter>"), [Request::PortMap(Some(roomy))]);
    assert_eq!(press(&mut top, "m"), [], "the same map, but large");
    assert!(matches!(top.place().map(|place| place.of), Some(Of::Map(key)) if key == roomy));
    press(&mut top, "m");
    assert_eq!(top.places.len(), 3);
    assert_eq!(
        press(&mut top, "q"),
        [Request::PortMap(None), Request::Process(12)]
    );
    press(&mut top, "<Esc>");
    assert_eq!(press(&mut top, "<Backspace>"), [Request::PortMap(None)]);
    assert!(top.places.is_empty() && !top.ended());
    assert_eq!(press(&mut top, "q"), [Request::Quit]);
    assert!(top.ended());
}

#[test]
fn the_selection_stays_with_its_row_in_details() {
    let mut snapshot = samples::busy();
    let mut top = showing(snapshot.clone(), SIZE);
    // The third owner of the second space.
    press(&mut top, "j<Enter>jj");
    let pid = snapshot.spaces[1].owners[2].holder.pid;
    snapshot.spaces[1].owners.reverse();
    snapshot.spaces.reverse();
    send(&mut top, snapshot.clone());
    assert_eq!(top.place().map(|place| place.selected), Some(7));
    press(&mut top, "<Enter>");
    assert!(matches!(top.place().map(|place| place.of), Some(Of::Process(key)) if key.pid == pid));
    press(&mut top, "q<PgDn><PgDn><End>");
    assert_eq!(
        top.place().map(|place| place.selected),
        Some(9),
        "the last of ten"
    );
    snapshot.spaces.clear();
    send(&mut top, snapshot);
    assert_eq!(
        top.place().map(|place| place.selected),
        Some(0),
        "all are gone"
    );
}

#[test]
fn q_leaves_a_namespace_before_it_ends_portex() {
    let mut top = showing(samples::busy(), SIZE);
    press(&mut top, "4j<Enter>q");
    assert_eq!((top.view, top.ended()), (View::Namespaces, false));
    press(&mut top, "q");
    assert!(top.ended());
}

#[test]
fn a_failure_leads_to_its_space_else_to_its_process() {
    let mut top = showing(samples::busy(), SIZE);
    press(&mut top, "3<Enter>");
    assert!(
        matches!(top.place().map(|place| place.of), Some(Of::Space(key)) if key.dst_port == 443)
    );
    press(&mut top, "<Esc>G<Enter>");
    assert!(
        matches!(top.place().map(|place| place.of), Some(Of::Process(key)) if key.pid == Some(100))
    );
}

#[test]
fn a_namespace_leads_to_its_spaces_and_back() {
    let mut top = showing(samples::busy(), SIZE);
    press(&mut top, "4j<Enter>");
    assert_eq!((top.view, top.list().found), (View::Spaces, 1));
    assert!(screen(&top).contains("netns=blue"));
    press(&mut top, "2");
    assert_eq!(top.list().found, 0, "the other lists too");
    press(&mut top, "1<Esc>");
    assert_eq!((top.view, top.netns), (View::Namespaces, None));
}

#[test]
fn in_the_tree_rows_lead_to_what_they_show() {
    let mut top = showing(samples::busy(), SIZE);
    press(&mut top, "tj<Enter>");
    assert!(
        matches!(top.place().map(|place| place.of), Some(Of::Process(key)) if key.pid == Some(12))
    );
    press(&mut top, "<Esc>");
    // Ten owners of the second space: five, and what stands for the rest.
    assert_eq!(top.list().lines.len(), 3 + 2 + 6 + 2);
    assert!(screen(&top).contains("5 more"), "{}", screen(&top));
    press(&mut top, "2t<Down><Enter>");
    assert!(
        matches!(top.place().map(|place| place.of), Some(Of::Space(key)) if key.dst_port == 80)
    );
}

#[test]
fn the_selection_stays_with_an_owner_in_the_tree() {
    let mut snapshot = samples::busy();
    let mut top = showing(snapshot.clone(), SIZE);
    press(&mut top, "tjjjjj");
    let key = top.list().cursor.key.clone();
    assert!(
        matches!(&key, Some(RowKey::Owner(_, Some(_) | None))),
        "{key:?}"
    );
    snapshot.spaces.swap(0, 1);
    snapshot.spaces[0].owners.swap(0, 1);
    send(&mut top, snapshot);
    let line = top.list().lines[top.list().cursor.at];
    let data = top.data().expect("a frame");
    assert_eq!(lists::key_of::<lists::Spaces>(&data, line), key);
}

#[test]
fn intervals_step_and_end() {
    let mut top = showing(samples::busy(), SIZE);
    let interval = |millis| Request::Interval(Duration::from_millis(millis));
    assert_eq!(press(&mut top, "+++"), [interval(500), interval(250)]);
    assert_eq!(
        press(&mut top, "------"),
        [500, 1_000, 2_000, 5_000, 10_000].map(interval)
    );
}

#[test]
fn only_a_replay_has_a_speed() {
    let mut top = showing(samples::busy(), SIZE);
    assert_eq!(press(&mut top, "[]"), []);
    let mut frame = samples::frame(samples::busy());
    frame.status.replay = Some(Replay {
        position: Duration::ZERO,
        speed: 1.0,
        ended: false,
    });
    top.update(Message::Frame(Box::new(frame)));
    assert_eq!(
        press(&mut top, "]][[["),
        [2.0, 5.0, 2.0, 1.0, 0.5].map(Request::Speed)
    );
    press(&mut top, "]]]]]]]");
    assert_eq!(press(&mut top, "]"), [Request::Speed(f64::INFINITY)]);
    assert_eq!(press(&mut top, "]["), [Request::Speed(100.0)]);
}

#[test]
fn names_are_asked_for_once_and_only_of_what_is_seen() {
    let mut top = showing(samples::many(5_000, 100), (80, 24));
    assert_eq!(press(&mut top, "j"), []);
    let asked = press(&mut top, "N");
    assert!(!asked.is_empty() && asked.len() <= 24, "{}", asked.len());
    assert_eq!(press(&mut top, "j"), [], "once");
    let address: IpAddr = "10.1.0.0".parse().expect("an address");
    assert!(asked.contains(&Request::HostName(address)));
    let name: Arc<str> = Arc::from("evil\u{1b}[2J.example");
    top.update(Message::HostName(address, Some(name.clone())));
    resize(&mut top, (160, 24));
    let shown = screen(&top);
    assert!(shown.contains(r"evil\u{1b}[2J.example:10"), "{shown}");
    press(&mut top, "N");
    assert!(!screen(&top).contains("evil"));
    let other: IpAddr = "192.0.2.1".parse().expect("an address");
    top.update(Message::HostName(other, Some(name)));
    assert!(
        !top.labels.destination(other, 1).contains("evil"),
        "nobody asked for that"
    );
}

#[test]
fn names_are_not_remembered_without_end() {
    let mut labels = labels::Labels::new(&Services::default(), true);
    let all = (0..10_000).map(|number| IpAddr::from(std::net::Ipv4Addr::from(number)));
    let all: rustc_hash::FxHashSet<_> = all.collect();
    let mut named = 0;
    loop {
        let asked = labels.unknown(&all);
        assert!(asked.len() <= 128, "{}", asked.len());
        if asked.is_empty() {
            break;
        }
        named += asked.len();
        assert!(labels.unknown(&all).is_empty(), "no more at a time");
        for address in asked {
            labels.learn_host(address, None);
        }
    }
    assert_eq!(named, 4_096);
    let other: IpAddr = "192.0.2.1".parse().expect("an address");
    let shown = std::iter::once(other).collect();
    assert_eq!(labels.unknown(&shown), [other], "others make room");
}

#[test]
fn ports_have_names_when_wanted() {
    let mut top = showing(samples::busy(), SIZE);
    assert!(screen(&top).contains("10.0.0.2:https"));
    press(&mut top, "n");
    assert!(screen(&top).contains("10.0.0.2:443"));
}

#[test]
fn a_process_is_looked_up_again_after_a_while() {
    let mut snapshot = samples::busy();
    let mut top = showing(snapshot.clone(), SIZE);
    assert_eq!(press(&mut top, "2<Enter>"), [Request::Process(100)]);
    let details = ProcessDetails {
        pid: 100,
        alive: true,
        ..ProcessDetails::default()
    };
    assert_eq!(top.update(Message::Process(Box::new(details))), []);
    snapshot.time += Duration::from_secs(4);
    assert_eq!(send(&mut top, snapshot.clone()), []);
    snapshot.time += Duration::from_secs(1);
    assert_eq!(send(&mut top, snapshot), [Request::Process(100)]);
}

#[test]
fn some_keys_work_everywhere() {
    for keys in ["", "/abc", "s", "?", "<Enter>", "<Enter>m", "2<Enter>"] {
        let mut top = showing(samples::busy(), SIZE);
        press(&mut top, keys);
        press(&mut top, "<C-z><C-l>");
        assert!(top.wants_suspend() && !top.wants_suspend(), "{keys}");
        assert!(top.wants_redraw() && !top.wants_redraw(), "{keys}");
        assert_eq!(press(&mut top, "<C-c>"), [Request::Quit], "{keys}");
        assert!(top.ended(), "{keys}");
    }
}

#[test]
fn help_and_menu_are_left_by_q() {
    let mut top = showing(samples::busy(), SIZE);
    for keys in ["?q", "hh", "sq", "s<Esc>", "?<Esc>", "<Enter>q"] {
        press(&mut top, keys);
        assert_eq!((top.mode, top.ended()), (Mode::Normal, false), "{keys}");
    }
    top.update(Message::Stop);
    assert!(top.ended());
}

#[test]
fn released_keys_are_nothing() {
    let mut top = showing(samples::busy(), SIZE);
    let mut event = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
    event.kind = crossterm::event::KeyEventKind::Release;
    top.update(Message::Input(Event::Key(event)));
    assert!(!top.ended());
    let event = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::ALT);
    top.update(Message::Input(Event::Key(event)));
    assert!(!top.ended());
}
