//! Events as NDJSON: one object a line, the contract for scripts.

use std::{io, time::Duration};

use jiff::Timestamp;
use serde::{
    Serialize,
    ser::{SerializeMap, Serializer},
};

use super::{Context, EventView, call, errno_name};
use crate::{
    escape::JsonFormatter,
    event::{Event, Kind, Losses, Restrictions},
};

/// Writes events as NDJSON.
pub struct Json<W> {
    out: W,
    /// A line, put together here: it goes out in one piece.
    line: Vec<u8>,
    time: TimeOfDay,
}

impl<W: io::Write> Json<W> {
    /// To this writer, which should be buffered.
    pub fn new(out: W) -> Self {
        Self {
            out,
            line: Vec::new(),
            time: TimeOfDay::default(),
        }
    }
}

impl<W: io::Write> EventView for Json<W> {
    const SHOWS_CGROUP: bool = true;

    fn event(&mut self, event: &Event, context: Context<'_>) -> io::Result<()> {
        let Self { out, line, time } = self;
        let time = time.rfc3339(context.clock.timestamp(event.time));
        line.clear();
        write_line(
            &mut *line,
            &Line {
                time,
                event,
                context,
            },
        )?;
        out.write_all(line)
    }

    fn lost(&mut self, since_last: &Losses, now: Timestamp) -> io::Result<()> {
        for (kind, count) in since_last.by_kind() {
            if count != 0 && kind != "skipped" {
                let lost = Lost {
                    time: rfc3339(now),
                    event: "lost",
                    kind,
                    count,
                };
                write_line(&mut self.out, &lost)?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writes one object as a line.
pub(super) fn write_line<W: io::Write>(mut out: W, value: &impl Serialize) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, JsonFormatter);
    value.serialize(&mut serializer)?;
    out.write_all(b"\n")
}

#[derive(Serialize)]
struct Lost {
    time: String,
    event: &'static str,
    kind: &'static str,
    count: u64,
}

struct Line<'a> {
    time: &'a str,
    event: &'a Event,
    context: Context<'a>,
}

pub(super) fn rfc3339(time: Timestamp) -> String {
    format!("{time:.9}")
}

/// Writes times as [`rfc3339`] does, most of which are of the same second as the one before.
#[derive(Default)]
struct TimeOfDay {
    /// In seconds, what `text` says.
    second: Option<i64>,
    text: String,
}

/// Digits behind the point, and the `Z` behind them.
const FRACTION: usize = 9;

impl TimeOfDay {
    fn rfc3339(&mut self, time: Timestamp) -> &str {
        let nanos = time.subsec_nanosecond();
        // Before 1970 the fraction counts from the other side.
        let second = (nanos >= 0 && time.as_second() >= 0).then(|| time.as_second());
        if second.is_none() || second != self.second {
            self.text = rfc3339(time);
            self.second = second;
            return &self.text;
        }
        self.text.truncate(self.text.len() - FRACTION - 1);
        let mut digits = [b'0'; FRACTION];
        let mut rest = nanos.unsigned_abs();
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        self.text.extend(digits.map(char::from));
        self.text.push('Z');
        &self.text
    }
}

/// A number as 16 hexadecimal digits.
struct Hex(u64);

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

/// Nanoseconds; 2^64 of them are 584 years.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            time,
            event,
            context,
        } = self;
        let owner = &event.owner;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("time", time)?;
        map.serialize_entry("event", event.kind.name())?;
        map.serialize_entry("proto", event.proto.name())?;
        map.serialize_entry("netns", &event.netns)?;
        map.serialize_entry("pid", &owner.pid)?;
        map.serialize_entry("tid", &owner.tid)?;
        map.serialize_entry("uid", &owner.uid)?;
        map.serialize_entry("comm", &String::from_utf8_lossy(&owner.comm))?;
        map.serialize_entry("cgroup", &context.cgroup)?;
        // As text: a JSON number would be rounded by readers that have only doubles.
        map.serialize_entry("socket", &Hex(event.socket))?;
        map.serialize_entry("src", &event.src)?;
        map.serialize_entry("src_port", &event.src_port)?;
        let to = (!matches!(event.kind, Kind::BindFailed { .. })).then_some(event);
        map.serialize_entry("dst", &to.map(|event| event.dst))?;
        map.serialize_entry("dst_port", &to.map(|event| event.dst_port))?;
        match &event.kind {
            Kind::Connect {
                bound,
                by_number,
                search,
                restrictions,
            } => {
                map.serialize_entry("bound", bound)?;
                if *bound {
                    map.serialize_entry("by_number", by_number)?;
                }
                map.serialize_entry("search_ns", &search.map(nanos))?;
                restricted(&mut map, *restrictions)?;
            }
            Kind::ConnectFailed {
                errno,
                cause,
                search,
                restrictions,
            } => {
                map.serialize_entry("errno", &errno_name(*errno))?;
                map.serialize_entry("cause", cause.name())?;
                map.serialize_entry("search_ns", &search.map(nanos))?;
                restricted(&mut map, *restrictions)?;
            }
            Kind::BindFailed {
                call,
                errno,
                cause,
                restrictions,
            } => {
                map.serialize_entry("call", call.name())?;
                map.serialize_entry("errno", &errno_name(*errno))?;
                map.serialize_entry("cause", cause.name())?;
                restricted(&mut map, *restrictions)?;
            }
            Kind::State { from, to } => {
                map.serialize_entry("from", from.name())?;
                map.serialize_entry("to", to.name())?;
            }
            Kind::TimeWait { substate } => {
                map.serialize_entry("owner_pid", &owner.pid)?;
                map.serialize_entry("owner_comm", &String::from_utf8_lossy(&owner.comm))?;
                map.serialize_entry("substate", substate.name())?;
            }
            Kind::Released {
                held,
                time_wait,
                reason,
            } => {
                map.serialize_entry("held_ns", &nanos(*held))?;
                map.serialize_entry("time_wait_ns", &time_wait.map(nanos))?;
                map.serialize_entry("reason", reason.name())?;
            }
        }
        if let Some(call) = context.call {
            call::serialize(&mut map, call)?;
        }
        map.end()
    }
}

/// The device that the socket is bound to and its own port range, only where it has them.
fn restricted<M: SerializeMap>(map: &mut M, restrictions: Restrictions) -> Result<(), M::Error> {
    let Restrictions { dev, lo, hi } = restrictions;
    if dev != 0 {
        map.serialize_entry("dev", &dev)?;
    }
    if (lo, hi) != (0, 0) {
        map.serialize_entry("own_range", &[lo, hi])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
