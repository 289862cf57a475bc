//! Recordings: a replay shows what was seen, however the recording ended, and no file confuses it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use rustix::time::{ClockId, clock_gettime};

use super::{V4, outcomes, split};
use crate::bpf::Loaded;
use crate::event::Event;
use crate::expect::{Expected, compare, unexpected};
use crate::fact::Connect;
use crate::load::Load;
use crate::netns::NetNs;
use crate::process::{Finished, myself, run_to_end};
use crate::runner::Context;
use crate::snapshot::command;
use crate::told::check_text;
use crate::tracer::Tracer;

const LIMIT: Duration = Duration::from_secs(120);
/// Where the second workload's own listener is.
const OTHER: &str = "127.0.0.1:5001";
/// Where the busy one connects to.
const BUSY: &str = "127.0.0.1:5002";
/// Few, so that they run out.
const PORTS: u16 = 200;

/// A file that goes when the scenario ends.
pub(super) struct Recording(PathBuf);

impl Recording {
    pub(super) fn new(name: &str) -> Self {
        // Both ways to attach may be at it at the same time.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("portex-{}-{name}-{next}.rec", std::process::id());
        let path = std::env::temp_dir().join(name);
        // Of an earlier run.
        let _none = fs::remove_file(&path);
        Self(path)
    }

    pub(super) fn path(&self) -> Result<&str> {
        self.0.to_str().context("a path of text")
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.0);
    }
}

/// A minute of churn, seen live and replayed: the snapshots are the same to the last byte, but for
/// what portex itself cost, and the events are what the workload did.
pub(super) fn replay(context: &Context<'_>) -> Result<()> {
    let netns = NetNs::with_ports(40_000, 40_000 + PORTS - 1)?;
    netns.sysctl("ipv4/tcp_tw_reuse", "0")?;
    let inode = netns.inode().to_string();
    let file = Recording::new("replay");
    let start = |arguments: &str| Load::start(&netns, arguments);
    let endless = "--peer close --rounds 100000 --churn";
    let mut calm = start(&format!(
        "connect --dst {V4} --count 3 --comm calm {endless}"
    ))?;
    // An emulated machine is to run out of ports before the first TIME_WAITs end, and to have time for
    // others.
    let (filling, churning) = if context.emulated { (25, 25) } else { (5, 500) };
    let failing =
        format!("connect --dst {OTHER} --count {filling} --close active --comm failing {endless}");
    let mut failing = start(&failing)?;
    let busy = format!("connect --dst {BUSY} --count {churning} --comm busy {endless}");
    let mut busy = start(&busy)?;

    let mut live = command(context.portex, context);
    let watch = [
        "--watch",
        "600s",
        "--netns",
        &inode,
        "--record",
        file.path()?,
    ];
    let live = Tracer::start_command(live.args(watch), context.way)?;
    let time = Duration::from_secs(if context.emulated { 15 } else { 60 });
    let end = Instant::now() + time;
    let (mut told, mut count) = (Vec::new(), 0);
    // A slow machine takes longer to run out of ports.
    let latest = end + Duration::from_secs(30);
    let failed = |told: &[Connect]| told.iter().any(Connect::failed);
    while Instant::now() < end || !failed(&told) && Instant::now() < latest {
        told.extend(calm.step()?);
        told.extend(failing.step()?);
        // Those that find no port, since they meet each other, count as well.
        count += busy.step()?.len();
        std::thread::sleep(Duration::from_millis(200));
    }
    let ended = live.stop(Signal::INT)?;
    ensure!(ended.status.success(), "{}", ended.stderr);
    let [live] = ended.lines.as_slice() else {
        anyhow::bail!("{} lines of output", ended.lines.len());
    };
    let live = without_own_cost(live)?;

    for more in [&[] as &[_], &["--netns", &inode]] {
        let finished = replayed(context.portex, "snapshot", &file, more)?;
        let again = check_text(finished.stdout.trim_ascii_end())?;
        ensure!(again == live, "live:\n{live}\nreplayed:\n{again}");
    }
    let of =
        |load: &Load| replayed_events(context.portex, &file, &["--pid", &load.pid().to_string()]);
    let events = [of(&calm)?, of(&failing)?].concat();
    ensure!(
        told.iter().any(Connect::failed),
        "the ports did not run out"
    );
    same_calls(&told, &events)?;
    let events = of(&busy)?;
    let calls = events.iter().filter(|event| is_call(event)).count();
    ensure!(
        calls == count,
        "{count} calls, and {calls} in the recording"
    );
    Ok(())
}

/// The line without what portex cost, which is of the run and not of what was seen.
fn without_own_cost(line: &str) -> Result<String> {
    const NAME: &str = r#""own_cost":"#;
    let (before, rest) = line.split_once(NAME).context("no own_cost")?;
    ensure!(rest.starts_with('{'), "not measured: {rest}");
    let (_, after) = rest.split_once('}').context("half an object")?;
    Ok(format!("{before}{NAME}null{after}"))
}

