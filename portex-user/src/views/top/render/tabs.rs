//! The line of lists, with what narrows the one that is shown and what it is sorted by.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Modifier, Style},
};

use super::paint;
use crate::views::{
    snapshot::{
        names::width,
        numbers::{count, grouped},
    },
    top::{
        lists::{View, columns, with_list},
        state::Top,
    },
};

/// Room that is kept for filter and order.
const KEPT: usize = 24;

pub(super) fn draw(top: &Top, area: Rect, buf: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let room = usize::from(area.width);
    let mut tabs = tabs(top, false, false);
    if total(&tabs) + KEPT > room {
        tabs = self::tabs(top, true, false);
    }
    if total(&tabs) > room {
        tabs = self::tabs(top, true, true);
    }
    let taken = paint::spans(buf, area, &tabs, top.theme);
    let right = Rect {
        x: area.x + taken,
        width: area.width - taken,
        ..area
    };
    let (text, style) = view(top);
    paint::text(buf, right, &text, true, style, top.theme);
}

fn total(spans: &[(String, Style)]) -> usize {
    spans.iter().map(|(text, _)| width(text)).sum()
}

/// The lists with their numbers; the one that is shown in brackets, too.
fn tabs(top: &Top, short: bool, alone: bool) -> Vec<(String, Style)> {
    let theme = top.theme;
    let numbered = (1..).zip(View::ALL).zip(top.computed.counts);
    numbered
        .filter(|((_, view), _)| !alone || *view == top.view)
        .map(|((number, view), items)| {
            let (title, brief) = view.titles();
            let items = items as u64;
            let text = if short {
                format!("{number} {brief} {}", count(items))
            } else {
                format!("{number} {title} {}", grouped(items))
            };
            let style = match view {
                View::Failures if items > 0 => theme.alarm(),
                _ => Style::new(),
            };
            if view == top.view {
                (format!("[{text}]"), style.add_modifier(Modifier::BOLD))
            } else {
                (format!(" {text} "), style)
            }
        })
        .collect()
}

/// What narrows the list, else its order.
fn view(top: &Top) -> (String, Style) {
    let mut narrowed = Vec::new();
    if let Some(netns) = top.netns {
        narrowed.push(format!("netns={}", top.labels.netns(netns)));
    }
    if !top.filter.is_empty() {
        narrowed.push(format!("/{}", top.filter.text()));
    }
    let list = top.list();
    let order = match list.sort {
        Some(sort) => {
            let columns = with_list!(top.view, columns());
            let heading = columns.get(sort.column).map_or("", |(heading, ..)| heading);
            format!("by {heading}")
        }
        None if list.reversed => format!("{} last", top.view.order()),
        None => format!("{} first", top.view.order()),
    };
    if narrowed.is_empty() {
        return (order, top.theme.dim());
    }
    (narrowed.join(" "), top.theme.warning())
}
