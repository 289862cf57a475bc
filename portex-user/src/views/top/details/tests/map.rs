use ratatui::style::{Color, Modifier};

use super::scenes::*;
use crate::{
    attribution::snapshot::{PortMap, PortUse},
    ports::PortRange,
    views::top::{Theme, details::port_map::draw_full},
};

fn with(map: PortMap, theme: Theme) -> Scene {
    let mut scene = typical().themed(theme);
    scene.map = Some(map);
    scene
}

fn shown(scene: &Scene) -> String {
    screens(|area, buf| draw_full(&scene.view(), area, buf))
}

/// A range of which a part at the top is gone, some is reserved, and some is blocked in one piece.
fn uneven(range: PortRange) -> PortMap {
    let size = range.size();
    let mut map = strewn(
        range,
        &[(PortUse::TimeWait, size / 3), (PortUse::InUse, size / 9)],
    );
    for (at, port) in (0..).zip(&mut map.ports) {
        let at = f64::from(at) / f64::from(size);
        match at {
            0.1..0.15 => *port = PortUse::Reserved,
            0.3..0.32 => *port = PortUse::Blocked,
            0.4..0.5 => *port = PortUse::Recyclable,
            0.8.. => *port = PortUse::TimeWait,
            _ => {}
        }
    }
    map
}

const WHOLE: (u16, u16) = (32_768, 60_999);

#[test]
fn packed() {
    insta::assert_snapshot!(shown(&with(
        uneven(range(WHOLE.0, WHOLE.1)),
        Theme::default()
    )));
}

#[test]
fn packed_without_colour() {
    insta::assert_snapshot!(shown(&with(uneven(range(WHOLE.0, WHOLE.1)), PLAIN)));
}

#[test]
fn packed_ascii() {
    insta::assert_snapshot!(shown(&with(uneven(range(WHOLE.0, WHOLE.1)), ASCII)));
}

#[test]
fn unpacked() {
    insta::assert_snapshot!(shown(&with(
        uneven(range(40_000, 40_399)),
        Theme::default()
    )));
}

#[test]
fn unpacked_without_colour() {
    insta::assert_snapshot!(shown(&with(uneven(range(40_000, 40_399)), PLAIN)));
}

#[test]
fn halves() {
    insta::assert_snapshot!(shown(&with(
        uneven(range(40_000, 42_000)),
        Theme::default()
    )));
}

#[test]
fn odd_ranges() {
    let mut empty = uneven(range(1, 9));
    empty.range = PortRange { lo: 9, hi: 1 };
    empty.ports.clear();
    let maps = [
        uneven(range(1, 65_535)),
        uneven(range(65_535, 65_535)),
        uneven(range(32_769, 33_000)),
        empty,
    ];
    let texts = maps.map(|map| {
        let scene = with(map, ASCII);
        let draw = |area, buf: &mut _| draw_full(&scene.view(), area, buf);
        format!("{}\n{}", "=".repeat(80), drawn(80, 9, &draw).0)
    });
    insta::assert_snapshot!(texts.concat());
}

#[test]
fn no_map_yet() {
    let mut scene = typical();
    scene.map = None;
    let (text, _) = drawn(80, 18, &|area, buf| draw_full(&scene.view(), area, buf));
    assert!(text.contains("PORT MAP  not here yet"), "{text}");
    scene.space = None;
    let (text, _) = drawn(80, 18, &|area, buf| draw_full(&scene.view(), area, buf));
    assert!(text.contains("PORT MAP  the space is gone"), "{text}");
}

/// The cells of the map's first row of a range from 1000 on, each with its colour; 94 fit in a row.
fn first_row(ports: &[PortUse], theme: Theme) -> Vec<(String, Color, Color, Modifier)> {
    let hi = 999 + u16::try_from(ports.len()).expect("ports");
    let map = PortMap {
        range: range(1_000, hi),
        ports: ports.to_vec(),
    };
    let scene = with(map, theme);
    // A row for the title, two for the legend, one for the map.
    let (_, buf) = drawn(100, 4 + 1, &|area, buf| draw_full(&scene.view(), area, buf));
    let cells = (6..100).map(|x| &buf[(x, 3)]);
    cells
        .map(|cell| (cell.symbol().to_owned(), cell.fg, cell.bg, cell.modifier))
        .collect()
}

const ALL: [PortUse; 6] = [
    PortUse::Free,
    PortUse::InUse,
    PortUse::TimeWait,
    PortUse::Recyclable,
    PortUse::Blocked,
    PortUse::Reserved,
];

