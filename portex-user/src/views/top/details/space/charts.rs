//! How a space was: sparklines of its rates and its fill, and how long ports were held and searched
//! for.

use ratatui::style::Style;

use super::SpaceView;
use crate::views::{
    snapshot::numbers::{brief, rate},
    top::{
        Theme,
        details::{
            canvas::Canvas,
            chart::{self, Columns},
            layout::Part,
            words::{self, percent},
        },
        history::Sample,
    },
};

/// Rows that this takes: a heading, three lines, and one more where there is room.
pub(super) fn part(height: u16) -> Part {
    const TALL: u16 = 24;
    let enough = if height < TALL { 4 } else { 5 };
    Part {
        least: 4,
        enough,
        most: enough,
    }
}

/// Columns of the names of lines, and of what stands behind a sparkline.
const NAME: u16 = 10;
const BEHIND: u16 = 15;
/// Columns of the table at the right, and those without which it is left out.
const TIMES: u16 = 33;
const WIDE: u16 = 72;

/// Draws them.
pub(super) fn draw(view: &SpaceView<'_>, canvas: &mut Canvas<'_>) {
    let width = canvas.width();
    if width < WIDE {
        sparklines(view, canvas, width);
        return;
    }
    sparklines(view, canvas, width - TIMES - 3);
    times(view, canvas, width - TIMES);
}

/// A sparkline.
struct Chart {
    name: &'static str,
    value: fn(&Sample) -> f32,
    /// Whether it is a share, which is shown in per cent of one; otherwise it is a rate, shown in
    /// proportion to the highest.
    share: bool,
    /// Whether its numbers have a colour too.
    alarming: bool,
    /// The style of a column.
    style: fn(Theme, f64) -> Style,
}

const CHARTS: [Chart; 4] = [
    Chart {
        name: "new/s",
        value: |sample| sample.connects,
        share: false,
        alarming: false,
        style: |theme, _| theme.calm(),
    },
    Chart {
        name: "fail/s",
        value: |sample| sample.failures,
        share: false,
        alarming: true,
        style: |theme, rate| {
            if rate > 0.0 {
                theme.alarm()
            } else {
                Style::new()
            }
        },
    },
    Chart {
        name: "fill",
        value: |sample| sample.fill,
        share: true,
        alarming: true,
        style: Theme::fill,
    },
    Chart {
        name: "TIME_WAIT",
        value: Sample::waiting,
        share: true,
        alarming: false,
        style: |theme, _| theme.time_wait(),
    },
];

fn sparklines(view: &SpaceView<'_>, canvas: &mut Canvas<'_>, width: u16) {
    let theme = view.theme;
    let room = width.saturating_sub(NAME + BEHIND);
    let track = view.track.and_then(|track| Some((track, track.last()?)));
    let Some((track, last)) = track else {
        canvas.put(0, 0, "LATELY", theme.title());
        canvas.put(0, 1, "no frames of it so far", theme.dim());
        return;
    };
    let columns = Columns::of(track, room);
    let heading = format!("LAST {}", brief(columns.span()));
    canvas.put(0, 0, &heading, theme.title());
    let unwatched = view.space.is_some_and(|space| space.rates.is_none());
    for (row, chart) in (1..).zip(CHARTS) {
        canvas.put(0, row, chart.name, theme.dim());
        if unwatched && !chart.share {
            canvas.put(NAME, row, "not watched", theme.dim());
            continue;
        }
        let values = columns.highest(chart.value);
        let now = f64::from((chart.value)(last));
        let highest = values.iter().copied().fold(0.0, f64::max);
        let scale = if chart.share { 1.0 } else { highest };
        let style = |value| (chart.style)(theme, value);
        chart::sparkline(canvas, (NAME, row, room), &values, scale, style);
        let shown = if chart.share { percent } else { rate };
        let text = format!("{}, max {}", shown(now), shown(highest));
        let style = if chart.alarming {
            style(if chart.share { now } else { highest })
        } else {
            Style::new()
        };
        canvas.put(NAME + room + 1, row, &text, style);
    }
}

fn times(view: &SpaceView<'_>, canvas: &mut Canvas<'_>, column: u16) {
    let theme = view.theme;
    let Some(space) = view.space else {
        return;
    };
    let beside = column + 8;
    canvas.put(column, 0, "PORTS", theme.title());
    canvas.put(beside, 0, "p50     p99     max", theme.title());
    let times = [
        ("held", space.hold, words::NONE_HELD),
        ("search", space.search, words::NONE_SEARCHED),
    ];
    for (row, (name, times, none)) in (1..).zip(times) {
        canvas.put(column, row, name, theme.dim());
        canvas.put(beside, row, &words::percentiles(times, none), Style::new());
    }
    let flow = space.rates.map(|rates| (rates.connects, rates.releases));
    canvas.put(column, 3, "flow", theme.dim());
    let text = flow.map_or_else(
        || "not watched".to_owned(),
        |(taken, freed)| format!("{}/s new, {}/s freed", rate(taken), rate(freed)),
    );
    canvas.put(beside, 3, &text, Style::new());
}
