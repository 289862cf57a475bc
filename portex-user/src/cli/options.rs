//! Options that several commands take.

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use anyhow::bail;
use clap::{Args, ValueEnum};
use jiff::{SignedDuration, tz::TimeZone};
use rustix::param::page_size;

use super::{replayed::bad_usage, say};
use crate::{
    escape,
    filter::{Endpoint, Filter},
    inventory::{cgroups, netns, processes},
    kernel::{Attached, Options, Way},
    stream::Totals,
    views::{
        Style,
        snapshot::{ROWS, Tables},
    },
};

/// Which events.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Which events")]
pub(super) struct Which {
    /// Only connections of this process
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    pid: Option<u32>,
    /// Only connections of threads with this name
    #[arg(long, value_name = "NAME")]
    comm: Option<String>,
    /// Only connections from these addresses
    #[arg(long, value_name = "CIDR[:PORT]")]
    src: Option<Endpoint>,
    /// Only connections to these addresses: 10.0.0.0/8, 10.0.0.1:443, [2001:db8::/32]:443
    #[arg(long, value_name = "CIDR[:PORT]")]
    dst: Option<Endpoint>,
    /// Only connections in this network namespace: inode number, name of ip netns, or path
    #[arg(long, value_name = "INODE|NAME|PATH")]
    netns: Option<String>,
    /// Only connections of this cgroup and those below it
    #[arg(long, value_name = "PATH")]
    cgroup: Option<String>,
}

impl Which {
    /// Of a recording: what is named need not exist on this host, now.
    pub(super) fn recorded(&self) -> Filter {
        let netns = self.netns.as_deref().map(|netns| {
            netns.parse().unwrap_or_else(|_| {
                bad_usage("--netns: in a replay, a network namespace is given by its inode number")
            })
        });
        Filter {
            pid: self.pid,
            comm: self.comm.clone(),
            src: self.src,
            dst: self.dst,
            netns,
            cgroup: self.cgroup.as_deref().map(|path| {
                let inside = path.strip_prefix("/sys/fs/cgroup").unwrap_or(path);
                format!("/{}", inside.trim_matches('/'))
            }),
            failures: false,
        }
    }

    /// Options that were given and ask for less than a whole network namespace.
    pub(super) fn narrower(&self) -> Vec<&'static str> {
        let given = [
            ("--pid", self.pid.is_some()),
            ("--comm", self.comm.is_some()),
            ("--src", self.src.is_some()),
            ("--dst", self.dst.is_some()),
            ("--cgroup", self.cgroup.is_some()),
        ];
        let given = given.into_iter();
        given
            .filter_map(|(name, given)| given.then_some(name))
            .collect()
    }

    /// Checks what must exist.
    pub(super) fn filter(&self) -> anyhow::Result<Filter> {
        if let Some(pid) = self.pid {
            match processes::process_of(pid) {
                Some(process) if process == pid => {}
                Some(process) => {
                    bail!("{pid} is a thread of process {process}\n  what to do: --pid {process}")
                }
                None => bail!("no process has the id {pid}\n  what to do: ps -e shows them"),
            }
        }
        let cgroup = self.cgroup.as_deref().map(cgroups::normalise).transpose();
        Ok(Filter {
            pid: self.pid,
            comm: self.comm.clone(),
            src: self.src,
            dst: self.dst,
            netns: self.netns.as_deref().map(netns::resolve).transpose()?,
            cgroup: cgroup?,
            failures: false,
        })
    }
}

/// How to attach.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "How to trace")]
pub(super) struct How {
    /// How to attach to the kernel; auto takes the best that works
    #[arg(long, value_name = "WAY", value_enum, default_value = "auto")]
    attach: AttachChoice,
    /// Size of the ring buffer in bytes: a power of two
    #[arg(long, value_name = "BYTES", default_value_t = 8 << 20, value_parser = ring_size)]
    ring_size: u32,
    /// How many connections can be tracked at a time, TIME_WAIT included; by default 262144,
    /// or as many as tcp_max_tw_buckets allows and 65536 more; fewer on a host with less than 6 GiB of memory
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=16_777_216))]
    max_sockets: Option<u32>,
}

/// Bytes of kernel memory that a tracked connection takes, about.
const TRACKED: u64 = 192;
/// Connections that are tracked at least, where memory allows it.
const USUAL: u64 = 262_144;
/// Connections alive beside a namespace's TIME_WAITs.
const LIVE: u64 = 65_536;

impl How {
    /// As given, else room for all TIME_WAITs that a namespace may have by the kernel's own limit, and
    /// for what is alive beside them. The table is allocated beforehand, and shall take no more than a
    /// hundred-and-twenty-eighth of the host's memory.
    fn max_sockets(&self) -> u32 {
        self.max_sockets.unwrap_or_else(|| {
            let host = rustix::system::sysinfo();
            let ram = host.totalram * u64::from(host.mem_unit);
            let fitting = ram / 128 / TRACKED;
            let limit = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_max_tw_buckets");
            let time_waits: u64 = limit.map_or(0, |text| text.trim().parse().unwrap_or(0));
            let most = time_waits.saturating_add(LIVE).max(USUAL);
            u32::try_from(fitting.clamp(16_384, most)).unwrap_or(u32::MAX)
        })
    }

