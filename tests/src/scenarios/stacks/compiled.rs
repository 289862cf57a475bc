//! Programs that are compiled for this: with debug information, stripped, with code of their own
//! making; and Node.js. They tell themselves at which lines their places are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::{PLACES, PORTS, by_place, connects, traced};
use crate::event::Event;
use crate::load::Skip;
use crate::netns::NetNs;
use crate::process::{Finished, run_to_end};
use crate::runner::Context;

const SOURCE: &str = include_str!("../../../programs/failing.c");
const LIMIT: Duration = Duration::from_secs(60);

/// A folder of our own, gone in the end.
struct Workshop(PathBuf);

impl Workshop {
    fn new(name: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("portex-{name}-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    fn compile(&self, name: &str, options: &[&str]) -> Result<PathBuf> {
        let source = self.0.join("failing.c");
        fs::write(&source, SOURCE)?;
        let program = self.0.join(name);
        let mut cc = Command::new("cc");
        cc.args(options).arg("-o").arg(&program).arg(&source);
        let Ok(finished) = run_to_end(&mut cc, LIMIT) else {
            return Err(Skip("there is no C compiler (cc) here".to_owned()).into());
        };
        ensure!(finished.status.success(), "cc: {}", finished.stderr);
        Ok(program)
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run_in(netns: &NetNs, command: &mut Command) -> Result<Finished> {
    let finished = netns
        .enter(|| run_to_end(command, LIMIT).map_err(std::io::Error::other))
        .context("the program")?;
    ensure!(
        finished.status.success(),
        "the program ended with {}: {}",
        finished.status,
        finished.stderr
    );
    Ok(finished)
}

/// A place by its own account: line, and where it begins in the program.
struct Place {
    line: u64,
    begin: u64,
}

fn places(finished: &Finished) -> Result<Vec<Place>> {
    let text = String::from_utf8_lossy(&finished.stdout);
    let place = |(name, _): &(&str, usize)| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let mut words = line.context("not told")?.split_whitespace();
        let mut number = || {
            words
                .next()
                .context("no number")?
                .parse()
                .context("a number")
        };
        Ok(Place {
            line: number()?,
            begin: number()?,
        })
    };
    PLACES.iter().map(place).collect()
}

pub(in super::super) fn programs(context: &Context<'_>) -> Result<()> {
    let workshop = Workshop::new("programs")?;
    let variants: [(&str, &[&str]); 4] = [
        ("debug", &["-O2", "-g"]),
        ("frame-pointers", &["-O2", "-g", "-fno-omit-frame-pointer"]),
        ("exported", &["-O2", "-s", "-rdynamic"]),
        ("stripped", &["-O2", "-s"]),
    ];
    for (name, options) in variants {
        let program = workshop.compile(name, options)?;
        let netns = NetNs::with_ports(PORTS.0, PORTS.1)?;
        let (ended, told) = traced(context, &netns, &["--stacks"], |netns| {
            places(&run_in(netns, &mut Command::new(&program))?)
        })?;
        let events = connects(&ended);
        ensure!(events.len() == 10, "{name}: {} failures", events.len());
        match name {
            "stripped" => by_offset(&events, &program, &told)?,
            _ => by_name(&events, &told, name != "exported").context(name)?,
        }
    }
    Ok(())
}

fn by_name(events: &[&Event], told: &[Place], lines: bool) -> Result<()> {
    let names = PLACES.map(|(place, _)| place);
    let sorted = by_place(events, &names)?;
    for (((name, count), events), place) in PLACES.iter().zip(sorted).zip(told) {
        ensure!(events.len() == *count, "{name}: {} times", events.len());
        for event in events {
            let order: Vec<String> = event.functions("stack");
            let at = |name: &str| order.iter().position(|function| function == name);
            ensure!(
                at("dial").is_some() && at("dial") < at(name) && at(name) < at("main"),
                "dial, {name}, main are not in this order: {order:?}"
            );
            let frame = event.frame("stack", name).context("no frame")?;
            let line = frame["line"].as_u64();
            if lines {
                ensure!(
                    line == Some(place.line),
                    "{name}: line {}: {frame}",
                    place.line
                );
                let file = frame["file"].as_str().unwrap_or_default();
                ensure!(file.ends_with("failing.c"), "{frame}");
            } else {
                ensure!(line.is_none(), "a stripped program has no lines: {frame}");
            }
        }
    }
    Ok(())
}

/// Without any name there is the offset in the program, as `addr2line` takes it.
fn by_offset(events: &[&Event], program: &Path, told: &[Place]) -> Result<()> {
    let mut counts = [0; PLACES.len()];
    for event in events {
        let offsets = event.offsets("stack", &program.to_string_lossy());
        // The place that begins last before one of them, and not far before.
        let place = |offset: u64| {
            let before = told.iter().enumerate();
            let before =
                before.filter(|(_, place)| (1..64).contains(&offset.wrapping_sub(place.begin)));
            before.max_by_key(|(_, place)| place.begin)
        };
        let Some((at, _)) = offsets.iter().find_map(|&offset| place(offset)) else {
            bail!("no place has one of {offsets:x?}: {}", event.line());
        };
        counts[at] += 1;
    }
    let expected = PLACES.map(|(_, count)| count);
    ensure!(counts == expected, "{counts:?}, not {expected:?}");
    Ok(())
}

/// What ends right after its failures is named from what was kept when it first failed.
pub(in super::super) fn kept(context: &Context<'_>) -> Result<()> {
    let workshop = Workshop::new("kept")?;
    let program = workshop.compile("late", &["-O2", "-g"])?;
    let netns = NetNs::with_ports(PORTS.0, PORTS.1)?;
    let (ended, ()) = traced(context, &netns, &["--stacks"], |netns| {
        run_in(netns, Command::new(&program).arg("LATE")).map(drop)
    })?;
    let events = connects(&ended);
    let sorted = by_place(&events, &PLACES.map(|(place, _)| place))?;
    for ((place, count), events) in PLACES.iter().zip(sorted) {
        ensure!(events.len() == *count, "{place}: {} times", events.len());
        for event in events {
            let exe = program.to_string_lossy();
            ensure!(event.text("exe") == exe, "not {exe}: {}", event.line());
        }
    }
    Ok(())
}

/// Code that a program makes itself is named by its perf map.
pub(in super::super) fn jit(context: &Context<'_>) -> Result<()> {
    let workshop = Workshop::new("jit")?;
    let program = workshop.compile("jit", &["-O2", "-g"])?;
    let netns = NetNs::with_ports(PORTS.0, PORTS.1)?;
    let (ended, ()) = traced(context, &netns, &["--stacks"], |netns| {
        run_in(netns, Command::new(&program).arg("JIT")).map(drop)
    })?;
    let events = connects(&ended);
    ensure!(events.len() == 6, "{} failures", events.len());
    for event in events {
        let order = event.functions("stack");
        let at = |name: &str| order.iter().position(|function| function == name);
        ensure!(
            at("checkout") < at("compiled_checkout") && at("compiled_checkout") < at("main"),
            "checkout, compiled_checkout, main are not in this order: {order:?}"
        );
    }
    Ok(())
}

/// A function in JavaScript that opens a listener, which binds on its way.
const SCRIPT: &str = "
const net = require('net');
const held = [];
function openListener() { const server = net.createServer(); server.on('error', () => {}); held.push(server); server.listen(0); }
for (let i = 0; i < 16; i++) openListener();
setTimeout(() => { require('fs').unlinkSync(`/tmp/perf-${process.pid}.map`); process.exit(0); }, 1500);
";

pub(in super::super) fn node(context: &Context<'_>) -> Result<()> {
    // It leaves a log where it runs.
    let workshop = Workshop::new("node")?;
    let netns = NetNs::with_ports(PORTS.0, PORTS.1)?;
    let (ended, ()) = traced(context, &netns, &["--stacks"], |netns| {
        let mut node = Command::new("node");
        node.args(["--perf-basic-prof", "--interpreted-frames-native-stack"]);
        node.args(["-e", SCRIPT]).current_dir(&workshop.0);
        let version = run_to_end(Command::new("node").arg("--version"), LIMIT);
        if version.is_err() {
            return Err(Skip("there is no Node.js here".to_owned()).into());
        }
        run_in(netns, &mut node).map(drop)
    })?;
    let failed: Vec<&Event> = ended
        .events
        .iter()
        .filter(|event| event.kind() == "bind_failed")
        .collect();
    // Ten ports, sixteen listeners; a listener that finds none for `::` asks for one of `0.0.0.0`.
    ensure!(failed.len() >= 6, "{} failures", failed.len());
    for event in failed {
        let functions = event.functions("stack");
        ensure!(
            functions.iter().any(|name| name.contains("openListener")),
            "openListener is not there: {functions:#?}"
        );
    }
    Ok(())
}
