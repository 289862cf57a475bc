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
}

impl<W: io::Write> Json<W> {
    /// To this writer, which should be buffered.
    pub fn new(out: W) -> Self {
        Self { out }
    }

    fn line(&mut self, value: &impl Serialize) -> io::Result<()> {
        write_line(&mut self.out, value)
    }
}

impl<W: io::Write> EventView for Json<W> {
    const SHOWS_CGROUP: bool = true;

    fn event(&mut self, event: &Event, context: Context<'_>) -> io::Result<()> {
        self.line(&Line { event, context })
    }

    fn lost(&mut self, since_last: &Losses, now: Timestamp) -> io::Result<()> {
        for (kind, count) in since_last.by_kind() {
            if count != 0 && kind != "skipped" {
                self.line(&Lost {
                    time: rfc3339(now),
                    event: "lost",
                    kind,
                    count,
                })?;
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
    event: &'a Event,
    context: Context<'a>,
}

pub(super) fn rfc3339(time: Timestamp) -> String {
    format!("{time:.9}")
}

/// Nanoseconds; 2^64 of them are 584 years.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { event, context } = self;
        let owner = &event.owner;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("time", &rfc3339(context.clock.timestamp(event.time)))?;
        map.serialize_entry("event", event.kind.name())?;
        map.serialize_entry("proto", event.proto.name())?;
        map.serialize_entry("netns", &event.netns)?;
        map.serialize_entry("pid", &owner.pid)?;
        map.serialize_entry("tid", &owner.tid)?;
        map.serialize_entry("uid", &owner.uid)?;
        map.serialize_entry("comm", &String::from_utf8_lossy(&owner.comm))?;
        map.serialize_entry("cgroup", &context.cgroup)?;
        // As text: a JSON number would be rounded by readers that have only doubles.
        map.serialize_entry("socket", &format!("{:016x}", event.socket))?;
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
