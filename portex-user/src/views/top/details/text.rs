//! Text of other processes, and text that must fit: escaped, cut, wrapped. Widths are columns of a
//! terminal.

use std::{borrow::Cow, fmt::Write as _};

use unicode_width::UnicodeWidthChar as _;

pub(super) use crate::views::snapshot::numbers::grouped;
use crate::{escape, views::top::Theme};

/// Bytes of a text of another process that are looked at.
const LONGEST: usize = 4_096;

/// A text that does nothing to a terminal and takes the columns that it seems to: what is unsafe or
/// has no width of its own (accents and joiners could be piled up without end) is escaped; where there
/// is only ASCII, all that is not, too. What is plain already stays as it is.
pub(super) fn plain(text: &str, theme: Theme) -> Cow<'_, str> {
    let fine = |character: char| {
        !escape::is_unsafe(character)
            && character.width().is_some_and(|width| width > 0)
            && (theme.unicode || character.is_ascii())
    };
    if text.chars().all(fine) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        if fine(character) {
            plain.push(character);
        } else {
            // Writing to a String cannot fail.
            let _ok = write!(plain, "{}", character.escape_unicode());
        }
    }
    Cow::Owned(plain)
}

/// Text of another process, as [`plain`] shows it.
pub(super) fn safe(bytes: &[u8], theme: Theme) -> String {
    let looked_at = bytes.get(..LONGEST).unwrap_or(bytes);
    plain(&escape::text(looked_at), theme).into_owned()
}

/// Columns that a text takes when each of its characters has its own: ligatures and flags, which some
/// terminals make of several, would take fewer.
pub(super) fn width(text: &str) -> usize {
    text.chars()
        .map(|character| character.width().unwrap_or(0))
        .sum()
}

/// What stands for characters that were cut out.
fn mark(theme: Theme) -> char {
    if theme.unicode { '…' } else { '~' }
}

/// A text of at most so many columns: what is too long is cut in the middle, so that the end (a port,
/// a process id) stays.
pub(super) fn cut(text: &str, columns: usize, theme: Theme) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let Some(kept) = columns.checked_sub(1) else {
        return String::new();
    };
    let head = head(text, kept / 2);
    let tail = tail(text, kept - width(head));
    format!("{head}{}{tail}", mark(theme))
}

/// A text of at most so many columns: what is too long ends early.
pub(super) fn cut_end(text: &str, columns: usize, theme: Theme) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    match columns.checked_sub(1) {
        Some(kept) => format!("{}{}", head(text, kept), mark(theme)),
        None => String::new(),
    }
}

/// The beginning of a text, of at most so many columns.
fn head(text: &str, columns: usize) -> &str {
    let mut used = 0;
    let end = text.char_indices().find(|(_, character)| {
        used += character.width().unwrap_or(0);
        used > columns
    });
    end.map_or(text, |(end, _)| text.split_at(end).0)
}

/// The end of a text, of at most so many columns.
fn tail(text: &str, columns: usize) -> &str {
    let mut used = 0;
    let start = text.char_indices().rev().find(|(_, character)| {
        used += character.width().unwrap_or(0);
        used > columns
    });
    start.map_or(text, |(start, character)| {
        text.split_at(start + character.len_utf8()).1
    })
}

/// A text in at most so many lines of at most so many columns, broken at spaces where there are some;
/// what is left over is cut off.
pub(super) fn wrap(text: &str, columns: usize, most: usize, theme: Theme) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() && lines.len() < most && columns > 0 {
        let fits = head(rest, columns);
        if fits.len() == rest.len() {
            lines.push(rest.to_owned());
            return lines;
        }
        if lines.len() + 1 == most {
            lines.push(cut_end(rest, columns, theme));
            return lines;
        }
        if fits.is_empty() {
            // Not even one wide character has room.
            return lines;
        }
        // A word that begins in the last third goes to the next line, a longer one is broken.
        let ended = rest.split_at(fits.len()).1.starts_with(' ');
        let space = fits.rfind(' ').filter(|&at| at * 3 >= fits.len() * 2);
        let end = if ended {
            fits.len()
        } else {
            space.unwrap_or(fits.len())
        };
        let (line, more) = rest.split_at(end);
        lines.push(line.to_owned());
        rest = more.strip_prefix(' ').unwrap_or(more);
    }
    lines
}
