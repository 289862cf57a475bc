//! Which columns of a list there is room for, and how wide they are.

use super::paint;
use crate::views::top::lists::List;

/// Text columns do not grow beyond this.
const WIDEST: usize = 60;

/// A column on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Column {
    /// Place in [`List::FIELDS`].
    pub(super) field: usize,
    /// Columns of the terminal.
    pub(super) width: u16,
}

/// The columns that fit, from left to right; without `redundant`.
pub(super) fn fitting<L: List>(room: u16, redundant: Option<L::Column>) -> Vec<Column> {
    let room = usize::from(room);
    let mut kept: Vec<(usize, usize)> = L::FIELDS
        .iter()
        .enumerate()
        .filter(|(_, field)| Some(field.column) != redundant)
        .map(|(at, field)| (at, field.width))
        .collect();
    let mut spare = L::SPARE.iter();
    while taken(&kept) > room {
        let Some(column) = spare.next() else { break };
        kept.retain(|(at, _)| {
            L::FIELDS
                .get(*at)
                .is_some_and(|field| field.column != *column)
        });
    }
    let mut left = room.saturating_sub(taken(&kept));
    let grows = |at: usize| L::FIELDS.get(at).is_some_and(L::grows);
    // A column of the terminal for each in turn, while there are any.
    while left > 0 {
        let before = left;
        for (_, width) in kept
            .iter_mut()
            .filter(|(at, width)| grows(*at) && *width < WIDEST)
        {
            if left > 0 {
                *width += 1;
                left -= 1;
            }
        }
        if left == before {
            break;
        }
    }
    let fitted = kept.into_iter().map(|(field, width)| Column {
        field,
        width: paint::columns(width.min(room)),
    });
    fitted.collect()
}

/// With a space between two.
fn taken(columns: &[(usize, usize)]) -> usize {
    let widths = columns.iter().map(|(_, width)| width + 1);
    widths.sum::<usize>().saturating_sub(1)
}
