//! What is measured beside one another, and how each says what it saw and what it lost.

use std::{
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use serde_json::Value;

use super::{
    child::{Output, Tracked},
    space::Done,
};
use crate::process;

/// Something that runs while connects are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    /// Nothing at all.
    None,
    /// A count in the kernel and nothing else, as one would write it.
    Bpftrace,
    /// `portex top --batch`: everything attributed.
    Top,
    /// `portex trace --json`: every event told.
    Trace,
    Tcplife,
    Tcpstates,
}

/// The tracepoint that all of them use here; portex and the tools of libbpf-tools attach to it in other ways.
const COUNT: &str = "tracepoint:sock:inet_sock_set_state { @[args->newstate] = count(); }";

/// What a tool told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Connections of the workload, or its sockets in TIME_WAIT where the tool tells what is.
    pub(super) events: Option<u64>,
    /// What it says itself that it lost; all programs of the host count.
    pub(super) lost: Option<u64>,
}

impl Tool {
    pub(super) const ALL: [Self; 6] = [
        Self::None,
        Self::Bpftrace,
        Self::Top,
        Self::Trace,
        Self::Tcplife,
        Self::Tcpstates,
    ];

    /// The name for `--only`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Bpftrace => "bpftrace",
            Self::Top => "top",
            Self::Trace => "trace",
            Self::Tcplife => "tcplife",
            Self::Tcpstates => "tcpstates",
        }
    }

    /// What the table calls it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::None => "untraced",
            Self::Bpftrace => "bpftrace count()",
            Self::Top => "portex top --batch",
            Self::Trace => "portex trace --json",
            Self::Tcplife | Self::Tcpstates => self.name(),
        }
    }

    /// The program, where it is of somebody else.
    pub(super) fn program(self) -> Option<&'static str> {
        match self {
            Self::None | Self::Top | Self::Trace => None,
            Self::Bpftrace | Self::Tcplife | Self::Tcpstates => Some(self.name()),
        }
    }

    /// The command; none where nothing is run.
    pub(super) fn command(self, portex: &Path) -> Option<Command> {
        let program = match self.program() {
            Some(name) => find(name)?,
            None if self == Self::None => return None,
            None => portex.to_path_buf(),
        };
        let mut command = Command::new(program);
        match self {
            Self::Top => command.args(["top", "--batch", "--json"]),
            Self::Trace => command.args(["trace", "--json"]),
            Self::Bpftrace => command.args(["-e", COUNT]),
            Self::None | Self::Tcplife | Self::Tcpstates => &mut command,
        };
        Some(command)
    }

    /// Waits until it has attached: portex says so, of others it is known from what they hold.
    pub(super) fn wait_attached(
        self,
        child: &mut Tracked,
        stdout: &Output,
        stderr: &Output,
    ) -> Result<()> {
        if self.program().is_some() {
            return child.wait_until("attached", |child| child.programs() > 0);
        }
        child
            .wait_until("attached", |_| self.way(stdout, stderr).is_some())
            .with_context(|| stderr.text())
    }

    /// How portex attached: top's frames have it, the others say it.
    pub(super) fn way(self, stdout: &Output, stderr: &Output) -> Option<String> {
        let way = if self == Self::Top {
            way_of_frames(&stdout.text()).map(ToOwned::to_owned)
        } else {
            way(&stderr.text()).map(ToOwned::to_owned)
        };
        way.filter(|_| self.program().is_none())
    }

    /// Reads what it told of a workload.
    pub(super) fn told(
        self,
        stdout: &mut Output,
        stderr: &str,
        inode: &str,
        done: &Done,
    ) -> Result<Told> {
        let reader = BufReader::new(stdout.reader()?);
        let pid = done.pid.to_string();
        match self {
            Self::None | Self::Bpftrace => Ok(Told::default()),
            Self::Top => top(reader, done.pid),
            Self::Trace => trace(reader, inode),
            Self::Tcplife | Self::Tcpstates => {
                let events = count(reader, |line| {
                    let mut words = line.split_whitespace();
                    if self == Self::Tcplife {
                        // PID COMM LADDR LPORT RADDR RPORT ..: the client's line, not the server's.
                        words.next() == Some(&pid) && words.nth(2).is_some_and(is_ephemeral)
                    } else {
                        // SKADDR PID COMM LADDR LPORT RADDR RPORT OLDSTATE -> NEWSTATE MS
                        words.nth(1) == Some(&pid) && words.nth(5) == Some("SYN_SENT")
                    }
                })?;
                Ok(Told {
                    events: Some(events),
                    lost: Some(lost_events(stderr)),
                })
            }
        }
    }

    /// How many events it would have told had it told all.
    pub(super) fn expected(self, done: &Done, failures_only: bool) -> Option<u64> {
        let (connects, failures) = (done.count("total_connects"), done.count("total_failures"));
        match self {
            Self::None | Self::Bpftrace => None,
            Self::Top => Some(done.count("time_wait")).filter(|count| *count > 0),
            Self::Trace if failures_only => Some(failures),
            Self::Trace => Some(connects + failures),
            Self::Tcplife | Self::Tcpstates => Some(connects),
        }
    }
}

