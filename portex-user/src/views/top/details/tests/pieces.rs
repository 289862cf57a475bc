//! Texts that must fit, bars, and rows that are shared out.

use proptest::prelude::*;

use super::scenes::ASCII;
use crate::views::top::{
    Theme,
    details::{
        chart::{bar, level, steps},
        layout::{Part, listed, share},
        text::{cut, cut_end, grouped, plain, safe, width, wrap},
    },
};

const UNICODE: Theme = Theme {
    color: true,
    unicode: true,
};

#[test]
fn thousands_stand_apart() {
    let texts = [0, 999, 1_000, 28_232, 1_234_567, u64::MAX].map(grouped);
    let expected = [
        "0",
        "999",
        "1,000",
        "28,232",
        "1,234,567",
        "18,446,744,073,709,551,615",
    ];
    assert_eq!(texts, expected);
}

#[test]
fn what_is_too_long_is_cut_in_the_middle_or_at_the_end() {
    assert_eq!(cut("abcdefgh", 8, UNICODE), "abcdefgh");
    assert_eq!(cut("abcdefgh", 7, UNICODE), "abc…fgh");
    assert_eq!(cut("abcdefgh", 7, ASCII), "abc~fgh");
    assert_eq!(cut("日本語日本語", 6, UNICODE), "日…語");
    assert_eq!(cut_end("abcdefgh", 5, UNICODE), "abcd…");
    assert_eq!(
        (cut("ab", 0, UNICODE), cut_end("ab", 0, UNICODE)),
        Default::default()
    );
}

#[test]
fn lines_break_at_spaces_and_the_last_one_says_that_there_is_more() {
    let lines = |text: &str, columns, most| wrap(text, columns, most, UNICODE);
    assert_eq!(lines("one two three", 20, 3), ["one two three"]);
    assert_eq!(lines("one two three", 9, 3), ["one two", "three"]);
    assert_eq!(lines("one two three", 7, 3), ["one two", "three"]);
    assert_eq!(lines("one two three", 7, 1), ["one tw…"]);
    assert_eq!(lines("abcdefghij", 4, 2), ["abcd", "efg…"]);
    assert_eq!(lines("日本", 1, 2), [""; 0]);
    assert_eq!(lines("", 5, 2), [""; 0]);
}

#[test]
fn piled_up_accents_and_joiners_take_the_room_that_they_need() {
    let text = "e\u{301}\u{301} a\u{200d}b\u{ad}";
    assert_eq!(plain(text, UNICODE), r"e\u{301}\u{301} a\u{200d}b\u{ad}");
    assert_eq!(plain("日é", UNICODE), "日é");
    // Flags, signs that stand around the next character, jamos, ligatures.
    assert_eq!(
        ["🇩🇪", "\u{600}1", "\u{1100}\u{1100}", "لا"].map(width),
        [2, 2, 4, 2]
    );
    assert_eq!(plain("日é", ASCII), r"\u{65e5}\u{e9}");
    // A text of another process is looked at to some length only.
    assert_eq!(safe(&vec![b'a'; 100_000], UNICODE).len(), 4_096);
}

proptest! {
    #[test]
    fn whatever_the_text_it_fits(text in ".{0,60}", columns in 0_usize..40, most in 0_usize..4) {
        let text = plain(&text, UNICODE);
        prop_assert_eq!(&plain(&text, UNICODE), &text);
        prop_assert!(width(&cut(&text, columns, UNICODE)) <= columns);
        prop_assert!(width(&cut_end(&text, columns, UNICODE)) <= columns);
        let lines = wrap(&text, columns, most, UNICODE);
        prop_assert!(lines.len() <= most);
        prop_assert!(lines.iter().all(|line| width(line) <= columns));
    }

    #[test]
    fn no_more_rows_are_shared_out_than_there_are(
        height in 0_u16..80,
        rows in proptest::collection::vec((0_u16..9, 0_u16..9, 0_u16..90), 0..8),
    ) {
        let parts: Vec<Part> = rows
            .into_iter()
            .map(|(least, more, most)| Part { least, enough: least + more, most: least + more + most })
            .collect();
        let last: Vec<usize> = (0..parts.len()).collect();
        let given = share(height, &parts, &last);
        prop_assert!(given.iter().sum::<u16>() <= height);
        for (rows, part) in given.iter().zip(&parts) {
            prop_assert!(*rows == 0 || (part.least..=part.most).contains(rows));
        }
        // What is left over is of no use to anybody who has a place.
        let useful = given.iter().zip(&parts).any(|(rows, part)| *rows > 0 && *rows < part.most);
        prop_assert!(!useful || given.iter().sum::<u16>() == height);
    }
}

#[test]
fn what_matters_more_gets_its_rows_first() {
    let parts = [Part::fixed(1), listed(100, 3), Part::lines(3), listed(0, 3)];
    assert_eq!(share(2, &parts, &[]), [1, 0, 1, 0]);
    assert_eq!(share(4, &parts, &[]), [1, 2, 1, 0]);
    assert_eq!(share(6, &parts, &[]), [1, 4, 1, 0]);
    assert_eq!(share(60, &parts, &[1]), [1, 56, 3, 0]);
}

#[test]
fn only_what_is_full_looks_full_and_only_nothing_looks_empty() {
    assert_eq!(
        [0.0, 1e-9, 0.5, 1.0].map(|share| steps(share, 8)),
        [0, 1, 4, 8]
    );
    assert_eq!(
        [0.0, 1e-9, 0.99, 1.0].map(|share| level(share, &['a', 'b', 'c'])),
        ['a', 'b', 'c', 'c']
    );
    let bars = |theme| [0.0, 1e-9, 0.5, 0.999, 1.0, 7.0].map(|share| bar(share, 4, theme));
    assert_eq!(bars(UNICODE), ["", "▏", "██", "███▉", "████", "████"]);
    assert_eq!(bars(ASCII), ["", "#", "##", "###", "####", "####"]);
}
