//! What portex should have told, made from what the workload saw; and the comparison.

use std::collections::HashMap;
use std::fmt::Write as _;

use anyhow::{Result, bail, ensure};
use serde_json::Value;

use crate::event::Event;
use crate::fact::{Connect, Refused};

/// Differences of one kind that are printed; the rest is counted.
const SHOWN: usize = 6;

/// An event that must come, by the fields that are known.
#[derive(Clone, Debug)]
pub(crate) struct Expected(Vec<(&'static str, Value)>);

impl Expected {
    /// The fields that all events of a connection have in common.
    fn of(kind: &'static str, connect: &Connect) -> Self {
        Self(vec![
            ("event", kind.into()),
            ("proto", "tcp".into()),
            ("pid", connect.pid.into()),
            ("tid", connect.tid.into()),
            ("uid", connect.uid.into()),
            ("comm", connect.comm.as_str().into()),
            ("cgroup", connect.cgroup.clone().into()),
            ("src", connect.local.ip().to_canonical().to_string().into()),
            ("src_port", connect.local.port().into()),
            ("dst", connect.dst.ip().to_canonical().to_string().into()),
            ("dst_port", connect.dst.port().into()),
        ])
    }

    pub(crate) fn connect(connect: &Connect) -> Self {
        Self::of("connect", connect).with("bound", connect.bound)
    }

    /// A failure leaves the caller without an address: it must come from elsewhere.
    pub(crate) fn failed(connect: &Connect, cause: &str) -> Self {
        Self::of("connect_failed", connect)
            .with("src_port", Value::Null)
            .without("src")
            .with("errno", "EADDRNOTAVAIL")
            .with("cause", cause)
    }

    /// What went wrong follows from the errno and from whether a port was asked for by number.
    pub(crate) fn bind_failed(refused: &Refused) -> Self {
        let port = refused.wanted.port();
        let cause = match (refused.errno.as_str(), port) {
            ("EADDRINUSE" | "EAGAIN", 0) => "pool_exhausted",
            ("EADDRINUSE", _) => "port_in_use",
            ("EADDRNOTAVAIL", _) => "address_not_local",
            _ => "unknown",
        };
        Self(vec![
            ("event", "bind_failed".into()),
            ("proto", refused.proto.as_str().into()),
            ("call", refused.call.as_str().into()),
            ("errno", refused.errno.as_str().into()),
            ("cause", cause.into()),
            ("pid", refused.pid.into()),
            ("tid", refused.tid.into()),
            ("uid", refused.uid.into()),
            ("comm", refused.comm.as_str().into()),
            ("cgroup", refused.cgroup.clone().into()),
            ("src", refused.wanted.ip().to_canonical().to_string().into()),
            ("src_port", (port != 0).then_some(port).into()),
            ("dst", Value::Null),
            ("dst_port", Value::Null),
        ])
    }

    /// A bind() to port 0 that found none.
    pub(crate) fn full_pool(proto: &str) -> Self {
        Self(vec![
            ("event", "bind_failed".into()),
            ("proto", proto.into()),
            ("call", "bind".into()),
            ("errno", "EADDRINUSE".into()),
            ("cause", "pool_exhausted".into()),
            ("src_port", Value::Null),
        ])
    }

    pub(crate) fn time_wait(connect: &Connect, substate: &str) -> Self {
        Self::of("time_wait", connect).with("substate", substate)
    }

    /// The end of a connection that had no `TIME_WAIT`.
    pub(crate) fn released(connect: &Connect) -> Self {
        Self::of("released", connect).with("had_time_wait", false)
    }

    /// The end of a `TIME_WAIT`.
    pub(crate) fn released_time_wait(connect: &Connect, reason: &str) -> Self {
        Self::of("released", connect)
            .with("had_time_wait", true)
            .with("reason", reason)
    }

    pub(crate) fn with(mut self, field: &'static str, value: impl Into<Value>) -> Self {
        self = self.without(field);
        self.0.push((field, value.into()));
        self
    }

    pub(crate) fn without(mut self, field: &str) -> Self {
        self.0.retain(|(name, _)| *name != field);
        self
    }

    fn matches(&self, event: &Event) -> bool {
        self.0
            .iter()
            .all(|(field, value)| event.value(field) == *value)
    }

    fn line(&self) -> String {
        self.0
            .iter()
            .fold(String::new(), |mut line, (field, value)| {
                // Writing to a string cannot fail.
                let _ = write!(line, "{field}={value} ");
                line
            })
    }
}

/// Exactly these events, each once, in any order; and each connection's in a sensible one.
pub(crate) fn compare(expected: &[Expected], events: &[Event]) -> Result<()> {
    let (missing, unexpected) = difference(expected, events);
    if !missing.is_empty() || !unexpected.is_empty() {
        bail!(
            "{} events expected, {} came{}{}",
            expected.len(),
            events.len(),
            list("missing", &missing),
            list("unexpected", &unexpected)
        );
    }
    consistent(events)
}

/// The events that are none of the expected ones, of which some may be missing.
pub(crate) fn unexpected(expected: &[Expected], events: &[Event]) -> Vec<String> {
    difference(expected, events).1
}

fn difference(expected: &[Expected], events: &[Event]) -> (Vec<String>, Vec<String>) {
    let mut left: Vec<&Event> = events.iter().collect();
    let mut missing = Vec::new();
    for wanted in expected {
        match left.iter().position(|event| wanted.matches(event)) {
            Some(at) => drop(left.remove(at)),
            None => missing.push(wanted.line()),
        }
    }
    (missing, left.into_iter().map(Event::line).collect())
}

fn list(title: &str, lines: &[String]) -> String {
    let mut text = String::new();
    if !lines.is_empty() {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{title}: {}", lines.len());
    }
    for line in lines.iter().take(SHOWN) {
        let _ = write!(text, "\n  {line}");
    }
    text
}

/// What holds for any stream: a connection's events carry one `socket` and one address pair, begin
/// with its `connect` and end with its `released`.
fn consistent(events: &[Event]) -> Result<()> {
    let mut open: HashMap<Value, &Event> = HashMap::new();
    for event in events {
        let socket = event.value("socket");
        match event.kind() {
            "connect" => {
                ensure!(!socket.is_null(), "no socket: {}", event.line());
                if let Some(before) = open.insert(socket, event) {
                    bail!(
                        "one socket, two connects:\n  {}\n  {}",
                        before.line(),
                        event.line()
                    );
                }
            }
            kind @ ("time_wait" | "released") => {
                let Some(connect) = open.get(&socket) else {
                    bail!(
                        "no connect with this socket came before:\n  {}",
                        event.line()
                    );
                };
                for field in ["src", "src_port", "dst", "dst_port", "netns", "pid", "tid"] {
                    let same = event.value(field) == connect.value(field);
                    ensure!(
                        same,
                        "{field} differs:\n  {}\n  {}",
                        connect.line(),
                        event.line()
                    );
                }
                if kind == "released" {
                    open.remove(&socket);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Expected, compare};
    use crate::event::Event;
    use crate::fact::Connect;

    fn fact() -> Connect {
        Connect {
            at_ns: 1,
            pid: 10,
            tid: 11,
            uid: 0,
            comm: "load".to_owned(),
            cgroup: None,
            errno: None,
            bound: false,
            local: "127.0.0.1:40000".parse().unwrap(),
            dst: "[::ffff:127.0.0.1]:5000".parse().unwrap(),
        }
    }

    fn event(kind: &str, tid: u32) -> Event {
        Event::parse(&format!(
            r#"{{"time":"2026-01-01T00:00:00.5Z","event":"{kind}","proto":"tcp","netns":1,"pid":10,"tid":{tid},"uid":0,
            "comm":"load","cgroup":null,"socket":"a","src":"127.0.0.1","src_port":40000,
            "dst":"127.0.0.1","dst_port":5000,"bound":false,"search_ns":1,"held_ns":1,
            "time_wait_ns":null,"reason":"closed"}}"#
        ))
        .unwrap()
    }

    #[test]
    fn the_same_is_the_same() {
        let expected = [Expected::connect(&fact()), Expected::released(&fact())];
        compare(&expected, &[event("connect", 11), event("released", 11)]).unwrap();
    }

    #[test]
    fn anything_else_is_not() {
        let expected = [Expected::connect(&fact())];
        let differing: [&[Event]; 3] = [
            &[],
            &[event("connect", 12)],
            &[event("connect", 11), event("released", 11)],
        ];
        for events in differing {
            compare(&expected, events).unwrap_err();
        }
    }

    #[test]
    fn a_release_needs_its_connect() {
        let expected = [Expected::released(&fact())];
        compare(&expected, &[event("released", 11)]).unwrap_err();
    }
}