fn is_call(event: &Event) -> bool {
    ["connect", "connect_failed"].contains(&event.kind())
}

/// What became of each connect(), no more and no less.
fn same_calls(connects: &[Connect], events: &[Event]) -> Result<()> {
    let mut connects = connects.to_vec();
    super::fill_in_sources(&mut connects);
    let calls: Vec<Event> = events.iter().filter(|e| is_call(e)).cloned().collect();
    compare(&outcomes(&connects), &calls)
}

/// Killed while it records: what came before the last second is there, and nothing stays behind.
pub(super) fn killed(context: &Context<'_>) -> Result<()> {
    let before = Loaded::now()?;
    let netns = NetNs::new()?;
    let inode = netns.inode().to_string();
    let file = Recording::new("killed");
    let arguments = format!("connect --dst {V4} --count 20 --peer close --churn --rounds 1000");
    let mut load = Load::start(&netns, &arguments)?;
    let record = record(context, file.path()?, &["--netns", &inode])?;
    let missing = Duration::from_secs(if context.emulated { 15 } else { 3 });
    let end = Instant::now() + missing * 2;
    let mut connects = Vec::new();
    while Instant::now() < end {
        connects.extend(load.step()?);
        std::thread::sleep(Duration::from_millis(100));
    }
    record.signal(Signal::KILL)?;
    let killed = monotonic();
    record.end()?;
    before.wait_for_nothing_new()?;

    split(&connects, connects.len(), 0)?;
    let old = connects
        .iter()
        .filter(|connect| Duration::from_nanos(connect.at_ns) + missing < killed)
        .count();
    let finished = replayed(context.portex, "trace", &file, &[])?;
    says(&finished, &["breaks off after"])?;
    let events = events(&finished)?;
    let life = |connect| [Expected::connect(connect), Expected::released(connect)];
    let expected: Vec<_> = connects.iter().flat_map(life).collect();
    let other = unexpected(&expected, &events);
    ensure!(other.is_empty(), "made up: {other:?}");
    let read = events.iter().filter(|event| is_call(event)).count();
    ensure!(
        old > 0 && read >= old,
        "{read} connects in the recording, of {old} that are older than {missing:?}"
    );
    let finished = replayed(context.portex, "snapshot", &file, &[])?;
    says(&finished, &["breaks off after"])
}

/// `--max-size` is kept to the byte; and whatever file is given, the answer is clear.
pub(super) fn bounded(context: &Context<'_>) -> Result<()> {
    const MOST: u64 = 64 << 10;
    let netns = NetNs::new()?;
    let inode = netns.inode().to_string();
    let file = Recording::new("bounded");
    let path = file.path()?;
    let arguments = format!("connect --dst {V4} --count 2000 --peer close --churn --rounds 10");
    let mut load = Load::start(&netns, &arguments)?;
    let tracer = record(context, path, &["--netns", &inode, "--max-size", "64K"])?;
    // More than it has room for.
    for _ in 0..5 {
        load.step()?;
    }
    let ended = tracer.end()?;
    ensure!(
        ended.status.success() && ended.stderr.contains("--max-size"),
        "ended with {}:\n{}",
        ended.status,
        ended.stderr
    );
    let length = fs::metadata(&file.0)?.len();
    ensure!(length <= MOST, "{length} bytes are more than {MOST}");
    ensure!(length > MOST / 2, "{length} bytes, with room for {MOST}");
    let events = replayed_events(context.portex, &file, &[])?;
    ensure!(events.len() > 500, "{} events", events.len());
    replayed(context.portex, "snapshot", &file, &[])?;

    for arguments in [
        &["trace", "--replay", path, "--attach", "kprobe"] as &[_],
        &["trace", "--replay", path, "--states"],
        &["trace", "--replay", path, "--netns", "no-number"],
        &["trace", "--speed", "2"],
        &["snapshot", "--replay", path, "--watch", "1s"],
        &["snapshot", "--record", path],
        &["record", path, "--max-size", "1K"],
    ] {
        let finished = run_to_end(Command::new(context.portex).args(arguments), LIMIT)?;
        ensure!(
            finished.status.code() == Some(2),
            "{arguments:?}: {}, not bad usage:\n{}",
            finished.status,
            finished.stderr
        );
    }
    by_anybody(context, &file)?;
    overwritten(context, path)?;
    odd_files(context, &fs::read(&file.0)?)
}

/// A recording is its owner's; who may read it needs nothing else.
fn by_anybody(context: &Context<'_>, file: &Recording) -> Result<()> {
    let mode = fs::metadata(&file.0)?.permissions().mode() & 0o777;
    ensure!(mode == 0o600, "mode {mode:o}");
    fs::set_permissions(&file.0, Permissions::from_mode(0o644))?;
    let mut command = myself(&["confine", "--uid", "65534", "--"]);
    command
        .arg(context.portex)
        .args(["trace", "--replay", file.path()?]);
    let finished = run_to_end(&mut command, LIMIT)?;
    ensure!(finished.status.success(), "{}", finished.stderr);
    says(&finished, &[" connect"])
}

