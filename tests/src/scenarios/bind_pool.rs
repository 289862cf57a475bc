//! How many binds to port 0 of an address succeed before the first that does not.

use std::net::Ipv4Addr;

use anyhow::{Result, bail, ensure};

use crate::fact::Fact;
use crate::load::Load;
use crate::netns::NetNs;
use crate::parallel::each;
use crate::runner::Context;
use crate::snapshot::{BindPool, take};

/// Scenes such as those of `port_space`.
const SEEDS: [u64; 6] = [1001, 1002, 1003, 1004, 1005, 1006];

const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED];

pub(super) fn run(context: &Context<'_>) -> Result<()> {
    let mut scenes = each(SEEDS, |seed| {
        let netns = NetNs::new()?;
        let mut scene = Load::start(&netns, &format!("scene --even --seed {seed}"))?;
        let notes = scene.facts()?;
        let at = ADDRESSES.map(|at| format!("--at {at}")).join(" ");
        let binder = Load::start(&netns, &format!("bind-all {at}"))?;
        Ok((netns, scene, notes, binder))
    })?;
    let snapshot = take(context, &[])?;
    let mut judged = 0;
    let mut exact = 0;
    for ((netns, _scene, notes, binder), seed) in scenes.iter_mut().zip(SEEDS) {
        for at in ADDRESSES {
            let facts = binder.facts()?;
            let [Fact::BoundAll { binds, .. }] = facts.as_slice() else {
                bail!("the workload is not as meant: {facts:?}");
            };
            // An address that no socket has is not listed.
            let is_of = |pool: &&BindPool| {
                pool.proto == "tcp" && (pool.netns, pool.src) == (netns.inode(), at.into())
            };
            if let Some(pool) = snapshot.bind_pools.iter().find(is_of) {
                ensure!(
                    pool.free == *binds || !pool.exact && pool.free < *binds,
                    "seed {seed}: {binds} binds succeeded: {pool:?}\n{notes:#?}"
                );
                judged += 1;
                exact += usize::from(pool.exact);
            }
        }
    }
    println!("bind_pool: {exact} of {judged} are exact, the others lower bounds");
    ensure!(judged >= SEEDS.len(), "only {judged} pools are listed");
    // Where the kernel does not list sockets that are only bound (before 6.8), BPF finds them.
    ensure!(exact > judged / 2, "only {exact} of {judged} are exact");
    Ok(())
}
