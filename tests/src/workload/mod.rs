//! What runs in a workload process: it makes connects, and tells what came of each.

mod bind_all;
mod binds;
mod bound;
mod churn;
mod connect;
pub(crate) mod fail_at;
mod hand_over;
mod pair;
mod pool;
mod prebound;
mod retry;
mod scene;
mod server;
mod sockets;
mod stage;
mod steady;
mod storm;
mod udp_scene;

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::Subcommand;

pub(crate) use self::pair::Pair;
use self::stage::Stage;
use crate::sys;

/// No workload takes longer, whatever happens to the process that started it.
const LIFETIME_SECONDS: u32 = 240;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The network namespace to work in.
    #[arg(long)]
    netns: Option<PathBuf>,
    /// The cgroup directory to move to.
    #[arg(long)]
    cgroup: Option<PathBuf>,
    #[command(subcommand)]
    workload: Workload,
}

#[derive(Subcommand)]
enum Workload {
    /// Connects in many variations, to a listener of its own.
    Connect(connect::Args),
    /// Two sockets bound to one port connect to one destination.
    Prebound(prebound::Args),
    /// Sockets that connect again after they failed.
    Retry(retry::Args),
    /// Accepts, and closes when the client does, unless told otherwise.
    Serve(server::Args),
    /// Connects, then leaves the sockets to another process and ends.
    HandOver(hand_over::Args),
    /// Takes sockets over and closes them, or connects them again first.
    Keep(hand_over::Keep),
    /// A namespace in any state, made from a seed, whose spaces are filled then.
    Scene(scene::Args),
    /// Binds to port 0 of addresses until there is no port.
    BindAll(bind_all::Args),
    /// Calls that want a local port, of TCP and UDP, until and beyond the last.
    Binds(binds::Args),
    /// Connects that fail at three places.
    FailAt(fail_at::Args),
    /// Connects that fail, as fast as they can.
    Storm(storm::Args),
    /// UDP sockets made from a seed; then their ports are taken until there is none.
    UdpScene(udp_scene::Args),
    /// Binds to port 0 of an address, then connects.
    Bound(bound::Args),
    /// Binds to port 0 of an address, and keeps what it gets.
    Pool(pool::Args),
    /// Connects at a steady rate, until there is no port.
    Steady(steady::Args),
    /// Connects on loopback as fast as they go, for benchmarks.
    Churn(churn::Args),
    /// Holds the sockets that it inherited, until it ends.
    Hold,
}

pub(crate) fn run(args: Args) -> Result<()> {
    sys::die_after(LIFETIME_SECONDS);
    let mut elsewhere = false;
    if let Some(path) = &args.netns {
        let netns = File::open(path).with_context(|| path.display().to_string())?;
        let here = std::fs::metadata("/proc/thread-self/ns/net")?;
        elsewhere = netns.metadata()?.ino() != here.ino();
        sys::enter_netns(&netns).context("cannot enter the network namespace")?;
    }
    if let Some(path) = &args.cgroup {
        std::fs::write(path.join("cgroup.procs"), "0").context("cannot enter the cgroup")?;
    }
    if let Workload::Churn(args) = &args.workload {
        // It is started by a benchmark, and talks to no scenario.
        ensure!(
            elsewhere,
            "give it a network namespace by --netns: it changes settings there"
        );
        return churn::run(args);
    }
    let stage = Stage::new();
    match args.workload {
        Workload::Churn(_) => return Ok(()),
        Workload::Connect(args) => connect::run(&args, &stage),
        Workload::Prebound(args) => prebound::run(&args, &stage),
        Workload::Retry(args) => retry::run(&args, &stage),
        Workload::Serve(args) => server::run(&args, &stage),
        Workload::HandOver(args) => return hand_over::run(&args, &stage),
        Workload::Scene(args) => scene::run(&args, &stage),
        Workload::BindAll(args) => bind_all::run(&args, &stage),
        Workload::Binds(args) => binds::run(&args, &stage),
        Workload::FailAt(args) => fail_at::run(&args, &stage),
        Workload::Storm(args) => storm::run(&args, &stage),
        Workload::UdpScene(args) => udp_scene::run(&args, &stage),
        Workload::Bound(args) => bound::run(&args, &stage),
        Workload::Pool(args) => pool::run(&args, &stage),
        Workload::Steady(args) => steady::run(&args, &stage),
        Workload::Keep(args) => hand_over::keep(&args, &stage),
        Workload::Hold => hand_over::hold(&stage),
    }?;
    stage.done()
}
