//! How many UDP sockets get a port before the first that does not: by bind() to port 0 of an address,
//! and by the calls that bind an unbound socket.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context as _, Result, ensure};

use crate::fact::{Fact, UdpFilled, UdpWay};
use crate::load::Load;
use crate::netns::NetNs;
use crate::parallel::each;
use crate::runner::Context;
use crate::snapshot::{BindPool, Owner, Snapshot, take};

const SEEDS: std::ops::Range<u64> = 1..13;

struct Scene {
    seed: u64,
    netns: NetNs,
    load: Load,
    notes: Vec<Fact>,
}

pub(super) fn run(context: &Context<'_>) -> Result<()> {
    let mut scenes = each(SEEDS.collect::<Vec<_>>(), |seed| {
        let netns = NetNs::new()?;
        // In a third of them nobody can tell all.
        let connected = if seed % 3 == 0 { " --connected" } else { "" };
        let mut load = Load::start(&netns, &format!("udp-scene --seed {seed}{connected}"))?;
        let notes = load.facts()?;
        Ok(Scene {
            seed,
            netns,
            load,
            notes,
        })
    })?;
    let snapshot = take(context, &[])?;
    let mut tally = Tally::default();
    for scene in &mut scenes {
        let facts = scene.load.facts()?;
        let filled = facts.into_iter().filter_map(|fact| match fact {
            Fact::UdpFilled(filled) => Some(filled),
            _ => None,
        });
        let pools = pools_of(&snapshot, scene.netns.inode());
        for filled in filled {
            tally
                .judge(&filled, &pools, scene.load.pid())
                .with_context(|| format!("seed {}: {:#?}", scene.seed, scene.notes))?;
        }
    }
    let Tally {
        judged,
        exact,
        ways,
    } = &tally;
    println!("udp_pool: {exact} of {judged} are exact, the others lower bounds; {ways:?}");
    ensure!(*judged >= 60, "only {judged} pools are listed");
    // Without udp_diag nobody tells whether an IPv6 socket is in the way of IPv4 ones.
    ensure!(*exact * 3 > *judged, "only {exact} of {judged} are exact");
    ensure!(ways.len() == 3, "only {ways:?}");
    Ok(())
}

fn pools_of(snapshot: &Snapshot, netns: u64) -> BTreeMap<IpAddr, BindPool> {
    let pools = snapshot.bind_pools.iter();
    pools
        .filter(|pool| pool.netns == netns && pool.proto == "udp")
        .map(|pool| (pool.src, pool.clone()))
        .collect()
}

#[derive(Default)]
struct Tally {
    judged: u32,
    exact: u32,
    ways: BTreeMap<UdpWay, u32>,
}

impl Tally {
    fn judge(
        &mut self,
        filled: &UdpFilled,
        pools: &BTreeMap<IpAddr, BindPool>,
        holder: u32,
    ) -> Result<()> {
        // A socket that nobody bound takes a port that is free on all addresses.
        let at = match (filled.way, filled.at) {
            (UdpWay::Bind, at) => at,
            (_, IpAddr::V4(_)) => Ipv4Addr::UNSPECIFIED.into(),
            (_, IpAddr::V6(_)) => Ipv6Addr::UNSPECIFIED.into(),
        };
        // An address that no socket has is not listed.
        let Some(pool) = pools.get(&at) else {
            return Ok(());
        };
        ensure!(
            pool.free == filled.got || !pool.exact && pool.free < filled.got,
            "{filled:?}, but {pool:?}"
        );
        ensure!(at.is_ipv4() || pool.exact, "all is known of {pool:?}");
        let ports: u32 = pool.owners.iter().map(|owner| owner.ports).sum();
        let is_holder = |owner: &Owner| owner.pid == Some(holder) && owner.time_wait == 0;
        ensure!(
            ports == pool.used && pool.owners.iter().all(is_holder),
            "not held by {holder}: {pool:?}"
        );
        self.judged += 1;
        self.exact += u32::from(pool.exact);
        *self.ways.entry(filled.way).or_default() += 1;
        Ok(())
    }
}
