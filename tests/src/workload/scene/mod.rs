//! A namespace in any state, made from a seed; then its spaces are filled to the first failure.
//!
//! Steps: the scene is set; all spaces are filled.

mod plan;
mod world;

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use rustix::io::Errno;

use self::plan::{Plan, Space};
use self::world::{Anchor, World};
use super::sockets;
use super::stage::Stage;
use crate::fact::{Fact, Filled};
use crate::sys;

/// More connects than any range here has ports.
const MOST: u32 = 200;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    seed: u64,
    /// An even number of ports: of an odd one, a search leaves one out.
    #[arg(long)]
    even: bool,
    /// Fill also spaces with `IP_LOCAL_PORT_RANGE`.
    #[arg(long)]
    own_ranges: bool,
}

pub(crate) fn run(args: &Args, stage: &Stage) -> Result<()> {
    let plan = Plan::new(args.seed, args.even, args.own_ranges && has_own_ranges()?);
    apply(&plan)?;
    stage.pause("start")?;
    let Plan {
        range,
        reserved,
        tw_reuse,
        timestamps,
        ..
    } = &plan;
    stage.tell(&Fact::Note {
        what: format!(
            "range {range:?} without {reserved:?}, tcp_tw_reuse {tw_reuse}, timestamps {timestamps}"
        ),
    })?;
    let mut world = World::new(&plan.spaces)?;
    for action in &plan.actions {
        let outcome = world.act(action).with_context(|| format!("{action:?}"))?;
        stage.tell(&Fact::Note {
            what: format!("{action:?}: {outcome}"),
        })?;
    }
    stage.pause("set")?;
    let mut open = Vec::new();
    for anchor in &world.anchors {
        let connects = fill(&anchor.space, &mut open)?;
        stage.tell(&Fact::Filled(filled(&plan, anchor, connects, &world)?))?;
    }
    stage.pause("filled")
}

fn has_own_ranges() -> Result<bool> {
    let socket = sockets::new(([127, 0, 0, 1], 1).into(), false)?;
    Ok(sys::set_ip_option(&socket, sys::LOCAL_PORT_RANGE, 0).is_ok())
}

/// Writes the settings of the namespace.
fn apply(plan: &Plan) -> Result<()> {
    let set = |name: &str, value: String| {
        let path = format!("/proc/sys/net/ipv4/{name}");
        std::fs::write(&path, value).context(path)
    };
    let (low, high) = plan.range;
    set("ip_local_port_range", format!("{low} {high}"))?;
    let reserved: Vec<_> = plan.reserved.iter().map(ToString::to_string).collect();
    set("ip_local_reserved_ports", reserved.join(","))?;
    set("tcp_tw_reuse", plan.tw_reuse.to_string())?;
    set("tcp_timestamps", u8::from(plan.timestamps).to_string())
}

/// Connects until there is no port, and returns how many there were.
fn fill(space: &Space, open: &mut Vec<rustix::fd::OwnedFd>) -> Result<u32> {
    for number in 0..MOST {
        let socket = space.socket(false, true)?;
        match rustix::net::connect(&socket, &space.dst) {
            Ok(()) | Err(Errno::INPROGRESS) => open.push(socket),
            Err(Errno::ADDRNOTAVAIL) => return Ok(number),
            Err(error) => return Err(error).with_context(|| format!("connect {number}")),
        }
    }
    anyhow::bail!("{space:?} does not run out")
}

fn filled(plan: &Plan, anchor: &Anchor, connects: u32, world: &World) -> Result<Filled> {
    let (low, high) = plan.range;
    let inside = |port: &u16| (low..=high).contains(port);
    let own = anchor.space.own_range;
    let range = (
        own.map(|own| own.0).filter(inside).unwrap_or(low),
        own.map(|own| own.1).filter(inside).unwrap_or(high),
    );
    ensure!(range.0 <= range.1, "an empty range");
    let reserved = plan
        .reserved
        .iter()
        .filter(|port| (range.0..=range.1).contains(*port));
    let reserved: std::collections::BTreeSet<_> = reserved.collect();
    Ok(Filled {
        src: anchor.source,
        dst: anchor.space.dst,
        range,
        own_range: own.is_some(),
        reserved: reserved.into_iter().copied().collect(),
        connects,
        oldest_wait_ms: world.first_wait.map(age_ms).transpose()?,
    })
}

fn age_ms(begin: Instant) -> Result<u64> {
    Ok(u64::try_from(begin.elapsed().as_millis())?)
}
