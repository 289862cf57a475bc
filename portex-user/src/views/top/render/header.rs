//! What stands above the lists: where the figures come from, what is missing in them, and the most
//! endangered space.

use std::time::Duration;

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::paint;
use crate::{
    attribution::snapshot::Space,
    cost::OwnCost,
    escape,
    fields::CostField,
    views::{
        snapshot::{
            names,
            numbers::{brief, count, grouped, rate},
        },
        top::{
            frame::{Frame, Replay, Status},
            state::Top,
        },
    },
};

/// Columns of the gauge.
const GAUGE: u16 = 20;
/// What of the route is worth more than more words.
const ROUTE: usize = 48;

/// What the parts of [`own`] are called, for the help.
pub(super) const OWN_COST: [(&str, CostField); 3] = [
    ("own CPU", CostField::Cpu),
    ("BPF", CostField::KernelCpu),
    ("RSS", CostField::Rss),
];

/// A line of the header: the higher, the later it is left out.
struct Line {
    weight: u8,
    spans: Vec<(String, Style)>,
}

/// Lines that it wants.
pub(in crate::views::top) fn height(top: &Top) -> u16 {
    match &top.frame {
        Some(frame) => {
            let advice = u16::from(frame.status.advice.is_some());
            let worst = u16::from(!frame.snapshot.spaces.is_empty());
            2 + worst + advice
        }
        None => 1,
    }
}

pub(super) fn draw(top: &Top, area: Rect, buf: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let mut lines = lines(top);
    while lines.len() > usize::from(area.height) {
        let least = lines.iter().map(|line| line.weight).min();
        lines.retain(|line| Some(line.weight) != least);
    }
    for (y, line) in (area.y..area.bottom()).zip(&lines) {
        let place = Rect {
            y,
            height: 1,
            ..area
        };
        paint::spans(buf, place, &line.spans, top.theme);
    }
}

fn lines(top: &Top) -> Vec<Line> {
    let theme = top.theme;
    let title = ("portex".to_owned(), theme.title());
    let Some(frame) = &top.frame else {
        let waiting = ("  waiting for the first frame".to_owned(), theme.dim());
        return vec![Line {
            weight: 0,
            spans: vec![title, waiting],
        }];
    };
    let mut lines = vec![
        Line {
            weight: 1,
            spans: origin(top, &frame.status, title),
        },
        Line {
            weight: 3,
            spans: state(top, frame),
        },
    ];
    if let Some(space) = frame.snapshot.spaces.first() {
        let several = frame.snapshot.namespaces.len() > 1;
        lines.push(Line {
            weight: 4,
            spans: worst(top, space, several),
        });
    }
    if let Some(advice) = &frame.status.advice {
        let text = escape::text(advice.as_bytes());
        lines.push(Line {
            weight: 2,
            spans: vec![(text, theme.title())],
        });
    }
    lines
}

/// Where the figures come from.
fn origin(top: &Top, status: &Status, title: (String, Style)) -> Vec<(String, Style)> {
    let theme = top.theme;
    let time = status.time.to_zoned(top.zone.clone());
    let attach = match &status.attach {
        Some(way) => names::safe(way.as_bytes()),
        None => "not traced".to_owned(),
    };
    let parts = [
        (
            format!(" on {}", names::safe(status.host.as_bytes())),
            Style::new(),
        ),
        (
            format!("  kernel {}", names::safe(status.kernel.as_bytes())),
            Style::new(),
        ),
        (format!("  {attach}"), Style::new()),
        (format!("  up {}", brief(status.uptime)), Style::new()),
        (format!("  {}", time.strftime("%H:%M:%S")), theme.title()),
    ];
    std::iter::once(title).chain(parts).collect()
}

