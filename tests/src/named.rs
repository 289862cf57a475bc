//! Many network namespaces with names, which nobody else sees and which go with who made them.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;

use anyhow::{Context as _, Result};
use rustix::mount::MountFlags;

use crate::sys;
use crate::told::FENCE_PORT;
use crate::workload::Pair;

/// Where names are kept, as `ip netns` has it.
const NAMES: &str = "/run/netns";

/// One in so many has a port in use, and a name that begins so.
const BUSY_EVERY: usize = 50;
pub(crate) const BUSY: &str = "busy-";

/// Makes them, in a mount namespace that the calling process is in already.
pub(crate) fn make(count: usize) -> Result<()> {
    rustix::mount::mount("none", "/run", "tmpfs", MountFlags::empty(), None)?;
    std::fs::create_dir(NAMES)?;
    let home = File::open("/proc/thread-self/ns/net")?;
    for number in 0..count {
        sys::enter_new_netns().context("a new network namespace")?;
        let busy = number % BUSY_EVERY == 0;
        let begin = if busy { BUSY } else { "idle-" };
        let name = Path::new(NAMES).join(format!("{begin}{number}"));
        File::create(&name)?;
        rustix::mount::mount_bind("/proc/thread-self/ns/net", &name)?;
        if busy {
            sys::loopback_up()?;
            leave_time_wait()?;
        }
    }
    Ok(sys::enter_netns(&home)?)
}

/// To a port that no other scenario takes for its own, should the namespace's inode number be given
/// away again.
pub(crate) fn leave_time_wait() -> Result<()> {
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, FENCE_PORT));
    let listener = TcpListener::bind(at)?;
    let client = TcpStream::connect(at)?;
    Pair::of(client.into(), &listener)?.into_time_wait()
}
