//! Makes text of other processes safe for a terminal.
//!
//! Thread names, cgroup paths and command lines are chosen by whoever runs the process. Control
//! characters (C0, DEL, and the C1 set that some terminals obey in UTF-8 too) could move the cursor
//! or set a title; bidirectional controls could reorder what is read.

use std::{fmt::Write as _, io};

/// Whether a character must not reach a terminal as it is.
pub fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}' | '\u{2029}'
        )
        || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text from bytes: invalid UTF-8 as `\xNN`, unsafe characters as `\u{NN}`.
pub fn text(bytes: &[u8]) -> String {
    let mut safe = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_unsafe(character) {
                // Writing to a String cannot fail.
                let _ok = write!(safe, "{}", character.escape_unicode());
            } else {
                safe.push(character);
            }
        }
        for byte in chunk.invalid() {
            let _ok = write!(safe, "\\x{byte:02x}");
        }
    }
    safe
}

/// A [`serde_json`] formatter that escapes unsafe characters in strings, beyond those below U+0020
/// that JSON itself asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonFormatter;

impl serde_json::ser::Formatter for JsonFormatter {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        // Nearly all text: names of fields, addresses, most names of programs.
        if fragment.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut rest = fragment;
        while let Some(at) = rest.find(is_unsafe) {
            let (before, from) = rest.split_at(at);
            writer.write_all(before.as_bytes())?;
            let mut characters = from.chars();
            if let Some(character) = characters.next() {
                write!(writer, "\\u{:04x}", u32::from(character))?;
            }
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize as _;

    use super::*;

    fn json(value: &str) -> String {
        let mut out = Vec::new();
        let mut serializer = serde_json::Serializer::with_formatter(&mut out, JsonFormatter);
        value.serialize(&mut serializer).expect("writes to memory");
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    const HOSTILE: &str = "a\x1b[2J\u{9b}1m\u{7f}\u{202e}\nz";

    #[test]
    fn nothing_unsafe_is_left_in_text() {
        let safe = text(HOSTILE.as_bytes());
        assert!(!safe.chars().any(is_unsafe), "{safe:?}");
        assert_eq!(safe, r"a\u{1b}[2J\u{9b}1m\u{7f}\u{202e}\u{a}z");
    }

    #[test]
    fn invalid_utf8_is_shown_by_byte() {
        assert_eq!(text(b"ok\xff\x9b!"), r"ok\xff\x9b!");
    }

    #[test]
    fn ordinary_text_is_left_alone() {
        assert_eq!(text("nginx: wörker 日本".as_bytes()), "nginx: wörker 日本");
    }

    #[test]
    fn json_is_safe_and_reads_back_the_same() {
        let written = json(HOSTILE);
        assert!(!written.chars().any(is_unsafe), "{written:?}");
        let back: String = serde_json::from_str(&written).expect("valid JSON");
        assert_eq!(back, HOSTILE);
    }
}
