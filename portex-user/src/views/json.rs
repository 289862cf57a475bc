//! Events as NDJSON: one object a line, the contract for scripts.

mod line;

use std::{io, time::Duration};

use jiff::Timestamp;
use serde::{
    Serialize,
    ser::{SerializeMap, Serializer},
};

use self::line::{Hex, Line, TimeOfDay, field};
use super::{Context, EventView, call, errno_name};
use crate::{
    call::Call,
    escape::JsonFormatter,
    event::{Event, Kind, Losses, Restrictions},
};

/// Writes events as NDJSON.
pub struct Json<W> {
    out: W,
    line: Line,
    time: TimeOfDay,
}

impl<W: io::Write> Json<W> {
    /// To this writer, which should be buffered.
    pub fn new(out: W) -> Self {
        Self {
            out,
            line: Line::default(),
            time: TimeOfDay::default(),
        }
    }
}

impl<W: io::Write> EventView for Json<W> {
    const SHOWS_CGROUP: bool = true;

    fn event(&mut self, event: &Event, context: Context<'_>) -> io::Result<()> {
        let Self { out, line, time } = self;
        line.begin(time.rfc3339(context.clock.timestamp(event.time)));
        put(line, event, context)?;
        out.write_all(line.end())
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

pub(super) fn rfc3339(time: Timestamp) -> String {
    format!("{time:.9}")
}

/// Nanoseconds; 2^64 of them are 584 years.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The fields of an event, behind the time.
fn put(line: &mut Line, event: &Event, context: Context<'_>) -> io::Result<()> {
    let owner = &event.owner;
    field!(line, name "event", event.kind.name());
    field!(line, name "proto", event.proto.name());
    field!(line, "netns", &event.netns);
    field!(line, "pid", &owner.pid);
    field!(line, "tid", &owner.tid);
    field!(line, "uid", &owner.uid);
    field!(line, "comm", &String::from_utf8_lossy(&owner.comm));
    field!(line, "cgroup", &context.cgroup);
    // As text: a JSON number would be rounded by readers that have only doubles.
    field!(line, "socket", &Hex(event.socket));
    field!(line, "src", &event.src);
    field!(line, "src_port", &event.src_port);
    let to = (!matches!(event.kind, Kind::BindFailed { .. })).then_some(event);
    field!(line, "dst", &to.map(|event| event.dst));
    field!(line, "dst_port", &to.map(|event| event.dst_port));
    put_kind(line, event)?;
    if let Some(call) = context.call {
        line.fields(&InFull(call))?;
    }
    Ok(())
}

/// What events of this kind say.
fn put_kind(line: &mut Line, event: &Event) -> io::Result<()> {
    match &event.kind {
        Kind::Connect {
            bound,
            by_number,
            search,
            restrictions,
        } => {
            field!(line, "bound", bound);
            if *bound {
                field!(line, "by_number", by_number);
            }
            field!(line, "search_ns", &search.map(nanos));
            restricted(line, *restrictions)
        }
        Kind::ConnectFailed {
            errno,
            cause,
            search,
            restrictions,
        } => {
            field!(line, name "errno", &errno_name(*errno));
            field!(line, name "cause", cause.name());
            field!(line, "search_ns", &search.map(nanos));
            restricted(line, *restrictions)
        }
        Kind::BindFailed {
            call,
            errno,
            cause,
            restrictions,
        } => {
            field!(line, name "call", call.name());
            field!(line, name "errno", &errno_name(*errno));
            field!(line, name "cause", cause.name());
            restricted(line, *restrictions)
        }
        Kind::State { from, to } => {
            field!(line, name "from", from.name());
            field!(line, name "to", to.name());
            Ok(())
        }
        Kind::TimeWait { substate } => {
            let owner = &event.owner;
            field!(line, "owner_pid", &owner.pid);
            field!(line, "owner_comm", &String::from_utf8_lossy(&owner.comm));
            field!(line, name "substate", substate.name());
            Ok(())
        }
        Kind::Released {
            held,
            time_wait,
            reason,
        } => {
            field!(line, "held_ns", &nanos(*held));
            field!(line, "time_wait_ns", &time_wait.map(nanos));
            field!(line, name "reason", reason.name());
            Ok(())
        }
    }
}

/// The device that the socket is bound to and its own port range, only where it has them.
fn restricted(line: &mut Line, restrictions: Restrictions) -> io::Result<()> {
    let Restrictions { dev, lo, hi } = restrictions;
    if dev != 0 {
        field!(line, "dev", &dev);
    }
    if (lo, hi) != (0, 0) {
        field!(line, "own_range", &[lo, hi]);
    }
    Ok(())
}

/// The fields of a failing call.
struct InFull<'a>(&'a Call);

impl Serialize for InFull<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        call::serialize(&mut map, self.0)?;
        map.end()
    }
}
