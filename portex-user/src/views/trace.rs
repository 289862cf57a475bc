//! Events as lines for people.

use std::{
    fmt::Write as _,
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use jiff::{Timestamp, tz::TimeZone};

use super::{Context, EventView, call, errno_name};
use crate::{
    escape,
    event::{Event, Kind, Losses},
    fields::{Column, Field, TRACE},
};

/// How lines are dressed.
#[derive(Clone, Debug)]
pub struct Style {
    /// Colours, by ANSI sequences.
    pub color: bool,
    /// Time zone of the first column.
    pub zone: TimeZone,
}

/// Writes events as lines.
pub struct Trace<W> {
    out: W,
    style: Style,
    headed: bool,
    /// Kept for its memory.
    line: String,
}

impl<W: io::Write> Trace<W> {
    /// To this writer, which should be buffered.
    pub fn new(out: W, style: Style) -> Self {
        Self {
            out,
            style,
            headed: false,
            line: String::new(),
        }
    }

    fn head(&mut self) -> io::Result<()> {
        if !self.headed {
            self.headed = true;
            let mut line = String::new();
            for field in TRACE {
                put(&mut line, field, field.heading);
            }
            writeln!(self.out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

pub(super) const RED: &str = "\x1b[31m";
const DIM: &str = "\x1b[2m";
pub(super) const RESET: &str = "\x1b[0m";

impl<W: io::Write> EventView for Trace<W> {
    const SHOWS_CGROUP: bool = false;

    fn event(&mut self, event: &Event, context: Context<'_>) -> io::Result<()> {
        self.head()?;
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        let color = match event.kind {
            _ if !self.style.color => "",
            Kind::ConnectFailed { .. } | Kind::BindFailed { .. } => RED,
            Kind::State { .. } => DIM,
            Kind::Connect { .. } | Kind::TimeWait { .. } | Kind::Released { .. } => "",
        };
        line.push_str(color);
        for field in TRACE {
            put(
                &mut line,
                field,
                &cell(field.column, event, &context, &self.style),
            );
        }
        let end = line.trim_end().len();
        line.truncate(end);
        if !color.is_empty() {
            line.push_str(RESET);
        }
        line.push('\n');
        self.out.write_all(line.as_bytes())?;
        self.line = line;
        match context.call {
            Some(call) => call::write(&mut self.out, call),
            None => Ok(()),
        }
    }

    fn lost(&mut self, since_last: &Losses, _now: Timestamp) -> io::Result<()> {
        let kinds: Vec<String> = since_last
            .by_kind()
            .into_iter()
            .filter(|(kind, count)| *count != 0 && *kind != "skipped")
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        if !kinds.is_empty() {
            self.head()?;
            writeln!(self.out, "-- lost: {} --", kinds.join(", "))?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn put(line: &mut String, field: &Field, text: &str) {
    // Writing to a String cannot fail.
    let width = field.width;
    let _ok = if field.right {
        write!(line, "{text:>width$} ")
    } else {
        write!(line, "{text:<width$} ")
    };
}

fn cell(column: Column, event: &Event, context: &Context<'_>, style: &Style) -> String {
    match column {
        Column::Time => context
            .clock
            .timestamp(event.time)
            .to_zoned(style.zone.clone())
            .strftime("%H:%M:%S%.6f")
            .to_string(),
        Column::Event => event.kind.name().to_owned(),
        Column::Pid => event.owner.pid.to_string(),
        Column::Comm => escape::text(&event.owner.comm),
        Column::Netns => event.netns.to_string(),
        Column::Source => source(event.src, event.src_port),
        Column::Destination if matches!(event.kind, Kind::BindFailed { .. }) => "-".into(),
        Column::Destination => SocketAddr::new(event.dst, event.dst_port).to_string(),
        Column::Detail => detail(event),
    }
}

fn source(address: IpAddr, port: Option<u16>) -> String {
    match (address, port) {
        (_, Some(port)) => SocketAddr::new(address, port).to_string(),
        (IpAddr::V4(address), None) => format!("{address}:*"),
        (IpAddr::V6(address), None) => format!("[{address}]:*"),
    }
}

fn detail(event: &Event) -> String {
    match &event.kind {
        Kind::Connect {
            bound,
            by_number,
            search,
            ..
        } => {
            let bound = match (bound, by_number) {
                (false, _) => "",
                (true, true) => "bound ",
                (true, false) => "bound to any ",
            };
            format!("{bound}{}", search_time(*search))
        }
        Kind::BindFailed {
            call, errno, cause, ..
        } => format!(
            "{} {} {} {}",
            event.proto.name(),
            call.name(),
            errno_name(*errno),
            cause.name()
        ),
        Kind::ConnectFailed {
            errno,
            cause,
            search,
            ..
        } => format!(
            "{} {} {}",
            errno_name(*errno),
            cause.name(),
            search_time(*search)
        ),
        Kind::State { from, to } => format!("{} -> {}", from.name(), to.name()),
        Kind::TimeWait { substate } => substate.name().to_owned(),
        Kind::Released {
            held,
            time_wait,
            reason,
        } => {
            let waited = time_wait.map_or(String::new(), |time| {
                format!(", {} in TIME_WAIT", human(time))
            });
            format!("{}, held {}{waited}", reason.name(), human(*held))
        }
    }
}

fn search_time(search: Option<Duration>) -> String {
    search.map_or(String::new(), |time| format!("search {}", human(time)))
}

/// Three digits or so, with the unit that fits.
pub(super) fn human(time: Duration) -> String {
    let nanos = time.as_nanos();
    match nanos {
        0..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{:.1}us", time.as_secs_f64() * 1e6),
        1_000_000..1_000_000_000 => format!("{:.1}ms", time.as_secs_f64() * 1e3),
        _ => format!("{:.1}s", time.as_secs_f64()),
    }
}
