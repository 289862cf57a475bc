//! A line of JSON, put together in memory: at 100,000 events a second most of what `trace --json` costs.
//!
//! Names of fields are written as they are, quotes and all, and values by serde. serde_json's own maps hand
//! over each quote, colon and comma by itself, and look through names of fields for what is to be escaped:
//! that takes three times as long.

use std::io;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::rfc3339;
use crate::escape::JsonFormatter;

/// An object on a line of its own.
#[derive(Default)]
pub(super) struct Line {
    bytes: Vec<u8>,
}

/// Adds a field to a [`Line`]: a value for serde, or with `name` a text that needs no escaping.
macro_rules! field {
    ($line:expr, name $field:literal, $name:expr) => {
        $line.name(concat!(",\"", $field, "\":\""), $name)
    };
    ($line:expr, $field:literal, $value:expr) => {
        $line.value(concat!(",\"", $field, "\":"), $value)?
    };
}
pub(super) use field;

impl Line {
    /// A new one, whose first field is the time.
    pub(super) fn begin(&mut self, time: &str) {
        self.bytes.clear();
        self.name("{\"time\":\"", time);
    }

    /// See [`field`].
    #[inline]
    pub(super) fn value(&mut self, head: &str, value: &impl Serialize) -> io::Result<()> {
        self.bytes.extend_from_slice(head.as_bytes());
        value.serialize(&mut serializer(&mut self.bytes))?;
        Ok(())
    }

    /// See [`field`].
    #[inline]
    pub(super) fn name(&mut self, head: &str, name: &str) {
        self.bytes.extend_from_slice(head.as_bytes());
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(b'"');
    }

    /// Adds the fields of what serde writes as an object.
    pub(super) fn fields(&mut self, object: &impl Serialize) -> io::Result<()> {
        let at = self.bytes.len();
        object.serialize(&mut serializer(&mut self.bytes))?;
        if self.bytes.get(at..) == Some(b"{}") {
            self.bytes.truncate(at);
        } else if let Some(brace) = self.bytes.get_mut(at) {
            *brace = b',';
            self.bytes.pop();
        }
        Ok(())
    }

    /// The whole line.
    pub(super) fn end(&mut self) -> &[u8] {
        self.bytes.extend_from_slice(b"}\n");
        &self.bytes
    }
}

fn serializer(out: &mut Vec<u8>) -> serde_json::Serializer<&mut Vec<u8>, JsonFormatter> {
    serde_json::Serializer::with_formatter(out, JsonFormatter)
}

/// Writes times as [`rfc3339`] does, most of which are of the same second as the one before.
#[derive(Default)]
pub(super) struct TimeOfDay {
    /// Since 1970, what `text` says; `None` where it cannot be told so.
    second: Option<i64>,
    text: String,
}

/// Digits behind the point.
const FRACTION: usize = 9;

impl TimeOfDay {
    pub(super) fn rfc3339(&mut self, time: Timestamp) -> &str {
        // Before 1970 the fraction counts from the other side.
        let (second, nanos) = (time.as_second(), time.subsec_nanosecond());
        let second = (second >= 0 && nanos >= 0).then_some(second);
        if second.is_none() || second != self.second {
            self.text = rfc3339(time);
            self.second = second;
            return &self.text;
        }
        let whole = self.text.len().saturating_sub(FRACTION + 1);
        self.text.truncate(whole);
        let digits = decimal(nanos.unsigned_abs());
        self.text
            .push_str(str::from_utf8(&digits).unwrap_or_default());
        self.text.push('Z');
        &self.text
    }
}

fn decimal(mut number: u32) -> [u8; FRACTION] {
    let mut digits = [b'0'; FRACTION];
    for digit in digits.iter_mut().rev() {
        *digit = digit.saturating_add((number % 10) as u8);
        number /= 10;
    }
    digits
}

/// A number as 16 hexadecimal digits.
pub(super) struct Hex(pub(super) u64);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut digits = [0; 16];
        let mut rest = self.0;
        for digit in digits.iter_mut().rev() {
            let low = (rest & 0xf) as u8;
            *digit = if low < 10 {
                b'0' + low
            } else {
                b'a' + low - 10
            };
            rest >>= 4;
        }
        serializer.serialize_str(str::from_utf8(&digits).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_serde_writes_of_a_map() {
        let mut line = Line::default();
        for _ in 0..2 {
            line.begin("now");
            field!(line, name "kind", "a name");
            line.value(",\"hostile\":", &"\x1b\"\u{202e}\n")
                .expect("to memory");
            line.fields(&serde_json::json!({"more": [1, null], "yes": true}))
                .expect("to memory");
            line.fields(&serde_json::json!({})).expect("to memory");
            let text = str::from_utf8(line.end()).expect("UTF-8");
            let expected = r#"{"time":"now","kind":"a name","hostile":"\u001b\"\u202e\n","more":[1,null],"yes":true}"#;
            assert_eq!(text, format!("{expected}\n"));
        }
    }

    #[test]
    fn times_are_written_as_ever() {
        let mut times = TimeOfDay::default();
        let second = 1_795_412_346_i64;
        for (second, nanos) in [
            (second, 0),
            (second, 7),
            (second, 999_999_999),
            (second + 1, 120_000_000),
            (second - 1, 1),
            (0, 5),
            (0, 6),
            (-1, -5),
            (-1, -6),
            (0, -7),
            (second, 1_000),
        ] {
            let time = Timestamp::new(second, nanos).expect("in range");
            assert_eq!(times.rfc3339(time), rfc3339(time), "{second} {nanos}");
        }
        for time in [Timestamp::MAX, Timestamp::MAX, Timestamp::MIN] {
            assert_eq!(times.rfc3339(time), rfc3339(time));
        }
    }

    #[test]
    fn ids_have_sixteen_digits() {
        for number in [0, 9, 0xabc_def0_1234_5678, u64::MAX] {
            let written = serde_json::to_string(&Hex(number)).expect("to memory");
            assert_eq!(written, format!("\"{number:016x}\""));
        }
    }
}
