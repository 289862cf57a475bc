//! Failures by where they come from: the same call of the same program that fails for the same reason
//! is told once, with how often. The most frequent first.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{
    Serialize,
    ser::{SerializeMap, Serializer},
};

use super::{
    Context, EventView, Style, call, errno_name,
    json::{self, rfc3339},
};
use crate::{
    call::Call,
    clock::Clock,
    escape,
    event::{Comm, Event, Kind, Losses, Proto},
    symbols::Place,
};

/// Groups that are kept. What belongs to more is counted, and told at the end.
const MOST: usize = 4_096;
/// Processes and destinations of one group that are told apart.
const MOST_PIDS: usize = 4_096;
const MOST_DESTINATIONS: usize = 1_024;
/// Destinations of a group that are shown.
const SHOWN: usize = 5;

/// What failures of one group have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    proto: Proto,
    /// `connect`, `bind`, `listen`, `autobind`.
    call: &'static str,
    errno: u16,
    cause: &'static str,
    /// Of the thread; threads of one place may have several names.
    comm: Option<Comm>,
    place: Option<Place>,
}

struct Group {
    count: u64,
    first: Duration,
    last: Duration,
    comm: Comm,
    netns: u32,
    pids: FxHashSet<u32>,
    destinations: FxHashMap<(IpAddr, u16), u64>,
    /// Of the first failure.
    example: Option<Arc<Call>>,
}

/// Gathers failures, and writes the groups when nothing more comes.
pub struct Groups<W> {
    out: W,
    /// One JSON object a line, else text in this style.
    style: Option<Style>,
    by_key: FxHashMap<Key, Group>,
    /// Failures that there was no group left for.
    left_out: u64,
    losses: BTreeMap<&'static str, u64>,
    clock: Option<Clock>,
}

impl<W: io::Write> Groups<W> {
    /// For people.
    pub fn text(out: W, style: Style) -> Self {
        Self::new(out, Some(style))
    }

    /// For programs: NDJSON, an object a group.
    pub fn json(out: W) -> Self {
        Self::new(out, None)
    }

    fn new(out: W, style: Option<Style>) -> Self {
        Self {
            out,
            style,
            by_key: FxHashMap::default(),
            left_out: 0,
            losses: BTreeMap::new(),
            clock: None,
        }
    }

    /// The most frequent first, then the earliest.
    fn sorted(&self) -> Vec<(&Key, &Group)> {
        let mut groups: Vec<_> = self.by_key.iter().collect();
        groups.sort_by_key(|(_, group)| (std::cmp::Reverse(group.count), group.first));
        groups
    }

    fn write_text(&mut self, style: &Style, clock: &Clock) -> io::Result<()> {
        let groups = self.sorted();
        let failures: u64 = groups.iter().map(|(_, group)| group.count).sum();
        let mut text = Vec::new();
        let summary = format!("{failures} failures from {} places", groups.len());
        io::Write::write_fmt(&mut text, format_args!("{summary}\n"))?;
        for (key, group) in groups {
            group.write(&mut text, key, style, clock)?;
        }
        self.out.write_all(&text)?;
        if self.left_out > 0 {
            writeln!(
                self.out,
                "\n{} more, from places beyond the first {MOST}",
                self.left_out
            )?;
        }
        let lost: Vec<String> = self
            .losses
            .iter()
            .map(|(k, n)| format!("{n} {k}"))
            .collect();
        if !lost.is_empty() {
            writeln!(self.out, "\n-- lost: {} --", lost.join(", "))?;
        }
        Ok(())
    }

    fn write_json(&mut self, clock: &Clock) -> io::Result<()> {
        let groups = self.sorted();
        let told = groups.iter().map(|(_, group)| group.last).max();
        let told = told.unwrap_or_default();
        let lines = groups.into_iter().map(|(key, group)| Line {
            key,
            group,
            clock,
            told,
        });
        let mut text = Vec::new();
        for line in lines {
            json::write_line(&mut text, &line)?;
        }
        self.out.write_all(&text)?;
        let now = rfc3339(clock.timestamp(told));
        if self.left_out > 0 {
            let left_out = Lost {
                time: now.clone(),
                event: "lost",
                kind: "group",
                count: self.left_out,
            };
            json::write_line(&mut self.out, &left_out)?;
        }
        for (&kind, &count) in &self.losses {
            let lost = Lost {
                time: now.clone(),
                event: "lost",
                kind,
                count,
            };
            json::write_line(&mut self.out, &lost)?;
        }
        Ok(())
    }
}

impl<W: io::Write> EventView for Groups<W> {
    const SHOWS_CGROUP: bool = false;

