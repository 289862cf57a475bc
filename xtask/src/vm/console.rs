//! What a VM wrote on its console: made printable, and read for results.

use std::str::Chars;

use crate::counts::Counts;

/// How one scenario came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    Skipped,
}

/// What a console says of the scenarios that ran.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    /// Result lines counted by way of attaching, in order of appearance.
    pub(super) ways: Vec<(String, Counts)>,
    /// The last line's counts; none when the VM did not come to its end.
    pub(super) total: Option<Counts>,
}

impl Report {
    /// Reads a console that [`clean`] made printable.
    pub(super) fn read(console: &str) -> Self {
        let mut report = Self::default();
        for line in console.lines() {
            if let Some((way, outcome)) = result_line(line) {
                let counts = match outcome {
                    Outcome::Passed => Counts::PASSED,
                    Outcome::Failed => Counts::FAILED,
                    Outcome::Skipped => Counts::SKIPPED,
                };
                match report.ways.iter_mut().find(|(name, _)| name == way) {
                    Some((_, sum)) => *sum += counts,
                    None => report.ways.push((way.to_owned(), counts)),
                }
            } else if let Some(total) = Counts::of_scenarios(line) {
                report.total = Some(total);
            }
        }
        report
    }
}

/// From init's first words or the first result line to the line of counts: the rest is the firmware's
/// and the kernel's.
pub(super) fn results(console: &str) -> impl Iterator<Item = &str> {
    let end = console
        .lines()
        .position(|line| Counts::of_scenarios(line).is_some())
        .map_or(usize::MAX, |last| last + 1);
    console
        .lines()
        .take(end)
        .skip_while(|line| result_line(line).is_none() && !line.starts_with("portex-tests: "))
}

/// The last lines, for a VM that says nothing better.
pub(super) fn tail(console: &str, count: usize) -> impl Iterator<Item = &str> {
    let lines = console.lines().filter(|line| !line.trim().is_empty());
    let skipped = lines.clone().count().saturating_sub(count);
    lines.skip(skipped)
}

/// Way and outcome of `test SCENARIO [KERNEL WAY] ... OUTCOME`.
fn result_line(line: &str) -> Option<(&str, Outcome)> {
    let (head, outcome) = line.trim().strip_prefix("test ")?.split_once("] ... ")?;
    let (_, way) = head.rsplit_once('[')?.1.rsplit_once(' ')?;
    let outcome = match outcome {
        "ok" => Outcome::Passed,
        "FAILED" => Outcome::Failed,
        _ if outcome.starts_with("skipped") => Outcome::Skipped,
        _ => return None,
    };
    Some((way, outcome))
}

/// Makes console output safe to print: no terminal control sequences, no control characters.
pub(super) fn clean(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char == '\u{1b}' {
            skip_sequence(&mut chars);
        } else if !char.is_control() || matches!(char, '\n' | '\t') {
            out.push(char);
        }
    }
    out
}

/// Takes the rest of a control sequence.
fn skip_sequence(chars: &mut Chars<'_>) {
    match chars.next() {
        // ESC [ parameters final
        Some('[') => {
            chars.find(|char| ('@'..='~').contains(char));
        }
        // ESC ] text, up to BEL or ESC \
        Some(']') => {
            let end = chars.find(|char| matches!(char, '\u{7}' | '\u{1b}'));
            if end == Some('\u{1b}') {
                chars.next();
            }
        }
        // ESC and one character
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_sequences_are_gone() {
        assert_eq!(clean(b"\x1bc\x1b[?7l\x1b[2Jboot\r\n"), "boot\n");
        assert_eq!(clean(b"a\x1b[1;31mred\x1b[0m\x07b"), "aredb");
        assert_eq!(clean(b"\x1b]0;title\x07x\x1b]0;t\x1b\\y\x1b"), "xy");
    }

    #[test]
    fn results_are_counted_by_way() {
        let console = "Booting\n\
            test connect v4 [6.12.117+deb13-cloud-amd64 trampoline] ... ok\n\
            test connect v6 [6.12.117+deb13-cloud-amd64 trampoline] ... FAILED\n\
            \x20 expected 3 events, got 2\n\
            test connect v4 [6.12.117+deb13-cloud-amd64 kprobe] ... ok\n\
            test io_uring [6.12.117+deb13-cloud-amd64 kprobe] ... skipped: no io_uring\n\
            portex-tests: 2 passed, 1 failed, 1 skipped\n\
            [    3.0] reboot: Power down\n";
        let report = Report::read(console);
        assert_eq!(report.total, Some(Counts::new(2, 1, 1)));
        assert_eq!(
            report.ways,
            [
                ("trampoline".to_owned(), Counts::new(1, 1, 0)),
                ("kprobe".to_owned(), Counts::new(1, 0, 1)),
            ]
        );
        assert_eq!(results(console).count(), 6);
    }

    #[test]
    fn words_of_init_are_shown() {
        let console = "Booting\n\
            portex-tests: cannot load /modules/tcp_diag.ko: Exec format error\n\
            test connect v4 [6.1.192 kprobe] ... ok\n\
            portex-tests: 1 passed, 0 failed, 0 skipped\n";
        assert_eq!(results(console).count(), 3);
        assert!(
            results(console)
                .next()
                .is_some_and(|line| line.contains("cannot load"))
        );
    }

    #[test]
    fn a_cut_console_has_no_total() {
        let report = Report::read("test a [6.1 kprobe] ... ok\nKernel panic - not syncing");
        assert_eq!(report.total, None);
        assert_eq!(tail("a\n\nb\nc\n", 2).collect::<Vec<_>>(), ["b", "c"]);
    }

    #[test]
    fn other_lines_are_no_results() {
        for line in [
            "test a ... ok",
            "test a [6.1] ... ok",
            "test a [6.1 kprobe] ... okay",
            "a [6.1 kprobe] ... ok",
        ] {
            assert_eq!(result_line(line), None, "{line}");
        }
    }
}