#[test]
fn every_use_has_a_look_of_its_own() {
    let colors = [
        Color::Reset,
        Color::Blue,
        Color::Yellow,
        Color::Cyan,
        Color::Red,
        Color::Magenta,
    ];
    for theme in [Theme::default(), COLORED_ASCII] {
        let cells = first_row(&ALL, theme);
        let seen: Vec<Color> = cells.iter().take(6).map(|cell| cell.1).collect();
        assert_eq!(seen, colors);
    }
    for theme in [PLAIN, ASCII, COLORED_ASCII] {
        let cells = first_row(&ALL, theme);
        let seen: String = cells.iter().take(6).map(|cell| cell.0.as_str()).collect();
        assert_eq!(seen, ".UWrX-");
    }
    for theme in [PLAIN, ASCII] {
        let cells = first_row(&ALL, theme);
        assert!(
            cells
                .iter()
                .all(|cell| (cell.1, cell.2) == (Color::Reset, Color::Reset))
        );
    }
}

/// The look of a cell of ten ports of these uses.
fn tenfold(uses: &[(PortUse, usize)], theme: Theme) -> (String, Color) {
    let cell: Vec<PortUse> = uses
        .iter()
        .flat_map(|&(of, count)| vec![of; count])
        .collect();
    assert_eq!(cell.len(), 10);
    // Two rows of 94 cells of ten ports each.
    let ports = cell.repeat(188);
    let cells = first_row(&ports, theme);
    (cells[93].0.clone(), cells[93].1)
}

#[test]
fn a_cell_of_many_ports_is_the_denser_the_fewer_are_free() {
    use PortUse::{Blocked, Free, InUse, Recyclable, Reserved, TimeWait};
    let looks = [
        (vec![(Free, 10)], "·", ".", Color::Reset),
        (vec![(Free, 9), (InUse, 1)], "░", ":", Color::Blue),
        (vec![(Free, 6), (InUse, 4)], "░", ":", Color::Blue),
        (
            vec![(Free, 5), (InUse, 2), (TimeWait, 3)],
            "▒",
            ":",
            Color::Yellow,
        ),
        (vec![(Free, 2), (Blocked, 8)], "▒", ":", Color::Red),
        (
            vec![(Free, 1), (InUse, 4), (TimeWait, 5)],
            "▓",
            "+",
            Color::Yellow,
        ),
        (vec![(InUse, 9), (TimeWait, 1)], "█", "#", Color::Blue),
        (vec![(Recyclable, 10)], "▓", "+", Color::Cyan),
        (
            vec![(Recyclable, 1), (TimeWait, 9)],
            "▓",
            "+",
            Color::Yellow,
        ),
        (vec![(Blocked, 6), (Reserved, 4)], "█", "#", Color::Red),
        (vec![(Reserved, 10)], "█", "#", Color::Magenta),
    ];
    for (uses, unicode, ascii, color) in looks {
        assert_eq!(
            tenfold(&uses, Theme::default()),
            (unicode.to_owned(), color)
        );
        assert_eq!(tenfold(&uses, COLORED_ASCII), (ascii.to_owned(), color));
        // What is kept from everybody is not taken for exhaustion.
        let plain = match uses.as_slice() {
            [(Reserved, _)] => "-",
            _ => unicode,
        };
        assert_eq!(tenfold(&uses, PLAIN), (plain.to_owned(), Color::Reset));
    }
}

#[test]
fn one_port_too_few_is_seen_in_any_cell() {
    use PortUse::{Free, InUse};
    for theme in [Theme::default(), PLAIN, ASCII, COLORED_ASCII] {
        let gone = tenfold(&[(InUse, 10)], theme);
        let nearly = tenfold(&[(InUse, 9), (Free, 1)], theme);
        assert_ne!(gone.0, nearly.0);
    }
}

#[test]
fn two_rows_of_ports_share_a_row_of_the_screen_only_where_each_port_gets_a_cell_by_it() {
    use PortUse::{Blocked, Free, InUse};
    // 2 rows of 94 cells on the screen: 376 ports fit in halves.
    let mut ports = vec![Free; 376];
    ports[0] = InUse;
    ports[95] = InUse;
    (ports[2], ports[96]) = (InUse, Blocked);
    (ports[3], ports[97]) = (InUse, InUse);
    let cells = first_row(&ports, Theme::default());
    let look = |at: usize| (cells[at].0.as_str(), cells[at].1, cells[at].2);
    assert_eq!(look(0), ("▀", Color::Blue, Color::Reset));
    assert_eq!(look(1), ("▄", Color::Blue, Color::Reset));
    assert_eq!(look(2), ("▀", Color::Blue, Color::Red));
    assert_eq!(look(3), ("█", Color::Blue, Color::Reset));
    assert_eq!(look(4).0, "·");
    // One more, and cells of several ports tell more than their colour.
    ports.push(Free);
    let cells = first_row(&ports, Theme::default());
    assert!(cells.iter().all(|cell| !"▀▄".contains(cell.0.as_str())));
}
