//! How a cell of the port map looks.
//!
//! | | one port | several |
//! |---|---|---|
//! | colour and Unicode | `·` or a block | shade and colour |
//! | colour only | letter and colour | `. : + #` and colour |
//! | no colour | letter | shade, or `. : + #` |

use ratatui::{
    style::{Color, Style},
    text::Span,
};

use super::pack::Uses;
use crate::{
    attribution::snapshot::PortUse,
    views::top::{Theme, details::chart::steps},
};

/// A cell that has a free port, from none taken to nearly all, and one that has none.
const SHADES: ([char; 4], char) = (['·', '░', '▒', '▓'], '█');
const ASCII: ([char; 3], char) = (['.', ':', '+'], '#');

/// Name of a use in the legend.
pub(super) fn name(of: PortUse) -> &'static str {
    match of {
        PortUse::Free => "free",
        PortUse::InUse => "in use",
        PortUse::TimeWait => "TIME_WAIT",
        PortUse::Recyclable => "recyclable",
        PortUse::Blocked => "blocked",
        PortUse::Reserved => "reserved",
    }
}

/// The style of a TIME_WAIT that a connect() may take over.
pub(in crate::views::top::details) fn recyclable(theme: Theme) -> Style {
    if theme.color {
        Style::new().fg(Color::Cyan)
    } else {
        Style::new()
    }
}

/// The style of a use.
fn style(of: PortUse, theme: Theme) -> Style {
    match of {
        PortUse::Free => theme.dim(),
        PortUse::InUse => theme.in_use(),
        PortUse::TimeWait => theme.time_wait(),
        PortUse::Recyclable => recyclable(theme),
        PortUse::Blocked => theme.blocked(),
        PortUse::Reserved => theme.reserved(),
    }
}

/// What stands for a use without colour.
fn letter(of: PortUse) -> char {
    match of {
        PortUse::Free => '.',
        PortUse::InUse => 'U',
        PortUse::TimeWait => 'W',
        PortUse::Recyclable => 'r',
        PortUse::Blocked => 'X',
        PortUse::Reserved => '-',
    }
}

/// What stands for a port.
fn port(of: PortUse, theme: Theme) -> char {
    match of {
        _ if !theme.unicode || !theme.color => letter(of),
        PortUse::Free => '·',
        PortUse::Recyclable => '▒',
        _ => '█',
    }
}

/// A use in the legend; `None` where no cell shows it.
pub(super) fn key(of: PortUse, each: usize, theme: Theme) -> Option<(char, Style)> {
    let style = style(of, theme);
    if each == 1 {
        return Some((port(of, theme), style));
    }
    match of {
        PortUse::Blocked | PortUse::Reserved if !theme.color => Some((letter(of), style)),
        _ if !theme.color => None,
        PortUse::Free => Some((density(0.0, false, theme), style)),
        PortUse::Recyclable => Some((density(0.99, false, theme), style)),
        _ => Some((density(1.0, true, theme), style)),
    }
}

/// What the densities of cells of several ports mean.
pub(super) fn densities(theme: Theme) -> Vec<Span<'static>> {
    let (some, none) = if theme.unicode {
        (SHADES.0.as_slice(), SHADES.1)
    } else {
        (ASCII.0.as_slice(), ASCII.1)
    };
    let (all, some) = some
        .split_first()
        .map_or((' ', some), |(all, some)| (*all, some));
    let some: String = some.iter().collect();
    vec![
        Span::styled(all.to_string(), theme.dim()),
        Span::raw(format!(" all free  {some} fewer  {none} none left")),
    ]
}

fn density(taken: f64, gone: bool, theme: Theme) -> char {
    let (levels, full) = if theme.unicode {
        (SHADES.0.as_slice(), SHADES.1)
    } else {
        (ASCII.0.as_slice(), ASCII.1)
    };
    if gone {
        return full;
    }
    let partly = levels.len().saturating_sub(1);
    let at = steps(taken, u32::try_from(partly).unwrap_or(u32::MAX)).min(partly);
    levels.get(at).copied().unwrap_or(full)
}

/// A cell of so many ports.
pub(super) fn cell(uses: &Uses, each: usize, theme: Theme) -> (char, Style) {
    let of = uses.most().unwrap_or(PortUse::Free);
    let style = style(of, theme);
    if each == 1 {
        return (port(of, theme), style);
    }
    if !theme.color
        && let Some(of @ (PortUse::Blocked | PortUse::Reserved)) = uses.only()
    {
        return (letter(of), style);
    }
    (density(uses.taken(), uses.are_gone(), theme), style)
}

/// Two ports in one character, one above the other.
pub(super) fn halves(upper: &Uses, lower: Option<&Uses>, theme: Theme) -> (char, Style) {
    let color = |uses: Option<&Uses>| style(uses?.most()?, theme).fg;
    match (color(Some(upper)), color(lower)) {
        (None, None) => ('·', theme.dim()),
        (Some(upper), None) => ('▀', Style::new().fg(upper)),
        (None, Some(lower)) => ('▄', Style::new().fg(lower)),
        (Some(upper), Some(lower)) if upper == lower => ('█', Style::new().fg(upper)),
        (Some(upper), Some(lower)) => ('▀', Style::new().fg(upper).bg(lower)),
    }
}