    fn event(&mut self, event: &Event, context: Context<'_>) -> io::Result<()> {
        let (call, errno, cause) = match &event.kind {
            Kind::ConnectFailed { errno, cause, .. } => ("connect", *errno, *cause),
            Kind::BindFailed {
                call, errno, cause, ..
            } => (call.name(), *errno, *cause),
            _ => return Ok(()),
        };
        self.clock = Some(*context.clock);
        let place = context.call.map(|call| call.stack.place());
        let key = Key {
            proto: event.proto,
            call,
            errno,
            cause: cause.name(),
            // Without a stack, the name is what is left to tell programs apart.
            comm: place.is_none().then_some(event.owner.comm),
            place,
        };
        if self.by_key.len() >= MOST && !self.by_key.contains_key(&key) {
            self.left_out += 1;
            return Ok(());
        }
        let group = self.by_key.entry(key).or_insert_with(|| Group {
            count: 0,
            first: event.time,
            last: event.time,
            comm: event.owner.comm,
            netns: event.netns,
            pids: FxHashSet::default(),
            destinations: FxHashMap::default(),
            example: context.call.cloned().map(Arc::new),
        });
        group.count += 1;
        group.first = group.first.min(event.time);
        group.last = group.last.max(event.time);
        if group.pids.len() < MOST_PIDS {
            group.pids.insert(event.owner.pid);
        }
        if !matches!(event.kind, Kind::BindFailed { .. }) {
            let to = (event.dst, event.dst_port);
            if group.destinations.len() < MOST_DESTINATIONS || group.destinations.contains_key(&to)
            {
                *group.destinations.entry(to).or_default() += 1;
            }
        }
        Ok(())
    }

    fn lost(&mut self, since_last: &Losses, _now: Timestamp) -> io::Result<()> {
        for (kind, count) in since_last.by_kind() {
            if count != 0 && kind != "skipped" {
                *self.losses.entry(kind).or_default() += count;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn end(&mut self) -> io::Result<()> {
        let clock = self.clock.unwrap_or_default();
        match self.style.clone() {
            Some(style) => self.write_text(&style, &clock),
            None => self.write_json(&clock),
        }
    }
}

impl Group {
    /// The most frequent destinations first.
    fn destinations(&self) -> Vec<(SocketAddr, u64)> {
        let mut all: Vec<_> = self
            .destinations
            .iter()
            .map(|(&(address, port), &count)| (SocketAddr::new(address, port), count))
            .collect();
        all.sort_by_key(|&(to, count)| (std::cmp::Reverse(count), to));
        all
    }

    fn write(&self, out: &mut Vec<u8>, key: &Key, style: &Style, clock: &Clock) -> io::Result<()> {
        use io::Write as _;
        let time = |at| {
            let zoned = clock.timestamp(at).to_zoned(style.zone.clone());
            zoned.strftime("%H:%M:%S%.3f").to_string()
        };
        let (on, off) = if style.color {
            (super::trace::RED, super::trace::RESET)
        } else {
            ("", "")
        };
        let processes = match self.pids.len() {
            1 => {
                let pid = self.pids.iter().next().copied().unwrap_or(0);
                format!("pid {pid}")
            }
            MOST_PIDS => format!("at least {MOST_PIDS} processes"),
            many => format!("{many} processes"),
        };
        writeln!(
            out,
            "\n{on}{} {} {}: {} {}{off}",
            if self.count == 1 {
                "once".into()
            } else {
                format!("{} times", self.count)
            },
            key.proto.name(),
            key.call,
            errno_name(key.errno),
            key.cause,
        )?;
        writeln!(
            out,
            "    {} ({processes}), from {} to {}",
            escape::text(&self.comm),
            time(self.first),
            time(self.last),
        )?;
        let destinations = self.destinations();
        if !destinations.is_empty() {
            let shown = destinations.iter().take(SHOWN);
            let mut words: Vec<String> = shown.map(|(to, n)| format!("{to} ({n})")).collect();
            if destinations.len() > SHOWN {
                let least = if destinations.len() == MOST_DESTINATIONS {
                    "at least "
                } else {
                    ""
                };
                words.push(format!("{least}{} more", destinations.len() - SHOWN));
            }
            writeln!(out, "    to {}", words.join(", "))?;
        }
        match &self.example {
            Some(example) => call::write(out, example),
            None => Ok(()),
        }
    }
}

#[derive(Serialize)]
struct Lost {
    time: String,
    event: &'static str,
    kind: &'static str,
    count: u64,
}

struct Line<'a> {
    key: &'a Key,
    group: &'a Group,
    clock: &'a Clock,
    told: Duration,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            key,
            group,
            clock,
            told,
        } = self;
        let time = |at| rfc3339(clock.timestamp(at));
        let mut pids: Vec<u32> = group.pids.iter().copied().collect();
        pids.sort_unstable();
        let destinations: Vec<_> = group
            .destinations()
            .into_iter()
            .take(SHOWN)
            .map(|(to, count)| Destination {
                dst: to.ip(),
                dst_port: to.port(),
                count,
            })
            .collect();
        let mut map = serializer.serialize_map(None)?;
        // When it is told: groups are not in the order of time.
        map.serialize_entry("time", &time(*told))?;
        map.serialize_entry("event", "failure_group")?;
        map.serialize_entry("count", &group.count)?;
        map.serialize_entry("first", &time(group.first))?;
        map.serialize_entry("last", &time(group.last))?;
        map.serialize_entry("proto", key.proto.name())?;
        map.serialize_entry("call", key.call)?;
        map.serialize_entry("errno", &errno_name(key.errno))?;
        map.serialize_entry("cause", key.cause)?;
        map.serialize_entry("comm", &String::from_utf8_lossy(&group.comm))?;
        map.serialize_entry("netns", &group.netns)?;
        map.serialize_entry("pids", &pids)?;
        map.serialize_entry("destinations", &destinations)?;
        if let Some(example) = &group.example {
            map.serialize_entry("cgroup", &example.process.cgroup)?;
            call::serialize(&mut map, example)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct Destination {
    dst: IpAddr,
    dst_port: u16,
    count: u64,
}