/// An existing file is replaced only when that is asked for.
fn overwritten(context: &Context<'_>, path: &str) -> Result<()> {
    let recorded = fs::read(path)?;
    let mut refused = Command::new(context.portex);
    refused.args(["record", path, "--attach", context.way.name()]);
    let finished = run_to_end(refused.args(["--duration", "1s"]), LIMIT)?;
    refuses(&finished, &["exists already", "--force"])?;
    ensure!(fs::read(path)? == recorded, "it was changed all the same");
    let mut forced = Command::new(context.portex);
    forced.args(["record", path, "--attach", context.way.name()]);
    let finished = run_to_end(forced.args(["--duration", "1s", "--force"]), LIMIT)?;
    ensure!(finished.status.success(), "{}", finished.stderr);
    ensure!(fs::read(path)? != recorded, "it was not replaced");
    fs::write(path, recorded).context("putting it back")
}

/// Files that are no recordings, or not whole ones.
fn odd_files(context: &Context<'_>, whole: &[u8]) -> Result<()> {
    let changed = |at: usize, value: u8| {
        let mut bytes = whole.to_vec();
        bytes[at] = value;
        bytes
    };
    let middle = whole.len() / 2;
    let refused: [(&str, Vec<u8>, &[&str]); 6] = [
        ("empty", Vec::new(), &["breaks off"]),
        (
            "foreign",
            b"{\"time\":1}\n".repeat(100),
            &["no recording", "portex record"],
        ),
        ("header", whole[..15].to_vec(), &["breaks off"]),
        ("newer", changed(8, 9), &["format 9"]),
        ("order", changed(10, b'b'), &["byte order"]),
        ("damaged", changed(middle, !whole[middle]), &["damaged"]),
    ];
    for command in ["trace", "snapshot"] {
        for (name, bytes, words) in &refused {
            let file = Recording::new(name);
            fs::write(&file.0, bytes)?;
            let finished = run_replay(context.portex, command, &file, &[])?;
            refuses(&finished, words).with_context(|| format!("{command}: {name}"))?;
        }
        let file = Recording::new("truncated");
        fs::write(&file.0, &whole[..whole.len() - 100])?;
        let finished = replayed(context.portex, command, &file, &[])?;
        says(&finished, &["breaks off after"])?;
        let missing = Recording::new("missing");
        let finished = run_replay(context.portex, command, &missing, &[])?;
        refuses(&finished, &["No such file"])?;
    }
    Ok(())
}

/// Starts `portex record`; returns when it has attached.
pub(super) fn record(context: &Context<'_>, path: &str, arguments: &[&str]) -> Result<Tracer> {
    let mut command = Command::new(context.portex);
    command.args(["record", path, "--attach", context.way.name()]);
    Tracer::start_command(command.args(arguments), context.way)
}

fn run_replay(portex: &Path, name: &str, file: &Recording, more: &[&str]) -> Result<Finished> {
    let mut command = Command::new(portex);
    command.args([name, "--json", "--replay", file.path()?]);
    run_to_end(command.args(more), LIMIT)
}

/// The same, of one that can be shown.
fn replayed(portex: &Path, name: &str, file: &Recording, more: &[&str]) -> Result<Finished> {
    let finished = run_replay(portex, name, file, more)?;
    ensure!(
        finished.status.success(),
        "{name}: ended with {}:\n{}",
        finished.status,
        finished.stderr
    );
    Ok(finished)
}

fn replayed_events(portex: &Path, file: &Recording, more: &[&str]) -> Result<Vec<Event>> {
    let finished = replayed(portex, "trace", file, more)?;
    ensure!(
        !finished.stderr.contains("breaks off"),
        "{}",
        finished.stderr
    );
    ensure!(finished.stderr.contains(" 0 lost"), "{}", finished.stderr);
    events(&finished)
}

fn events(finished: &Finished) -> Result<Vec<Event>> {
    let lines = finished
        .stdout
        .trim_ascii_end()
        .split(|&byte| byte == b'\n');
    lines
        .map(|line| Event::parse(check_text(line)?))
        .collect::<Result<_>>()
}

fn says(finished: &Finished, words: &[&str]) -> Result<()> {
    for word in words {
        ensure!(
            finished.stderr.contains(word),
            "does not say {word:?}:\n{}",
            finished.stderr
        );
    }
    Ok(())
}

fn refuses(finished: &Finished, words: &[&str]) -> Result<()> {
    ensure!(
        finished.status.code() == Some(1),
        "ended with {}, not 1:\n{}",
        finished.status,
        finished.stderr
    );
    says(finished, words)
}

fn monotonic() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or(0),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}
