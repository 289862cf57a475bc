//! What is said in words: how a space stands, numbers and times.

use std::{borrow::Cow, time::Duration};

use ratatui::{
    style::Style,
    text::{Line, Span},
};

use super::text::{self, grouped};
use crate::{
    attribution::snapshot::{Percentiles, Space},
    views::{
        snapshot::numbers::brief,
        top::{Theme, history::Track, theme::WARNING},
        trace::human,
    },
};

/// How a space stands: what is left, and when that is gone.
pub(super) fn standing(space: &Space, track: Option<&Track>) -> String {
    format!("{}{}.", left(space), outlook(space, track))
}

fn left(space: &Space) -> String {
    let free = grouped(space.free.into());
    let capacity = grouped(space.capacity.into());
    let full = (space.fill * 100.0 + 1e-6).floor();
    match (space.free, space.exact) {
        (0, true) => format!("Has none of {capacity} ports left: the next connect() fails"),
        (0, false) => format!("May have none of {capacity} ports left"),
        (_, true) => format!("Has {free} of {capacity} ports left ({full} % full)"),
        (_, false) => {
            format!("Has at least {free} of {capacity} ports left (at most {full} % full)")
        }
    }
}

fn outlook(space: &Space, track: Option<&Track>) -> String {
    if space.free == 0 {
        return match track.and_then(Track::full_for) {
            Some((time, true)) if !time.is_zero() => {
                format!("; so for at least {}", brief(time))
            }
            Some((time, false)) => format!("; so for {}", brief(time)),
            _ => String::new(),
        };
    }
    match (space.exhausts_in, space.rates) {
        (Some(time), _) => format!("; at this rate the next connect() fails in {}", brief(time)),
        (None, Some(_)) => "; at this rate it does not run out".to_owned(),
        (None, None) => String::new(),
    }
}

/// What the rate needs in the long run, and how bad that is.
pub(super) fn need(space: &Space, theme: Theme) -> Option<(String, Style)> {
    // Without connects, what they need says nothing.
    let need = space.need.filter(|need| *need >= 1.0)?;
    let capacity = f64::from(space.capacity);
    let text = format!(
        "Needs about {} ports in the long run; has {}.",
        about(need),
        grouped(space.capacity.into())
    );
    let style = if need >= capacity {
        theme.alarm()
    } else if need >= capacity * WARNING {
        theme.warning()
    } else {
        Style::new()
    };
    Some((text, style))
}

/// A number of which three digits or so matter.
fn about(number: f64) -> String {
    let step = match number {
        1e5.. => 1e3,
        1e4.. => 100.0,
        1e3.. => 10.0,
        _ => 1.0,
    };
    let rounded = format!("{:.0}", (number / step).round() * step);
    rounded.parse().map_or(rounded, grouped)
}

/// Where there are no hold times: they are known once ports were released.
pub(super) const NONE_HELD: &str = "none released yet";
/// Where there are no search times: some ways to attach cannot measure them.
pub(super) const NONE_SEARCHED: &str = "not measured this way";

/// Percentiles in columns below `p50 p99 max`, or why there are none.
pub(super) fn percentiles(times: Option<Percentiles>, none: &str) -> String {
    times.map_or_else(
        || none.to_owned(),
        |times| {
            let Percentiles { p50, p99, max } = times;
            format!("{:<8}{:<8}{}", long(p50), long(p99), long(max))
        },
    )
}

/// A time of any length.
pub(super) fn long(time: Duration) -> String {
    if time < Duration::from_secs(120) {
        human(time)
    } else {
        brief(time)
    }
}

/// A share in whole per cent, rounded down, so that 100 says that nothing is left.
pub(super) fn percent(share: f64) -> String {
    format!("{}%", (share * 100.0 + 1e-6).floor())
}

/// `name value` pairs that flow into lines of so many columns.
pub(super) fn flow(
    items: Vec<(Cow<'static, str>, String, Style)>,
    columns: usize,
    theme: Theme,
) -> Vec<Line<'static>> {
    let pair = |(name, value, style)| {
        vec![
            Span::styled(format!("{name} "), theme.dim()),
            Span::styled(value, style),
        ]
    };
    flow_spans(items.into_iter().map(pair), columns)
}

/// Items that flow into lines of so many columns; none is broken.
pub(super) fn flow_spans(
    items: impl Iterator<Item = Vec<Span<'static>>>,
    columns: usize,
) -> Vec<Line<'static>> {
    const GAP: &str = "  ";
    let mut lines: Vec<Line<'static>> = Vec::new();
    let mut used = 0;
    for item in items {
        let long: usize = item.iter().map(|span| text::width(&span.content)).sum();
        match lines.last_mut() {
            Some(line) if used + GAP.len() + long <= columns => {
                line.push_span(Span::raw(GAP));
                line.extend(item);
                used += GAP.len() + long;
            }
            _ => {
                lines.push(Line::from(item));
                used = long;
            }
        }
    }
    lines
}
