//! A screen with colours, as a terminal writes it → SVG.

use std::fmt::Write as _;

use anstyle_svg::{Palette, Term};

/// Sixteen colours that are told apart on the dark ground, and do not glare.
const COLORS: [(u8, u8, u8); 16] = [
    (0x0d, 0x11, 0x17),
    (0xf0, 0x6a, 0x63),
    (0x4f, 0xb8, 0x5c),
    (0xe0, 0xaf, 0x4a),
    (0x58, 0x9c, 0xf0),
    (0xb3, 0x86, 0xea),
    (0x4d, 0xbd, 0xc9),
    (0xd5, 0xdb, 0xe3),
    (0x7c, 0x86, 0x92),
    (0xff, 0x8f, 0x87),
    (0x74, 0xd6, 0x7f),
    (0xf2, 0xcc, 0x72),
    (0x86, 0xbc, 0xff),
    (0xcf, 0xab, 0xff),
    (0x7d, 0xdc, 0xe6),
    (0xf4, 0xf7, 0xfa),
];
const GROUND: (u8, u8, u8) = (0x0d, 0x11, 0x17);
const TEXT: (u8, u8, u8) = (0xd5, 0xdb, 0xe3);

/// What `anstyle_svg` draws with, in pixels: width of a cell, height of a line, margin.
const CELL: f64 = 8.4;
const THEIR_LINE: usize = 18;
const MARGIN: usize = 10;
/// So far apart that lines which are drawn with characters are whole in most fonts.
const LINE: usize = 16;

/// A screen of so many columns as SVG. It looks the same in any monospaced font: each line is
/// drawn to its full width.
pub(super) fn from_ansi(screen: &str, columns: usize) -> String {
    let term = Term::new()
        .palette(Palette(COLORS.map(Into::into)))
        .fg_color(TEXT.into())
        .bg_color(GROUND.into())
        .min_width_px(0);
    tidy(&term.render_svg(&filled(screen, columns)), columns)
}

/// What is seen of a screen: no colours, no blanks at ends of lines, no empty lines at the end.
pub(super) fn plain(screen: &str) -> String {
    let mut text = String::new();
    for line in screen.lines() {
        text.push_str(visible(line).trim_end());
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// Each line by itself, and filled up with blanks of no colour: tmux does not tell a colour again that
/// is still set from the line before.
fn filled(screen: &str, columns: usize) -> String {
    let mut set = String::new();
    let lines = screen.lines().map(|line| {
        let blanks = columns.saturating_sub(visible(line).chars().count());
        let line = format!("{set}{line}");
        set.clear();
        for sequence in colors(&line) {
            if sequence.starts_with("\x1b[0") || sequence == "\x1b[m" {
                set.clear();
            }
            set.push_str(sequence);
        }
        format!("{line}\x1b[0m{:blanks$}", "")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What sets colours and the like in a line: `ESC [ parameters m`.
fn colors(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("\x1b[").filter_map(|(at, _)| {
        let rest = line.get(at..)?;
        let end = rest.find(|c: char| c.is_ascii_alphabetic())?;
        rest.get(..=end).filter(|sequence| sequence.ends_with('m'))
    })
}

/// A line without what sets colours: `ESC [ parameters letter`, `ESC ( letter`, shifts of the set of
/// characters.
fn visible(line: &str) -> String {
    let mut text = String::new();
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '\x1b' => {
                if characters.next() == Some('[') {
                    // Ends with its final byte (ECMA-48, 5.4).
                    characters.find(|c| ('\x40'..='\x7e').contains(c));
                } else {
                    characters.next();
                }
            }
            c if c.is_control() => {}
            c => text.push(c),
        }
    }
    text
}

/// Lines closer together, each of its full width, and dim text less dim.
fn tidy(svg: &str, columns: usize) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a few hundred columns")]
    let width = columns as f64 * CELL;
    let mut out = String::with_capacity(svg.len());
    let mut rows = 0;
    for line in svg.lines() {
        let begin = format!("<tspan x=\"{MARGIN}px\" y=\"");
        let line = line.trim();
        if let Some((y, spans)) = line
            .strip_prefix(&begin)
            .and_then(|l| l.split_once("px\">"))
        {
            let row = y.parse::<usize>().unwrap_or(0).saturating_sub(MARGIN) / THEIR_LINE;
            rows = rows.max(row);
            let y = MARGIN + row * LINE - LINE / 4;
            // A String takes all that is written.
            let _ = writeln!(
                out,
                "{begin}{y}px\" textLength=\"{width:.1}px\" lengthAdjust=\"spacingAndGlyphs\">{spans}</tspan>"
            );
        } else if line != "</tspan>" && !line.is_empty() {
            let _ = writeln!(out, "{line}");
        }
    }
    out.replace("opacity: 0.4", "opacity: 0.65").replacen(
        &height(svg),
        &format!("height=\"{}px\"", rows * LINE + 2 * MARGIN),
        1,
    )
}

/// The attribute of the whole.
fn height(svg: &str) -> String {
    let (_, after) = svg.split_once("height=\"").unwrap_or_default();
    let (number, _) = after.split_once('"').unwrap_or_default();
    format!("height=\"{number}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCREEN: &str = "\x1b[1m\x1b[31mfull\x1b[0m a<b & c\n\n\x1b[46m x \x1b[0m";

    #[test]
    fn text_is_there_and_escaped() {
        let svg = from_ansi(SCREEN, 20);
        assert!(svg.contains(">full</tspan>"), "{svg}");
        assert!(svg.contains("a&lt;b &amp; c"), "{svg}");
        assert!(!svg.contains('\x1b'), "{svg}");
        assert!(svg.contains("fg-red { fill: #F06A63 }"), "{svg}");
    }

    #[test]
    fn it_is_as_large_as_the_screen() {
        let svg = from_ansi(SCREEN, 20);
        assert!(
            svg.starts_with("<svg width=\"188px\" height=\"68px\""),
            "{svg}"
        );
        assert!(svg.ends_with("</svg>\n"), "{svg}");
        // Three lines, and the ground of the third.
        assert_eq!(svg.matches("textLength=\"168.0px\"").count(), 4, "{svg}");
        assert_eq!(
            svg.matches("<tspan").count(),
            svg.matches("</tspan>").count()
        );
    }

    #[test]
    fn a_colour_lasts_until_it_is_reset() {
        let svg = from_ansi("\x1b[31m\x1b[46ma\n\x1b[42mb\n\x1b[0mc\nd", 1);
        assert!(svg.contains("<tspan class=\"fg-red\">b</tspan>"), "{svg}");
        assert!(svg.contains("<tspan class=\"bg-green\">"), "{svg}");
        assert!(svg.contains("<tspan>d</tspan>"), "{svg}");
    }

    #[test]
    fn plain_text_is_what_is_seen() {
        assert_eq!(
            plain("a\x1b[1;31mb\x1b(B\x1b[m  \n\x0e\n c\n\n \n"),
            "ab\n\n c\n"
        );
    }
}
