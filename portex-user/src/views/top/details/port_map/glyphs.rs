//! How a cell of the port map looks.
//!
//! | | one port | several |
//! |---|---|---|
//! | colour and Unicode | `·` or a block | shade and colour |
//! | colour only | letter and colour | `. : + #` and colour |
//! | no colour | letter | shade, or `. : + #` |

use std::fmt::Write as _;

use ratatui::style::{Color, Style};

use super::pack::Uses;
use crate::{attribution::snapshot::PortUse, views::top::Theme};

/// How densely a cell is drawn that stands for several ports.
struct Density {
    /// None of its ports is taken.
    empty: char,
    /// For shares below these, in per cent, and for what is more.
    partly: &'static [(u32, char)],
    more: char,
    /// No connect() can get any of them.
    gone: char,
}

const SHADES: Density = Density {
    empty: '·',
    partly: &[(50, '░'), (90, '▒')],
    more: '▓',
    gone: '█',
};
const ASCII: Density = Density {
    empty: '.',
    partly: &[(90, ':')],
    more: '+',
    gone: '#',
};

impl Density {
    fn of(theme: Theme) -> &'static Self {
        if theme.unicode { &SHADES } else { &ASCII }
    }

    fn glyph(&self, uses: &Uses) -> char {
        let taken = uses.taken();
        if uses.are_gone() {
            self.gone
        } else if taken > 0.0 {
            let partly = self.partly.iter();
            let level = partly
                .copied()
                .find(|(below, _)| taken * 100.0 < f64::from(*below));
            level.map_or(self.more, |(_, glyph)| glyph)
        } else {
            self.empty
        }
    }
}

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
        PortUse::Free => Some((Density::of(theme).empty, style)),
        PortUse::Recyclable => Some((Density::of(theme).more, style)),
        _ => Some((Density::of(theme).gone, style)),
    }
}

/// What the densities of cells of several ports mean: which share of them is taken.
pub(super) fn densities(theme: Theme) -> String {
    let density = Density::of(theme);
    let mut text = format!("{} 0%", density.empty);
    for (below, glyph) in density.partly {
        // Writing to a String cannot fail.
        let _ok = write!(text, " {glyph} <{below}%");
    }
    format!("{text} {} more {} full", density.more, density.gone)
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
    (Density::of(theme).glyph(uses), style)
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
