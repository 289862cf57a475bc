//! Sparklines and bars.

use std::time::Duration;

use ratatui::style::Style;

use super::canvas::Canvas;
use crate::views::top::{
    Theme,
    history::{Sample, Track},
};

/// Heights of a column; what is nothing is the first.
const UNICODE: [char; 9] = ['·', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const ASCII: [char; 8] = [' ', '.', ':', '-', '=', '+', '*', '#'];
/// Parts of a column of a bar.
const PARTS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// How many of so many equal steps a share between 0 and 1 takes; whatever is more than nothing takes
/// one.
pub(super) fn steps(share: f64, of: u32) -> usize {
    let reached = |step: &u32| share > f64::from(*step) / f64::from(of);
    (0..of).filter(reached).count()
}

/// One of some characters that grow with a share.
pub(super) fn level(share: f64, of: &[char]) -> char {
    let highest = of.len().saturating_sub(1);
    let at = steps(share, u32::try_from(highest).unwrap_or(u32::MAX));
    of.get(at).copied().unwrap_or(' ')
}

/// What of a track fits in a chart: as many samples a column as fill it.
pub(super) struct Columns<'a> {
    /// The samples of each column, from the left.
    columns: Vec<Vec<&'a Sample>>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(track: &'a Track, width: u16) -> Self {
        let width = usize::from(width.max(1));
        let each = (track.len() / width).max(1);
        let mut columns: Vec<Vec<&Sample>> = Vec::new();
        let mut latest = None;
        for (number, sample) in track.samples().rev() {
            // By their own number, so that a sample stays with its neighbours when all move on.
            let column = number / each;
            if latest != Some(column) {
                if columns.len() == width {
                    break;
                }
                columns.push(Vec::with_capacity(each));
                latest = Some(column);
            }
            if let Some(samples) = columns.last_mut() {
                samples.push(sample);
            }
        }
        columns.reverse();
        Self { columns }
    }

    /// Time between the first and the last sample.
    pub(super) fn span(&self) -> Duration {
        let first = self.columns.first().and_then(|samples| samples.last());
        let last = self.columns.last().and_then(|samples| samples.first());
        match (first, last) {
            (Some(first), Some(last)) => last.time().saturating_sub(first.time()),
            _ => Duration::ZERO,
        }
    }

    /// The highest of each column.
    pub(super) fn highest(&self, value: fn(&Sample) -> f32) -> Vec<f64> {
        let highest = |samples: &Vec<&Sample>| {
            let values = samples.iter().map(|sample| f64::from(value(sample)));
            values.fold(0.0, f64::max)
        };
        self.columns.iter().map(highest).collect()
    }
}

/// Draws a sparkline that ends at the right of its place, in the row of a canvas; `scale` is what
/// takes the whole height.
pub(super) fn sparkline(
    canvas: &mut Canvas<'_>,
    (column, row, width): (u16, u16, u16),
    values: &[f64],
    scale: f64,
    style: impl Fn(f64) -> Style,
) {
    let theme = canvas.theme();
    let levels: &[char] = if theme.unicode { &UNICODE } else { &ASCII };
    let shown = u16::try_from(values.len()).unwrap_or(u16::MAX).min(width);
    let first = column.saturating_add(width - shown);
    let skipped = values.len() - usize::from(shown);
    for (column, value) in (first..).zip(values.iter().skip(skipped)) {
        let share = if scale > 0.0 { value / scale } else { 0.0 };
        let style = if *value > 0.0 {
            style(*value)
        } else {
            theme.dim()
        };
        canvas.glyph(column, row, level(share, levels), style);
    }
}

/// A bar of so many columns that shows a share, 0 to 1; any share is seen, and only all of it fills
/// the bar.
pub(super) fn bar(share: f64, columns: u32, theme: Theme) -> String {
    if theme.unicode {
        let eighths = steps(share, columns * 8);
        let eighths = if share < 1.0 {
            eighths.min((columns as usize * 8).saturating_sub(1))
        } else {
            eighths
        };
        let mut bar = "█".repeat(eighths / 8);
        if let Some(part) = PARTS.get(eighths % 8).filter(|_| eighths % 8 > 0) {
            bar.push(*part);
        }
        bar
    } else {
        let most = if share < 1.0 {
            columns.saturating_sub(1)
        } else {
            columns
        };
        "#".repeat(steps(share, columns).min(most as usize))
    }
}

/// One number as a share of another, for how full something is.
#[expect(clippy::cast_precision_loss, reason = "a share needs no more digits")]
pub(super) fn ratio(part: u64, whole: u64) -> f64 {
    match whole {
        0 => 1.0,
        _ => part as f64 / whole as f64,
    }
}
