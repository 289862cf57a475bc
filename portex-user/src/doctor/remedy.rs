//! What to do, with commands for the namespace that is meant.

use std::fmt::Write as _;

use super::words::grouped;
use crate::{
    host::Host,
    ports::{PortRange, PortSet},
};

/// The kernel takes a list of reserved ports of up to a page (`proc_do_large_bitmap`).
const LONGEST_LIST: u32 = 4_000;
/// Ports that Kubernetes gives to services of type NodePort (`--service-node-port-range`).
pub(super) const NODE_PORTS: PortRange = PortRange {
    lo: 30_000,
    hi: 32_767,
};

/// What to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remedy {
    /// What, and what it does.
    pub text: String,
    /// For a root shell of this host, as it is.
    pub command: Option<String>,
    /// The line of a file in `/etc/sysctl.d` that keeps it.
    pub persist: Option<String>,
    /// What it may break.
    pub risk: String,
    /// Running the command removes this finding at the next look.
    pub fixes: bool,
}

impl Remedy {
    /// Something that people do.
    pub(super) fn to_do(text: impl Into<String>, risk: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            risk: risk.into(),
            ..Self::default()
        }
    }

    /// With a command that changes nothing.
    pub(super) fn command(self, command: Option<String>) -> Self {
        Self { command, ..self }
    }

    /// Settings of a namespace: a command that makes them, and what keeps them where that is the
    /// machine's: files in `/etc/sysctl.d` are for no other.
    pub(super) fn settings(mut self, host: &Host, settings: &[(&str, String)]) -> Self {
        let fits = |value: &str| u32::try_from(value.len()).is_ok_and(|len| len <= LONGEST_LIST);
        if !settings.iter().all(|(_, value)| fits(value)) {
            // The text is all there is then.
            let _ok = write!(
                self.text,
                ". There is no command: the list of reserved ports would have more than the {} bytes that \
                 the kernel takes",
                grouped(LONGEST_LIST)
            );
            return self;
        }
        let lines: Vec<String> = settings
            .iter()
            .map(|(name, value)| format!("{name} = {value}"))
            .collect();
        let command = sysctl(host, settings);
        Self {
            persist: (host.own && host.lasting && command.is_some()).then(|| lines.join("\n")),
            command,
            ..self
        }
    }

    /// Whether the command removes the finding.
    pub(super) fn fixes(self, fixes: bool) -> Self {
        let fixes = fixes && self.command.is_some();
        Self { fixes, ..self }
    }
}

/// A command in a namespace; `None` where no path to it is known that a shell takes as it is.
pub(super) fn inside(host: &Host, command: &str) -> Option<String> {
    if host.own {
        return Some(command.to_owned());
    }
    let path = host.path.as_ref()?;
    Some(format!("nsenter --net={path} {command}"))
}

/// `sysctl -w` of several settings, in this order.
fn sysctl(host: &Host, settings: &[(&str, String)]) -> Option<String> {
    let mut command = "sysctl -w".to_owned();
    for (name, value) in settings {
        let quote = if value.contains(' ') { "'" } else { "" };
        // Writing to a String cannot fail.
        let _ok = write!(command, " {name}={quote}{value}{quote}");
    }
    inside(host, &command)
}

/// As `ip_local_reserved_ports` takes it: `8080,10000-10002`.
pub(super) fn list(ports: &PortSet) -> String {
    let ranges = ports.ranges();
    let texts = ranges.iter().map(|range| {
        if range.lo == range.hi {
            range.lo.to_string()
        } else {
            format!("{}-{}", range.lo, range.hi)
        }
    });
    texts.collect::<Vec<_>>().join(",")
}

/// A port range that a namespace could have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wider {
    /// The range.
    pub(super) range: PortRange,
    /// What must be reserved with it: see [`reserved_with_all`].
    pub(super) reserved: PortSet,
    /// Of these, the ones of the range that are not reserved now.
    pub(super) newly_reserved: u32,
    /// Ports of the range that are not reserved then.
    pub(super) capacity: u32,
}

/// First ports of wider ranges, the safer first: few services have fixed ports above ten thousand.
const FIRST_PORTS: [u16; 2] = [10_240, 1_024];
/// A range that has not this much more ports is not worth a change.
const WORTH: f64 = 1.1;

/// Ranges that give a namespace notably more ports, the safest first.
pub(super) fn wider(host: &Host) -> Vec<Wider> {
    let ranges = wider_ranges(host);
    let reserved = reserve_all(host, &ranges);
    ranges
        .into_iter()
        .map(|range| Wider {
            range,
            newly_reserved: reserved.count_in(range) - host.rules.reserved.count_in(range),
            capacity: range.size() - reserved.count_in(range),
            reserved: reserved.clone(),
        })
        .collect()
}

fn wider_ranges(host: &Host) -> Vec<PortRange> {
    let rules = &host.rules;
    let now = rules.range.size() - rules.reserved.count_in(rules.range);
    let mut ranges: Vec<PortRange> = Vec::new();
    for first in FIRST_PORTS {
        // Even, so that the size is: the kernel leaves one port out of an odd number.
        let lo = first.max(host.unprivileged_from).min(rules.range.lo) & !1;
        let lo = if lo < host.unprivileged_from {
            lo + 2
        } else {
            lo
        };
        let range = PortRange { lo, hi: u16::MAX };
        let mut reserved = rules.reserved.clone();
        reserved.extend_from(&to_reserve(host, range));
        let capacity = range.size() - reserved.count_in(range);
        if !ranges.contains(&range) && f64::from(capacity) >= f64::from(now) * WORTH {
            ranges.push(range);
        }
    }
    ranges
}

/// What is reserved now, and what must be in the widest range that may be offered. All commands that
/// reserve ports of a namespace set this one list: each is the whole list, and would take back what
/// another has added.
pub(super) fn reserved_with_all(host: &Host) -> PortSet {
    reserve_all(host, &wider_ranges(host))
}

fn reserve_all(host: &Host, offered: &[PortRange]) -> PortSet {
    let mut reserved = host.rules.reserved.clone();
    for range in offered.iter().chain([&host.rules.range]) {
        reserved.extend_from(&to_reserve(host, *range));
    }
    reserved
}

impl Wider {
    /// The settings that make it: reserved ports first.
    pub(super) fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = Vec::new();
        if self.newly_reserved > 0 {
            settings.push(("net.ipv4.ip_local_reserved_ports", list(&self.reserved)));
        }
        let range = format!("{} {}", self.range.lo, self.range.hi);
        settings.push(("net.ipv4.ip_local_port_range", range));
        settings
    }
}

/// Ports of a range that others expect to be theirs: of listeners, of UDP sockets, and of a Kubernetes
/// node's services. A UDP socket at a port that the kernel gives away is taken for one that got it so,
/// and needs none of its own.
pub(super) fn to_reserve(host: &Host, range: PortRange) -> PortSet {
    let given = |port| host.rules.range.contains(port) && !host.rules.reserved.contains(port);
    let listening = host.listeners.iter().map(|listener| listener.port);
    let datagrams = host.udp.iter().filter(|&port| !given(port));
    let agent = host.node_agent.iter();
    let services = agent.flat_map(|_| NODE_PORTS.lo..=NODE_PORTS.hi);
    let ports = listening.chain(datagrams).chain(services);
    ports.filter(|&port| range.contains(port)).collect()
}
