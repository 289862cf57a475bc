//! `portex check`: what a monitoring system reads, the exit code first.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::{V4, split};
use crate::load::Load;
use crate::netns::NetNs;
use crate::process::run_to_end;
use crate::runner::Context;
use crate::told::check_text;

const LIMIT: Duration = Duration::from_secs(90);

/// An even number: of an odd one, a search may leave one out.
const PORTS: u16 = 10;

pub(super) fn levels(context: &Context<'_>) -> Result<()> {
    let netns = NetNs::with_ports(40_000, 40_000 + PORTS - 1)?;
    let _server = Load::start(&netns, &format!("serve --listen {V4}"))?;
    let inode = netns.inode().to_string();
    check(context, &inode)?.is("OK", 0)?;
    let mut loads = Vec::new();
    for (count, level, code) in [(7, "OK", 0), (1, "WARNING", 1), (2, "CRITICAL", 2)] {
        let arguments = format!("connect --served --dst {V4} --count {count}");
        let mut load = Load::start(&netns, &arguments)?;
        split(&load.step()?, count, 0)?;
        loads.push(load);
        let ports: usize = loads.len();
        let checked = check(context, &inode)?;
        checked
            .is(level, code)
            .with_context(|| format!("step {ports}"))?;
        ensure!(
            !checked.data()?.is_empty(),
            "no performance data: {}",
            checked.line
        );
    }
    check(context, "no-such-namespace")?.is("UNKNOWN", 3)
}

struct Checked {
    code: Option<i32>,
    line: String,
}

fn check(context: &Context<'_>, netns: &str) -> Result<Checked> {
    let mut command = Command::new(context.portex);
    let finished = run_to_end(command.args(["check", "--netns", netns]), LIMIT)?;
    let line = finished.stdout.split(|byte| *byte == b'\n').next();
    Ok(Checked {
        code: finished.status.code(),
        line: check_text(line.unwrap_or_default())?.to_owned(),
    })
}

impl Checked {
    /// The word for people and the number for machines say the same.
    fn is(&self, level: &str, code: i32) -> Result<()> {
        ensure!(
            self.code == Some(code) && self.line.contains(level),
            "exit code {:?}, not {code} for {level}: {}",
            self.code,
            self.line
        );
        Ok(())
    }

    /// The labels of the performance data, each of which has a number at least.
    fn data(&self) -> Result<Vec<&str>> {
        let (_, data) = self.line.split_once('|').context("no performance data")?;
        let item = |item| parse(item).with_context(|| format!("{item:?} in {}", self.line));
        data.split_whitespace().map(item).collect()
    }
}

/// `'label'=value[UOM];[warn];[crit];[min];[max]` of the monitoring plugins' guidelines; labels with
/// spaces are not used here.
fn parse(item: &str) -> Result<&str> {
    let (label, values) = item.rsplit_once('=').context("no =")?;
    ensure!(!label.is_empty(), "no label");
    let mut values = values.split(';');
    let value = values.next().unwrap_or_default();
    let number = value.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '%');
    number.parse::<f64>().context("value")?;
    let mut limits = 0;
    for limit in values {
        limits += 1;
        // Limits may be ranges, such as `@10:20`.
        let bounds = limit.trim_start_matches('@').split(':');
        for bound in bounds.filter(|bound| !["", "~"].contains(bound)) {
            bound.parse::<f64>().context("limit")?;
        }
    }
    ensure!(limits <= 4, "{limits} limits");
    Ok(label)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn performance_data_is_read_as_the_guidelines_have_it() {
        assert_eq!(parse("fill=80%;80;95;0;100").unwrap(), "fill");
        assert_eq!(parse("'a=b'=1.5s").unwrap(), "'a=b'");
        for wrong in ["fill", "=1", "fill=", "fill=1;x", "fill=1;2;3;4;5;6"] {
            parse(wrong).unwrap_err();
        }
    }
}
