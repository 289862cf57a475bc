//! When the next connect will fail, said in advance.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use jiff::{SignedDuration, Timestamp};
use rustix::time::{ClockId, clock_gettime};

use super::{V4, split};
use crate::load::{Load, Skip};
use crate::netns::NetNs;
use crate::runner::Context;
use crate::snapshot::{Snapshot, take};

/// No TIME_WAIT ends before the first failure, which comes after half a minute.
const PORTS: u16 = 600;
const PER_SECOND: u8 = 20;

const WATCH: SignedDuration = SignedDuration::from_secs(3);

/// From when on its word is taken, before the failure.
const JUDGED: SignedDuration = SignedDuration::from_secs(20);

/// How far off it may be: so much, or a tenth of the time that was left.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(1);

/// How late a connect may come for the workload to be steady, from so long before a snapshot on: on a
/// slow machine, the start of portex holds it up.
const LATE: SignedDuration = SignedDuration::from_millis(150);
const BEFORE: SignedDuration = SignedDuration::from_secs(8);

pub(super) fn run(context: &Context<'_>) -> Result<()> {
    if context.emulated {
        return Err(Skip("an emulated machine keeps no steady pace".to_owned()).into());
    }
    let netns = NetNs::with_ports(30_000, 30_000 + PORTS - 1)?;
    netns.sysctl("ipv4/tcp_tw_reuse", "0")?;
    let arguments = format!("--dst {V4} --per-second {PER_SECOND} --most {}", PORTS + 1);
    let mut load = Load::start(&netns, &format!("steady {arguments}"))?;
    let inode = netns.inode().to_string();
    let watch = format!("{}s", WATCH.as_secs());
    let mut snapshots = Vec::new();
    let connects = thread::scope(|scope| -> Result<_> {
        let load = scope.spawn(|| load.step());
        // Until then there is nothing to be said.
        thread::sleep(Duration::from_secs(
            u64::from(PORTS / u16::from(PER_SECOND)) - 21,
        ));
        while !load.is_finished() {
            snapshots.push(take(context, &["--netns", &inode, "--watch", &watch])?);
        }
        load.join().map_err(|_| anyhow!("a thread panicked"))?
    })?;
    split(&connects, PORTS.into(), 1)?;
    let connects: Vec<Timestamp> = connects
        .iter()
        .map(|connect| wall_clock(connect.at_ns))
        .collect::<Result<_>>()?;
    let mut judged = 0;
    for snapshot in &snapshots {
        judged += usize::from(judge(snapshot, &netns, &connects)?);
    }
    ensure!(judged > 0, "none of {} could be judged", snapshots.len());
    Ok(())
}

/// Whether it was taken in time to be judged, and the workload went on as it had.
fn judge(snapshot: &Snapshot, netns: &NetNs, connects: &[Timestamp]) -> Result<bool> {
    let taken: Timestamp = snapshot.time.parse().context("time")?;
    let failure = *connects.last().context("no connects")?;
    let left = failure.duration_since(taken);
    if !left.is_positive() || left > JUDGED {
        return Ok(false);
    }
    if !is_steady(connects, taken - BEFORE)? {
        return Ok(false);
    }
    let mut spaces = snapshot.spaces_of(netns.inode());
    let space = spaces.next().context("no space")?;
    let said = space
        .exhausts_in_s
        .with_context(|| format!("{left:#} before the failure it sees none: {space:?}"))?;
    let off = (SignedDuration::try_from_secs_f64(said)? - left).abs();
    ensure!(
        off <= TOLERANCE.max(left / 10),
        "{left:#} before the failure it says {said} s: {space:?}"
    );
    Ok(true)
}

/// Whether all connects from then on came when they were due.
fn is_steady(connects: &[Timestamp], from: Timestamp) -> Result<bool> {
    let first = *connects.first().context("no connects")?;
    let late = connects.iter().zip(0_i32..).filter(|(at, number)| {
        let due = SignedDuration::from_secs(1) * *number / i32::from(PER_SECOND);
        **at >= from && at.duration_since(first) - due > LATE
    });
    Ok(late.count() == 0)
}

/// The time of day of a moment of `CLOCK_MONOTONIC`.
fn wall_clock(at_ns: u64) -> Result<Timestamp> {
    let since_boot = clock_gettime(ClockId::Monotonic);
    let since_boot = SignedDuration::new(since_boot.tv_sec, since_boot.tv_nsec.try_into()?);
    let ago = since_boot - SignedDuration::from_nanos(at_ns.try_into()?);
    Ok(Timestamp::now() - ago)
}