/// How it goes: what is missing first.
fn state(top: &Top, frame: &Frame) -> Vec<(String, Style)> {
    let theme = top.theme;
    let (status, snapshot) = (&frame.status, &frame.snapshot);
    let mut parts: Vec<(String, Style)> = Vec::new();
    if top.paused {
        parts.push(("PAUSED".to_owned(), theme.alarm()));
    } else {
        parts.push((format!("every {}", pace(top.interval)), Style::new()));
    }
    let lost = match snapshot.lost {
        0 => Style::new(),
        _ => theme.alarm(),
    };
    parts.push((format!("lost {}", count(snapshot.lost)), lost));
    if snapshot.dropped > 0 {
        parts.push((
            format!("dropped {}", count(snapshot.dropped)),
            theme.alarm(),
        ));
    }
    if snapshot.hidden_namespaces > 0 {
        let hidden = format!("{} netns hidden", snapshot.hidden_namespaces);
        parts.push((hidden, theme.warning()));
    }
    if !status.notes.is_empty() {
        let many = status.notes.len();
        let notes = format!("{many} note{} (?)", if many == 1 { "" } else { "s" });
        parts.push((notes, theme.warning()));
    }
    if let Some(replay) = status.replay {
        parts.push((replay_text(replay), theme.title()));
    }
    if let Some(bytes) = status.recorded {
        parts.push((format!("REC {}B", count(bytes)), theme.warning()));
    }
    parts.push((
        format!("{} events/s", rate(status.events_per_s)),
        Style::new(),
    ));
    if let Some(cost) = &status.own_cost {
        parts.extend(own(cost).map(|text| (text, Style::new())));
    }
    // What has no room is not shown by halves.
    let mut room = usize::from(top.size.0);
    parts.retain(|(text, _)| {
        let taken = names::width(text);
        let fits = taken <= room;
        if fits {
            room = room.saturating_sub(taken + 2);
        }
        fits
    });
    let end = parts.len().saturating_sub(1);
    for (at, (text, _)) in parts.iter_mut().enumerate() {
        if at < end {
            text.push_str("  ");
        }
    }
    parts
}

/// What portex itself costs: the process, its programs in the kernel, memory of the process.
fn own(cost: &OwnCost) -> impl Iterator<Item = String> {
    let percent = |share: f64| format!("{:.1}%", share * 100.0);
    let parts = [
        cost.cpu.map(|share| format!("own CPU {}", percent(share))),
        cost.kernel.map(|of| format!("BPF {}", percent(of.cpu))),
        cost.rss_bytes.map(|bytes| format!("RSS {}B", count(bytes))),
    ];
    parts.into_iter().flatten()
}

/// An interval: `250ms`, `2s`.
fn pace(interval: Duration) -> String {
    match interval.subsec_millis() {
        0 => format!("{}s", interval.as_secs()),
        _ => format!("{}ms", interval.as_millis()),
    }
}

fn replay_text(replay: Replay) -> String {
    let speed = if replay.speed.is_finite() {
        format!("x{}", replay.speed)
    } else {
        "at once".to_owned()
    };
    let seconds = replay.position.as_secs();
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let (minutes, seconds) = (minutes % 60, seconds % 60);
    let position = match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    };
    let end = if replay.ended { " END" } else { "" };
    format!("REPLAY {position} {speed}{end}")
}

/// The most endangered space in words, with a gauge. Where room is scarce, the route is cut.
fn worst(top: &Top, space: &Space, several: bool) -> Vec<(String, Style)> {
    let theme = top.theme;
    let style = theme.fill(space.fill);
    let gone = space.capacity.saturating_sub(space.free);
    let most = if space.exact { "" } else { "<=" };
    let route = format!(
        "{} -> {}",
        top.labels.source(space),
        top.labels.destination(space.dst, space.dst_port)
    );
    let route = if several {
        format!("{}: {route}", top.labels.netns(space.netns))
    } else {
        route
    };
    let gauge = GAUGE.min(top.size.0 / 8);
    let (gone, capacity) = (grouped(gone.into()), grouped(space.capacity.into()));
    let figures = format!("  {most}{gone}/{capacity}");
    let room = usize::from(top.size.0).saturating_sub(usize::from(gauge) + 1 + figures.len());
    let least = names::width(&route).min(ROUTE);
    let fates = fates(space);
    let fits = |fate: &&String| least + names::width(fate) + 2 <= room;
    let fate = fates.iter().find(fits).or(fates.last());
    let fate = fate.map_or(String::new(), |fate| format!("  {fate}"));
    let route = names::fit(&route, room.saturating_sub(names::width(&fate)));
    vec![
        (format!("{} ", paint::bar(gauge, space.fill, theme)), style),
        (route, Style::new()),
        (figures, style),
        (fate, style),
    ]
}

/// What becomes of a space, the longer words first.
fn fates(space: &Space) -> Vec<String> {
    let words: &[&str] = match (space.free, space.exhausts_in, space.rates) {
        (0, ..) if space.exact => &["exhausted: the next connect() fails", "exhausted"],
        (0, ..) => &["may be exhausted"],
        (_, Some(time), _) => return vec![format!("exhausts in {}", brief(time))],
        (_, None, Some(_)) => &["does not run out at this rate", "lasts"],
        (_, None, None) => &[],
    };
    words.iter().map(|words| (*words).to_owned()).collect()
}
