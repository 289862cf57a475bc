//! Shares the rows of the screen out.

/// A part of the screen that wants rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// With less it is left out.
    pub(super) least: u16,
    /// With so many it says what it has to say.
    pub(super) enough: u16,
    /// More are of no use.
    pub(super) most: u16,
}

impl Part {
    /// Takes exactly so many rows.
    pub(super) fn fixed(rows: usize) -> Self {
        let rows = u16::try_from(rows).unwrap_or(u16::MAX);
        Self {
            least: rows,
            enough: rows,
            most: rows,
        }
    }

    /// Lines of which the first ones may stand alone.
    pub(super) fn lines(rows: usize) -> Self {
        Self {
            least: rows.min(1).try_into().unwrap_or(0),
            ..Self::fixed(rows)
        }
    }
}

/// A table with a heading, of which so many rows are enough.
pub(super) fn listed(count: usize, enough: u16) -> Part {
    let most = u16::try_from(count).unwrap_or(u16::MAX);
    if most == 0 {
        return Part::default();
    }
    Part {
        least: 2,
        enough: most.min(enough).max(1).saturating_add(1),
        most: most.saturating_add(1),
    }
}

/// Rows for each part, given by importance: first each its least, then each what is enough, then what
/// is left over to those that come `last`, in that order.
pub(super) fn share(height: u16, parts: &[Part], last: &[usize]) -> Vec<u16> {
    let mut left = height;
    let mut rows: Vec<u16> = Vec::with_capacity(parts.len());
    for part in parts {
        let given = if part.least <= left { part.least } else { 0 };
        left -= given;
        rows.push(given);
    }
    let mut grow = |at: usize, up_to: fn(&Part) -> u16| {
        if let (Some(rows), Some(part)) = (rows.get_mut(at), parts.get(at))
            && *rows > 0
        {
            let more = up_to(part).saturating_sub(*rows).min(left);
            *rows += more;
            left -= more;
        }
    };
    for at in 0..parts.len() {
        grow(at, |part| part.enough);
    }
    for &at in last {
        grow(at, |part| part.most);
    }
    rows
}

/// The first row of each part and its rows, when they stand one below the other.
pub(super) fn stack<const N: usize>(rows: [u16; N]) -> [(u16, u16); N] {
    let mut top: u16 = 0;
    rows.map(|rows| {
        let first = top;
        top = top.saturating_add(rows);
        (first, rows)
    })
}
