//! What holds for any size and any data.

use proptest::prelude::*;
use ratatui::{
    buffer::{Buffer, Cell},
    layout::Rect,
};

use super::{process, scenes::*, space};
use crate::{
    attribution::snapshot::{PortMap, PortUse, Space},
    ports::PortRange,
    views::{
        snapshot::samples,
        top::{Theme, details},
    },
};

/// What lies around the area that is drawn on, and must stay.
const AROUND: u16 = 3;

/// Draws on an area in the middle of a buffer, and looks whether it kept to it.
fn keeps_to_its_place(size: (u16, u16), theme: Theme, draw: impl Fn(Rect, &mut Buffer)) {
    let (width, height) = size;
    let area = Rect::new(AROUND, AROUND, width, height);
    let all = Rect::new(0, 0, width + 2 * AROUND, height + 2 * AROUND);
    let mut buf = Buffer::filled(all, Cell::new("?"));
    draw(area, &mut buf);
    for position in all.positions() {
        let cell = &buf[position];
        let symbol = cell.symbol();
        if !area.contains(position) {
            assert_eq!(cell, &Cell::new("?"), "outside, at {position:?}");
        }
        assert!(!symbol.chars().any(crate::escape::is_unsafe), "{symbol:?}");
        assert!(theme.unicode || symbol.is_ascii(), "{symbol:?}");
        assert!(symbol.chars().count() <= 1, "{symbol:?}");
    }
}

fn theme() -> impl Strategy<Value = Theme> {
    any::<(bool, bool)>().prop_map(|(color, unicode)| Theme { color, unicode })
}

fn port_use() -> impl Strategy<Value = PortUse> {
    prop_oneof![
        Just(PortUse::Free),
        Just(PortUse::InUse),
        Just(PortUse::TimeWait),
        Just(PortUse::Recyclable),
        Just(PortUse::Blocked),
        Just(PortUse::Reserved),
    ]
}

fn port_map() -> impl Strategy<Value = Option<PortMap>> {
    let ports = proptest::collection::vec(port_use(), 0..6_000);
    let map = (ports, any::<(u16, u16)>()).prop_map(|(ports, (lo, hi))| PortMap {
        range: PortRange { lo, hi },
        ports,
    });
    proptest::option::of(map)
}

fn any_space() -> impl Strategy<Value = Space> {
    let numbers = any::<[u32; 6]>();
    let float = prop_oneof![
        Just(0.0),
        Just(1.0),
        Just(f64::NAN),
        Just(f64::INFINITY),
        any::<f64>()
    ];
    let floats = [float.clone(), float.clone(), float];
    (numbers, floats, any::<(u64, bool, bool)>()).prop_map(|(numbers, floats, other)| {
        let [capacity, used, time_wait, recyclable, blocked, free] = numbers;
        let [fill, need, connects] = floats;
        let (nanos, exact, known) = other;
        let mut space = Space {
            capacity,
            used,
            time_wait,
            recyclable,
            blocked,
            free,
            exact,
            fill,
            need: known.then_some(need),
            hold: Some(times(nanos, nanos / 3, u64::MAX)),
            failures: known.then_some(nanos),
            ..samples::space()
        };
        if let Some(rates) = &mut space.rates {
            rates.connects = connects;
            rates.failures = need;
        }
        space
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn a_space_is_drawn_in_its_place(
        size in (0_u16..150, 0_u16..60),
        theme in theme(),
        map in port_map(),
        space in any_space(),
        frames in 0_u32..400,
        owners in 0_usize..40,
        place in any::<(usize, u16)>(),
        hostile in any::<bool>(),
        gone in any::<bool>(),
    ) {
        let mut scene = if hostile { space::hostile() } else { full() };
        scene.theme = theme;
        scene.map = map;
        let known = scene.space.take().map_or_else(Vec::new, |known| known.owners);
        scene.space = Some(Space {
            owners: known.iter().cycle().take(owners).cloned().collect(),
            ..space
        });
        if frames < 350 {
            scene = scene.filling(frames, frames / 2);
        }
        if gone {
            scene.space = None;
        }
        (scene.selected, scene.scroll) = place;
        let view = scene.view();
        keeps_to_its_place(size, theme, |area, buf| details::space::draw(&view, area, buf));
        keeps_to_its_place(size, theme, |area, buf| details::port_map::draw_full(&view, area, buf));
    }

    #[test]
    fn a_process_is_drawn_in_its_place(
        size in (0_u16..150, 0_u16..60),
        theme in theme(),
        place in any::<(usize, u16)>(),
        known in any::<[bool; 3]>(),
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
        text in ".{0,80}|[\u{600}-\u{605}🇦-🇿\u{1100}-\u{11ff}]{0,80}",
        threads in any::<u64>(),
    ) {
        let [hostile, there, looked_up] = known;
        let mut scene = if hostile { process::hostile() } else { process::typical() };
        scene.theme = theme;
        (scene.selected, scene.scroll) = place;
        if !there {
            scene.process = None;
        }
        if let Some(process) = &mut scene.process {
            process.holder.comm.clone_from(&bytes);
        }
        scene.details = scene.details.filter(|_| looked_up).map(|details| crate::details::ProcessDetails {
            cmdline: bytes.chunks(20).map(<[u8]>::to_vec).collect(),
            exe: Some(bytes),
            container: Some(text.clone()),
            cgroup: Some(text.as_str().into()),
            user: Some((0, Some(text))),
            threads: Some(threads),
            ..details
        });
        let view = scene.view();
        keeps_to_its_place(size, theme, |area, buf| details::process::draw(&view, area, buf));
    }
}

#[test]
fn an_area_beyond_the_buffer_is_left_out() {
    let scene = full();
    let mut buf = Buffer::empty(Rect::new(0, 0, 40, 10));
    for area in [Rect::new(30, 5, 80, 24), Rect::new(90, 90, 80, 24)] {
        details::space::draw(&scene.view(), area, &mut buf);
        details::port_map::draw_full(&scene.view(), area, &mut buf);
        details::process::draw(&process::typical().view(), area, &mut buf);
    }
}