    /// Settings of a session that tells of everybody in a namespace, or in all.
    pub(super) fn session(&self, netns: Option<u32>, verbose: u8) -> Options {
        Options {
            way: self.way(),
            pid: None,
            netns,
            failures: false,
            states: false,
            stacks: None,
            ring_bytes: self.ring_size,
            max_sockets: self.max_sockets(),
            diagnostics: verbose > 0,
        }
    }

    fn way(&self) -> Option<Way> {
        match self.attach {
            AttachChoice::Auto => None,
            AttachChoice::Trampoline => Some(Way::Trampoline),
            AttachChoice::Kprobe => Some(Way::Kprobe),
            AttachChoice::Tracepoint => Some(Way::Tracepoint),
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AttachChoice {
    /// The first of these that works
    Auto,
    /// fentry and fexit
    Trampoline,
    /// kprobes and kretprobes
    Kprobe,
    /// Tracepoints only
    Tracepoint,
}

fn ring_size(text: &str) -> Result<u32, String> {
    let bytes: u32 = text.parse().map_err(|_| "not a number of bytes")?;
    let page = page_size();
    let whole = usize::try_from(bytes).is_ok_and(|bytes| bytes >= page);
    if whole && bytes.is_power_of_two() && bytes <= 1 << 30 {
        Ok(bytes)
    } else {
        Err(format!(
            "must be a power of two from {page} (a page) to {} (1 GiB)",
            1 << 30
        ))
    }
}

/// What is written, and until when.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct Output {
    /// One JSON object a line (NDJSON)
    #[arg(long)]
    pub(super) json: bool,
    /// Stop after this long: 30s, 5m, 1h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) duration: Option<Duration>,
    /// Colours; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", value_enum, default_value = "auto")]
    pub(super) color: ColorChoice,
}

impl Output {
    pub(super) fn style(&self) -> Style {
        self.color.style()
    }
}

impl ColorChoice {
    pub(super) fn style(self) -> Style {
        let color = match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                io::stdout().is_terminal()
                    && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        };
        Style {
            color,
            zone: TimeZone::system(),
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum ColorChoice {
    Auto,
    Always,
    Never,
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let help = "write it as 30s, 5m or 1h";
    let signed: SignedDuration = text.parse().map_err(|_| help)?;
    match Duration::try_from(signed) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err(format!("must be longer than nothing; {help}")),
    }
}

/// Says how portex is attached, and what is missing that way.
pub(super) fn tell_attached(attached: &Attached) {
    for note in notes(attached) {
        say(&format!("portex: {note}"));
    }
}

/// How portex is attached, why not better, and what is missing that way: a line each.
pub(super) fn notes(attached: &Attached) -> Vec<String> {
    let refused = attached.refused.iter().map(|(way, cause)| {
        let cause = escape::text(cause.as_bytes());
        format!("not by {way}: {cause}")
    });
    let off = attached.off.iter().map(|off| {
        let cause = escape::text(off.cause.as_bytes());
        format!("{} is off: {cause}; not told: {}", off.hook, off.serves)
    });
    let way = format!("tracing by {} ({})", attached.way, attached.way.cost());
    refused.chain(off).chain([way]).collect()
}

/// How tables of snapshots are to be shown.
pub(super) fn tables(color: ColorChoice, all: bool) -> Tables {
    Tables {
        style: color.style(),
        width: width(),
        rows: (!all).then_some(ROWS),
    }
}

/// Columns of the terminal; what is piped has the width that the tables are made for.
fn width() -> usize {
    let stdout = io::stdout();
    if stdout.is_terminal()
        && let Ok(size) = rustix::termios::tcgetwinsize(&stdout)
        && size.ws_col != 0
    {
        return usize::from(size.ws_col).max(80);
    }
    100
}

/// Says what was shown and what was lost.
pub(super) fn tell_totals(totals: &Totals) {
    let in_brackets = |counts: Vec<(&str, u64)>| -> String {
        let parts: Vec<String> = counts
            .into_iter()
            .filter(|(_, count)| *count != 0)
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        if parts.is_empty() {
            String::new()
        } else {
            format!(" ({})", parts.join(", "))
        }
    };
    let shown = totals.shown.iter().map(|(name, count)| (*name, *count));
    let lost = totals.losses.by_kind().into_iter();
    say(&format!(
        "portex: {} events{}, {} lost{}",
        totals.events(),
        in_brackets(shown.collect()),
        totals.losses.events(),
        in_brackets(lost.filter(|(name, _)| *name != "skipped").collect()),
    ));
    if totals.losses.skipped != 0 {
        say(&format!(
            "portex: the kernel skipped {} program runs; most are made good by the next event",
            totals.losses.skipped
        ));
    }
}
