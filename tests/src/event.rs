//! One line of `portex trace --json`, read by the contract and not by portex's own types.

use std::net::IpAddr;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value};

/// Fields that every line about a connection has, null or not.
const ALWAYS: [&str; 14] = [
    "time", "event", "proto", "netns", "pid", "tid", "uid", "comm", "cgroup", "socket", "src",
    "src_port", "dst", "dst_port",
];

#[derive(Clone, Debug)]
pub(crate) struct Event(Map<String, Value>);

impl Event {
    pub(crate) fn parse(line: &str) -> Result<Self> {
        let event: Map<String, Value> =
            serde_json::from_str(line).with_context(|| format!("not a JSON object: {line}"))?;
        let event = Self(event);
        ensure!(event.text("time").ends_with('Z'), "no time in UTC: {line}");
        let more: &[&str] = match event.kind() {
            "connect" => &["bound", "search_ns"],
            "connect_failed" => &["errno", "cause", "search_ns"],
            "bind_failed" => &["call", "errno", "cause"],
            "state" => &["from", "to"],
            "time_wait" => &["substate"],
            "released" => &["held_ns", "time_wait_ns", "reason"],
            "failure_group" => return Ok(event),
            "lost" => {
                ensure!(event.0["count"].is_u64(), "no count: {line}");
                return Ok(event);
            }
            _ => &[],
        };
        for field in ALWAYS.iter().chain(more) {
            ensure!(
                event.0.contains_key(*field),
                "field {field:?} is missing: {line}"
            );
        }
        Ok(event)
    }

    pub(crate) fn kind(&self) -> &str {
        self.text("event")
    }

    /// What sorts by time: whole seconds, then a fraction of any length.
    pub(crate) fn time(&self) -> (&str, &str) {
        let time = self.text("time").trim_end_matches('Z');
        let (seconds, fraction) = time.split_once('.').unwrap_or((time, ""));
        (seconds, fraction.trim_end_matches('0'))
    }

    /// A field's text; empty when it is none.
    pub(crate) fn text(&self, field: &str) -> &str {
        self.0
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    pub(crate) fn number(&self, field: &str) -> Option<u64> {
        self.0.get(field).and_then(Value::as_u64)
    }

    pub(crate) fn address(&self, field: &str) -> Option<IpAddr> {
        self.text(field)
            .parse::<IpAddr>()
            .ok()
            .map(|address| address.to_canonical())
    }

    /// A field, or what follows from fields: `had_time_wait`; an address without its mapping.
    pub(crate) fn value(&self, field: &str) -> Value {
        match field {
            "had_time_wait" => Value::from(self.number("time_wait_ns").is_some()),
            "src" | "dst" => self
                .address(field)
                .map_or(Value::Null, |address| Value::from(address.to_string())),
            _ => self.0.get(field).cloned().unwrap_or(Value::Null),
        }
    }

    /// How many items a list has.
    pub(crate) fn items(&self, field: &str) -> usize {
        self.list(field).len()
    }

    fn list(&self, field: &str) -> &[Value] {
        let list = self.0.get(field).and_then(Value::as_array);
        list.map_or(&[], Vec::as_slice)
    }

    /// The functions of a stack, innermost first; those without name are left out.
    pub(crate) fn functions(&self, stack: &str) -> Vec<String> {
        let frames = self.list(stack).iter();
        let names = frames.filter_map(|frame| frame["function"].as_str());
        names.map(ToOwned::to_owned).collect()
    }

    /// The first frame of a function.
    pub(crate) fn frame(&self, stack: &str, function: &str) -> Option<&Value> {
        let mut frames = self.list(stack).iter();
        frames.find(|frame| frame["function"] == function)
    }

    /// The offsets of those frames of a stack that are of one module.
    pub(crate) fn offsets(&self, stack: &str, module: &str) -> Vec<u64> {
        let frames = self.list(stack).iter();
        let of_module = frames.filter(|frame| frame["module"] == module);
        of_module
            .filter_map(|frame| frame["module_offset"].as_u64())
            .collect()
    }

    /// The whole line again, for people.
    pub(crate) fn line(&self) -> String {
        Value::from(self.0.clone()).to_string()
    }
}
