//! Who a process is, by what `/proc` knows of it.

use std::borrow::Cow;

use ratatui::{
    style::Style,
    text::{Line, Span},
};

use super::ProcessView;
use crate::{
    details::ProcessDetails,
    views::top::{
        Theme,
        details::{
            chart,
            text::{self, grouped, safe},
            words,
        },
        theme::WARNING,
    },
};

/// Columns of the names of lines.
pub(super) const NAME: usize = 9;
/// Columns that a fact may take.
const FACT: usize = 40;
/// Lines that a command line may take.
const COMMAND: usize = 3;

/// A line with a name.
pub(super) fn named(name: &str, rest: Vec<Span<'static>>, theme: Theme) -> Line<'static> {
    let mut spans = vec![Span::styled(format!("{name:<NAME$}"), theme.dim())];
    spans.extend(rest);
    Line::from(spans)
}

/// Who it is, in lines of so many columns.
pub(super) fn identity(view: &ProcessView<'_>, width: usize) -> Vec<Line<'static>> {
    let theme = view.theme;
    if view.pid.is_none() {
        let nobody = "Nobody can know who holds these: TIME_WAITs older than portex.";
        return text::wrap(nobody, width, 2, theme)
            .into_iter()
            .map(Line::from)
            .collect();
    }
    let Some(details) = view.details else {
        return Vec::new();
    };
    let room = width.saturating_sub(NAME);
    let holder = view.process.map(|process| &process.holder);
    let cgroup = details
        .cgroup
        .as_ref()
        .or(holder.and_then(|holder| holder.cgroup.as_ref()));
    let mut lines = Vec::new();
    if details.alive {
        lines.extend(command(details, room, theme));
        let exe = details.exe.as_ref();
        let exe = exe.map_or_else(|| "may not be seen".to_owned(), |exe| safe(exe, theme));
        lines.push(named(
            "file",
            vec![text::cut(&exe, room, theme).into()],
            theme,
        ));
    } else {
        let gone = "what it was is not known any more";
        lines.push(named(
            "command",
            vec![Span::styled(gone, theme.dim())],
            theme,
        ));
    }
    if let Some(cgroup) = cgroup {
        let unit = details.container.as_ref();
        let unit = unit.map(|unit| format!("  = {}", safe(unit.as_bytes(), theme)));
        let unit = text::cut(&unit.unwrap_or_default(), room / 2, theme);
        let path = safe(cgroup.as_bytes(), theme);
        let path = text::cut(&path, room - text::width(&unit), theme);
        lines.push(named(
            "cgroup",
            vec![path.into(), Span::styled(unit, theme.title())],
            theme,
        ));
    }
    lines.extend(words::flow(facts(details, theme), width, theme));
    lines
}

fn command(details: &ProcessDetails, room: usize, theme: Theme) -> Vec<Line<'static>> {
    let shown = match details.cmdline.as_slice() {
        [] => "none: a thread of the kernel".to_owned(),
        // Programs that set their title write spaces into one argument.
        [only] => safe(only, theme),
        several => {
            let quoted = several.iter().map(|argument| quoted(argument, theme));
            quoted.collect::<Vec<_>>().join(" ")
        }
    };
    text::wrap(&shown, room, COMMAND, theme)
        .into_iter()
        .enumerate()
        .map(|(at, line)| {
            let name = if at == 0 { "command" } else { "" };
            named(name, vec![line.into()], theme)
        })
        .collect()
}

/// An argument, so that it is seen where it begins and ends.
fn quoted(argument: &[u8], theme: Theme) -> String {
    let shown = safe(argument, theme);
    if shown.is_empty() || shown.contains([' ', '\'', '"']) {
        format!("'{}'", shown.replace('\'', r"'\''"))
    } else {
        shown
    }
}

fn facts(details: &ProcessDetails, theme: Theme) -> Vec<(Cow<'static, str>, String, Style)> {
    let plain = Style::new();
    let mut facts = Vec::new();
    let mut fact = |name: &'static str, value: String, style| {
        facts.push((Cow::from(name), text::cut(&value, FACT, theme), style));
    };
    if let Some((uid, name)) = &details.user {
        let name = name.as_ref().map(|name| safe(name.as_bytes(), theme));
        let user = name.map_or_else(|| uid.to_string(), |name| format!("{name} ({uid})"));
        fact("user", user, plain);
    }
    if let Some((pid, name)) = &details.parent {
        fact("parent", format!("{} ({pid})", safe(name, theme)), plain);
    }
    if let Some(threads) = details.threads {
        fact("threads", grouped(threads), plain);
    }
    if let Some((open, limit)) = details.files {
        let share = chart::ratio(open, limit);
        let style = if share >= WARNING {
            theme.fill(share)
        } else {
            plain
        };
        fact(
            "files",
            format!("{} of {}", grouped(open), limit_of(limit)),
            style,
        );
    }
    // The first name stands where those of the lines above do.
    if let Some((name, _, _)) = facts.first_mut() {
        *name = Cow::from(format!("{name:<width$}", width = NAME - 1));
    }
    facts
}

/// A limit: `RLIM_INFINITY` is none.
fn limit_of(limit: u64) -> String {
    if limit == u64::MAX {
        "any number".to_owned()
    } else {
        grouped(limit)
    }
}
