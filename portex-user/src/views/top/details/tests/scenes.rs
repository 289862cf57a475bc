//! What the tests look at, and how they look at it.

use std::{net::IpAddr, sync::Arc, time::Duration};

use ratatui::{buffer::Buffer, layout::Rect};

use crate::{
    attribution::snapshot::{
        FailedCall, Failure, Holder, Owner, Percentiles, PortMap, PortUse, Rates, Snapshot, Space,
        SpaceKey,
    },
    event::{Cause, Proto},
    ports::PortRange,
    views::{
        snapshot::samples,
        top::{Theme, details::space::SpaceView, history::History, labels::Labels},
    },
};

pub(super) const PLAIN: Theme = Theme {
    color: false,
    unicode: true,
};
pub(super) const ASCII: Theme = Theme {
    color: false,
    unicode: false,
};
pub(super) const COLORED_ASCII: Theme = Theme {
    color: true,
    unicode: false,
};

/// The bodies of a terminal of 80×24 and of one of 120×40.
const SIZES: [(u16, u16); 2] = [(80, 18), (120, 33)];

/// A space and all that its screen may need.
pub(super) struct Scene {
    pub(super) key: SpaceKey,
    pub(super) space: Option<Space>,
    pub(super) snapshot: Snapshot,
    pub(super) map: Option<PortMap>,
    pub(super) history: History,
    pub(super) labels: Labels,
    pub(super) selected: usize,
    pub(super) scroll: u16,
    pub(super) theme: Theme,
}

impl Scene {
    /// Of a space that is in the usual snapshot; no track and no map.
    pub(super) fn of(space: Space) -> Self {
        let snapshot = Snapshot {
            spaces: vec![space.clone()],
            ..samples::snapshot()
        };
        let mut labels = Labels::default();
        labels.learn(&snapshot);
        Self {
            key: space.key(),
            space: Some(space),
            snapshot,
            map: None,
            history: History::default(),
            labels,
            selected: 0,
            scroll: 0,
            theme: Theme::default(),
        }
    }

    pub(super) fn view(&self) -> SpaceView<'_> {
        SpaceView {
            key: &self.key,
            space: self.space.as_ref(),
            snapshot: &self.snapshot,
            map: self.map.as_ref(),
            track: self.history.of(&self.key),
            selected: self.selected,
            scroll: self.scroll,
            labels: &self.labels,
            theme: self.theme,
        }
    }

    /// Five minutes in which it filled up to what it is now, with some ups and downs.
    pub(super) fn filling(mut self, seconds: u32, failing: u32) -> Self {
        let Some(space) = self.space.clone() else {
            return self;
        };
        let part = |all: u32, of: u32, parts: u32| {
            let part = u64::from(all) * u64::from(of) / u64::from(parts.max(1));
            u32::try_from(part).unwrap_or(all)
        };
        for second in 0..=seconds {
            let share = f64::from(second + 40) / f64::from(seconds + 40);
            let wave = f64::from(second % 37) / 37.0;
            let fails = second + failing > seconds;
            let rates = space.rates.map(|rates| Rates {
                connects: (if fails { rates.connects } else { 460.0 }) * (0.6 + 0.4 * wave) * share,
                failures: if fails { rates.failures * wave } else { 0.0 },
                ..rates
            });
            let then = Space {
                fill: if fails {
                    space.fill
                } else {
                    space.fill * share.min(0.999)
                },
                rates: if second == seconds {
                    space.rates
                } else {
                    rates
                },
                ..space.clone()
            };
            let then = Space {
                used: part(space.used, second + 40, seconds + 40),
                time_wait: part(space.time_wait, second, seconds),
                ..then
            };
            let snapshot = Snapshot {
                time: self.snapshot.time + Duration::from_secs(second.into()),
                spaces: vec![then],
                ..Snapshot::default()
            };
            self.history.note(&snapshot, None);
        }
        self.snapshot.time += Duration::from_secs(seconds.into());
        self
    }

    pub(super) fn themed(mut self, theme: Theme) -> Self {
        self.theme = theme;
        self
    }
}

