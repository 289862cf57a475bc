//! What is seen on a terminal.

use std::fmt;

/// What is seen, without colours and without blanks at the ends of lines.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Screen(String);

/// A line of headings, and the lines below.
pub(crate) struct Table<'a> {
    headings: &'a str,
    rows: Vec<&'a str>,
}

impl Screen {
    /// From its lines.
    pub(super) fn new(lines: String) -> Self {
        Self(lines)
    }

    /// Whether a text is on one of its lines.
    pub(crate) fn contains(&self, text: &str) -> bool {
        self.row(text).is_some()
    }

    /// The first line with a text.
    pub(crate) fn row(&self, text: &str) -> Option<&str> {
        self.lines().find(|line| line.contains(text))
    }

    /// The table with this heading, if there is one.
    pub(crate) fn table(&self, heading: &str) -> Option<Table<'_>> {
        let mut rows = self.lines();
        let headings = rows.find(|line| place(line, heading).is_some())?;
        Some(Table {
            headings,
            rows: rows.collect(),
        })
    }

    /// All of its lines, from the top.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.lines()
    }
}

impl fmt::Display for Screen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.trim_end())
    }
}

impl<'a> Table<'a> {
    /// The first row with a text.
    pub(crate) fn row(&self, text: &str) -> Option<&'a str> {
        self.rows.iter().find(|row| row.contains(text)).copied()
    }

    /// How many rows have a text.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.rows.iter().filter(|row| row.contains(text)).count()
    }

    /// What stands under a heading in the first row with a text: the word that has a column with it
    /// in common; empty if none has.
    pub(crate) fn cell(&self, text: &str, heading: &str) -> Option<String> {
        let (begin, end) = place(self.headings, heading)?;
        let row: Vec<char> = self.row(text)?.chars().collect();
        let blank = |at: usize| row.get(at).is_none_or(|c| *c == ' ');
        let Some(inside) = (begin..end).find(|at| !blank(*at)) else {
            return Some(String::new());
        };
        let first = (0..=inside).rev().take_while(|at| !blank(*at)).last();
        let word = (first.unwrap_or(inside)..).take_while(|at| !blank(*at));
        Some(word.filter_map(|at| row.get(at)).collect())
    }

    /// Whether the rows with these texts are there, in this order.
    pub(crate) fn in_order(&self, texts: &[&str]) -> bool {
        let at = |text: &&str| self.rows.iter().position(|row| row.contains(text));
        let at: Vec<_> = texts.iter().map(at).collect();
        at.iter().all(Option::is_some) && at.is_sorted()
    }
}

/// First column of a heading and the one after its last, where it stands for itself in a line: a mark
/// of the order may follow.
fn place(line: &str, heading: &str) -> Option<(usize, usize)> {
    line.match_indices(heading).find_map(|(at, _)| {
        let (before, after) = (line.get(..at)?, line.get(at + heading.len()..)?);
        let ends = |c: char| c == ' ' || !c.is_ascii_uppercase() && c != '/';
        let stands = before.chars().next_back().is_none_or(|c| c == ' ')
            && after.chars().next().is_none_or(ends);
        let begin = before.chars().count();
        stands.then(|| (begin, begin + heading.chars().count()))
    })
}

/// Whether a line of [`super::Terminal::colored`] sets a colour: SGR 30 to 49 and 90 to 107 (ECMA-48).
/// The default colours, 39 and 49, are none.
pub(crate) fn sets_color(line: &str) -> bool {
    line.split("\x1b[").skip(1).any(|after| {
        let end = after.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(0);
        let (parameters, rest) = after.split_at(end);
        rest.starts_with('m')
            && parameters
                .split([';', ':'])
                .filter_map(|number| number.parse::<u16>().ok())
                .any(|number| matches!(number, 30..=38 | 40..=48 | 90..=107))
    })
}

#[cfg(test)]
mod tests {
    use super::{Screen, sets_color};

    #[test]
    fn cells_stand_under_their_headings() {
        let screen = "TWO of all\n  NAME  FAIL/S   TW▼ FAIL\n  ä-1     12.5  100    7\n  b  3\n";
        let screen = Screen(screen.to_owned());
        let table = screen.table("TW").expect("a table");
        let cell = |text, heading| table.cell(text, heading);
        assert_eq!(cell("ä", "NAME").as_deref(), Some("ä-1"));
        assert_eq!(cell("ä", "FAIL/S").as_deref(), Some("12.5"));
        assert_eq!(cell("ä", "TW").as_deref(), Some("100"));
        assert_eq!(cell("ä", "FAIL").as_deref(), Some("7"));
        assert_eq!(cell("b", "TW").as_deref(), Some(""));
        assert_eq!(cell("c", "TW"), None);
        assert_eq!(cell("b", "OWNER"), None);
        assert!(table.in_order(&["ä", "b"]) && !table.in_order(&["b", "ä"]));
        assert!(!table.in_order(&["ä", "c"]) && table.count("ä") == 1);
    }

    #[test]
    fn colors_are_told_from_other_attributes() {
        for line in [
            "\x1b[31mx",
            "a\x1b[1;42mx",
            "\x1b[38;5;7mx",
            "\x1b[0m\x1b[97mx",
        ] {
            assert!(sets_color(line), "{line:?}");
        }
        for line in [
            "31m",
            "\x1b[1;7mx\x1b[0m",
            "\x1b[39m\x1b[49m",
            "\x1b[31H",
            "\x1b[m",
        ] {
            assert!(!sets_color(line), "{line:?}");
        }
    }
}