/// A program, also where only root has it in PATH.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    process::which(program).or_else(|| {
        let folders = ["/usr/sbin", "/sbin"].map(Path::new);
        let mut paths = folders.map(|folder| folder.join(program)).into_iter();
        paths.find(|path| path.is_file())
    })
}

/// The way in the first frame of top that is complete.
fn way_of_frames(stdout: &str) -> Option<&str> {
    let (frame, _) = stdout.split_once('\n')?;
    let (_, rest) = frame.split_once("\"attach\":\"")?;
    Some(rest.split_once('"')?.0)
}

/// How portex says that it attached.
fn way(stderr: &str) -> Option<&str> {
    let (_, rest) = stderr.split_once("tracing by ")?;
    // A line that is not yet complete ends nowhere.
    let (line, _) = rest.split_once('\n')?;
    line.split([' ', ',', ';']).next()
}

/// The churn's clients have ports from 10000 on, its listeners lower ones.
fn is_ephemeral(port: &str) -> bool {
    port.parse::<u32>().is_ok_and(|port| port >= 10_000)
}

/// How many lines are of that kind.
fn count(mut reader: impl BufRead, wanted: impl Fn(&str) -> bool) -> Result<u64> {
    let (mut found, mut line) = (0, Vec::new());
    while reader.read_until(b'\n', &mut line)? > 0 {
        found += u64::from(wanted(&String::from_utf8_lossy(&line)));
        line.clear();
    }
    Ok(found)
}

/// `lost 17 events on CPU #1`, each.
fn lost_events(stderr: &str) -> u64 {
    let number = |line: &str| {
        let rest = line.trim().strip_prefix("lost ")?;
        let (number, _) = rest.split_once(" events")?;
        number.replace(',', "").parse::<u64>().ok()
    };
    stderr.lines().filter_map(number).sum()
}

/// Events of a namespace, and losses of all.
fn trace(mut reader: impl BufRead, inode: &str) -> Result<Told> {
    let netns = format!("\"netns\":{inode},");
    let (mut events, mut lost, mut line) = (0, 0, String::new());
    while reader.read_line(&mut line)? > 0 {
        if ["\"event\":\"connect\",", "\"event\":\"connect_failed\","]
            .iter()
            .any(|kind| line.contains(kind))
        {
            events += u64::from(line.contains(&netns));
        } else if line.contains("\"event\":\"lost\"") {
            let value: Value = serde_json::from_str(&line).context("a line of portex trace")?;
            lost += value["count"].as_u64().unwrap_or_default();
        }
        line.clear();
    }
    Ok(Told {
        events: Some(events),
        lost: Some(lost),
    })
}

/// TIME_WAITs that the last frame charges to a process, and all losses.
fn top(mut reader: impl Read, pid: u32) -> Result<Told> {
    let mut text = String::new();
    reader.read_to_string(&mut text)?;
    let frame = text
        .lines()
        .next_back()
        .context("portex top told nothing")?;
    let frame: Value = serde_json::from_str(frame).context("a frame of portex top")?;
    let processes = frame["processes"].as_array().map_or(&[][..], Vec::as_slice);
    let own = processes.iter().filter(|p| p["pid"] == pid);
    Ok(Told {
        events: Some(own.filter_map(|p| p["time_wait"].as_u64()).sum()),
        lost: frame["lost"].as_u64(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_of_libbpf_tools_are_summed() {
        assert_eq!(
            lost_events("lost 51 events on CPU #1\nx\nlost 4 events on CPU #0\n"),
            55
        );
        assert_eq!(lost_events("lost nothing\n"), 0);
    }

    #[test]
    fn portex_says_how_it_attached() {
        let all = "portex: not by kprobe: x\nportex: tracing by tracepoint (no times)\n";
        assert_eq!(way(all), Some("tracepoint"));
        assert_eq!(way("portex: tracing by trampoline\n"), Some("trampoline"));
        assert_eq!(way("portex: tracing by tra"), None);
        let frame = "{\"kernel\":\"6\",\"attach\":\"kprobe\",\"lost\":0}";
        assert_eq!(way_of_frames(frame), None);
        let frame = format!("{frame}\n");
        assert_eq!(way_of_frames(&frame), Some("kprobe"));
    }

    #[test]
    fn a_trace_is_counted_by_namespace() {
        let lines = "{\"event\":\"connect\",\"netns\":12,\"pid\":1}\n\
                     {\"event\":\"connect\",\"netns\":123,\"pid\":1}\n\
                     {\"event\":\"released\",\"netns\":12,\"pid\":1}\n\
                     {\"event\":\"lost\",\"count\":7}\n\
                     {\"event\":\"lost\",\"count\":2}\n";
        let told = trace(lines.as_bytes(), "12").expect("lines of JSON");
        assert_eq!((told.events, told.lost), (Some(1), Some(9)));
    }

    #[test]
    fn the_last_frame_of_top_counts() {
        let frames = "{\"lost\":0,\"processes\":[]}\n\
                      {\"lost\":3,\"processes\":[{\"pid\":7,\"time_wait\":5},{\"pid\":8,\"time_wait\":9}]}\n";
        let told = top(frames.as_bytes(), 7).expect("frames");
        assert_eq!((told.events, told.lost), (Some(5), Some(3)));
        assert!(top(&b""[..], 7).is_err());
    }
}