/// The text of what is drawn on an area of this size, between rulers.
pub(super) fn drawn(width: u16, height: u16, draw: &dyn Fn(Rect, &mut Buffer)) -> (String, Buffer) {
    let area = Rect::new(0, 0, width, height);
    let mut buf = Buffer::empty(area);
    draw(area, &mut buf);
    let mut text = String::new();
    for y in 0..height {
        let mut line = String::new();
        let mut x = 0;
        while x < width {
            let symbol = buf[(x, y)].symbol();
            line.push_str(symbol);
            x += u16::try_from(super::super::text::width(symbol).max(1)).expect("narrow");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    (text, buf)
}

/// At both sizes.
pub(super) fn screens(draw: impl Fn(Rect, &mut Buffer)) -> String {
    SIZES
        .map(|(width, height)| {
            let ruler = "=".repeat(width.into());
            format!("{ruler}\n{}{ruler}\n", drawn(width, height, &draw).0)
        })
        .concat()
}

pub(super) fn range(lo: u16, hi: u16) -> PortRange {
    PortRange::new(lo, hi).expect("the right way round")
}

/// A map of a range in which uses are strewn about, as many as asked for of each.
pub(super) fn strewn(range: PortRange, counts: &[(PortUse, u32)]) -> PortMap {
    let mut ports: Vec<PortUse> = Vec::new();
    for &(of, count) in counts {
        ports.extend((0..count).map(|_| of));
    }
    let size = usize::try_from(range.size()).expect("small");
    ports.resize(size, PortUse::Free);
    // Fisher-Yates, with the numbers of xorshift.
    let mut seed = 0x2545_f491_4f6c_dd1d_usize;
    for at in (1..size).rev() {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        ports.swap(at, seed % (at + 1));
    }
    PortMap { range, ports }
}

pub(super) fn times(p50: u64, p99: u64, max: u64) -> Percentiles {
    Percentiles {
        p50: Duration::from_micros(p50),
        p99: Duration::from_micros(p99),
        max: Duration::from_micros(max),
    }
}

pub(super) fn holder(pid: u32, comm: &[u8], cgroup: &str) -> Holder {
    Holder {
        pid: Some(pid),
        comm: comm.to_vec(),
        cgroup: Some(Arc::from(cgroup)),
    }
}

pub(super) fn owner(holder: Holder, ports: u32, time_wait: u32) -> Owner {
    Owner {
        holder,
        ports,
        time_wait,
    }
}

/// A failure of the usual space, so many seconds before the end of a scene of five minutes.
pub(super) fn failure(ago: u64, cause: Cause, holder: Holder) -> Failure {
    let space = samples::space();
    Failure {
        time: Duration::from_secs(400 - ago),
        netns: space.netns,
        proto: Proto::Tcp,
        call: FailedCall::Connect,
        tid: holder.pid.unwrap_or_default() + u32::try_from(ago % 2).unwrap_or_default(),
        holder,
        src: space.src,
        src_port: None,
        dst: space.dst,
        dst_port: space.dst_port,
        dev: 0,
        errno: 99,
        cause,
        search: (ago != 3).then_some(Duration::from_micros(1_234 + ago)),
    }
}

/// The usual space: nearly full, watched for five minutes.
pub(super) fn typical() -> Scene {
    let space = samples::space();
    let curl = holder(
        4_711,
        b"curl",
        "/user.slice/user-1000.slice/session-3.scope",
    );
    let space = Space {
        used: 27_900,
        time_wait: 26_000,
        recyclable: 0,
        hold: Some(times(60_250_000, 60_900_000, 3_723_000_000)),
        search: Some(times(4, 1_270, 8_400)),
        owners: vec![
            owner(samples::nginx(), 24_100, 23_900),
            owner(curl, 3_700, 2_000),
            owner(samples::nobody(), 100, 100),
        ],
        ..space
    };
    let mut scene = Scene::of(space.clone()).filling(300, 0);
    scene.map = Some(strewn(
        space.range,
        &[
            (PortUse::TimeWait, space.time_wait),
            (PortUse::InUse, space.used - space.time_wait),
            (PortUse::Blocked, space.blocked),
        ],
    ));
    scene
}

/// The same when nothing is left, and connects fail.
pub(super) fn full() -> Scene {
    let space = Space {
        owners: vec![
            owner(samples::nginx(), 28_112, 26_900),
            owner(samples::nobody(), 100, 100),
        ],
        need: Some(31_204.0),
        hold: Some(times(60_250_000, 60_900_000, 61_000_000)),
        search: Some(times(640_000, 1_270_000, 8_400_000)),
        ..samples::exhausted()
    };
    let mut scene = Scene::of(space.clone()).filling(300, 42);
    scene.map = Some(strewn(
        space.range,
        &[
            (PortUse::TimeWait, 27_000),
            (PortUse::InUse, 1_212),
            (PortUse::Blocked, 20),
        ],
    ));
    scene.snapshot.failures = (0..7)
        .map(|ago| failure(ago, Cause::RangeExhausted, samples::nginx()))
        .collect();
    scene
}

/// An address.
pub(super) fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}
