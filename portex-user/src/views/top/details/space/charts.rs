//! How a space was: sparklines of its rates and its fill, and how long ports were held and searched
//! for.

use ratatui::style::Style;

use super::SpaceView;
use crate::views::{
    snapshot::numbers::{brief, rate},
    top::{
        details::{
            canvas::Canvas,
            chart::{self, Columns},
            words::{self, percent},
        },
        history::Sample,
    },
};

/// Rows that this takes: a heading, and three lines.
pub(super) const HEIGHT: usize = 4;

/// Columns of the names of lines, and of what stands behind a sparkline.
const NAME: u16 = 8;
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

fn sparklines(view: &SpaceView<'_>, canvas: &mut Canvas<'_>, width: u16) {
    let theme = view.theme;
    let chart = width.saturating_sub(NAME + BEHIND);
    let Some(track) = view.track.filter(|track| track.len() > 0) else {
        canvas.put(0, 0, "LATELY", theme.title());
        canvas.put(0, 1, "no frames of it so far", theme.dim());
        return;
    };
    let columns = Columns::of(track, chart);
    let heading = format!("LAST {}", brief(columns.span()));
    canvas.put(0, 0, &heading, theme.title());
    let connects = columns.highest(|sample| sample.connects);
    let failures = columns.highest(|sample| sample.failures);
    let fills = columns.highest(|sample| sample.fill);
    let last = track.last().copied();
    let now = |value: fn(&Sample) -> f32| last.map_or(0.0, |sample| f64::from(value(&sample)));
    let highest = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);

    let scale = highest(&connects);
    let place = |row| (NAME, row, chart);
    let behind = NAME + chart + 1;
    canvas.put(0, 1, "new/s", theme.dim());
    chart::sparkline(canvas, place(1), &connects, scale, |_| theme.calm());
    let text = format!(
        "{}, max {}",
        rate(now(|sample| sample.connects)),
        rate(scale)
    );
    canvas.put(behind, 1, &text, Style::new());

    let scale = highest(&failures);
    canvas.put(0, 2, "fail/s", theme.dim());
    chart::sparkline(canvas, place(2), &failures, scale, |_| theme.alarm());
    let text = format!(
        "{}, max {}",
        rate(now(|sample| sample.failures)),
        rate(scale)
    );
    let style = if scale > 0.0 {
        theme.alarm()
    } else {
        Style::new()
    };
    canvas.put(behind, 2, &text, style);

    canvas.put(0, 3, "fill", theme.dim());
    chart::sparkline(canvas, place(3), &fills, 1.0, |fill| theme.fill(fill));
    let fill = now(|sample| sample.fill);
    let text = format!("{}, max {}", percent(fill), percent(highest(&fills)));
    canvas.put(behind, 3, &text, theme.fill(fill));
}

fn times(view: &SpaceView<'_>, canvas: &mut Canvas<'_>, column: u16) {
    let theme = view.theme;
    let Some(space) = view.space else {
        return;
    };
    let beside = column + 8;
    canvas.put(column, 0, "PORTS", theme.title());
    canvas.put(beside, 0, "p50     p99     max", theme.title());
    for (row, (name, times)) in (1..).zip([("held", space.hold), ("search", space.search)]) {
        canvas.put(column, row, name, theme.dim());
        canvas.put(beside, row, &words::percentiles(times), Style::new());
    }
    let flow = space.rates.map(|rates| (rates.connects, rates.releases));
    canvas.put(column, 3, "flow", theme.dim());
    let text = flow.map_or_else(
        || "not watched".to_owned(),
        |(taken, freed)| format!("{}/s new, {}/s freed", rate(taken), rate(freed)),
    );
    canvas.put(beside, 3, &text, Style::new());
}
