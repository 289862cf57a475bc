//! Network namespaces that a scenario makes for itself; gone when nothing is in them any more.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, Result, anyhow};
use rustix::net::{AddressFamily, SocketType};

use crate::sys;

pub(crate) struct NetNs {
    file: File,
    inode: u64,
}

impl NetNs {
    /// A new namespace with its loopback interface up, and an inode that no other had before:
    /// the kernel gives those of deleted namespaces away again.
    pub(crate) fn new() -> Result<Self> {
        static SEEN: Mutex<BTreeSet<u64>> = Mutex::new(BTreeSet::new());
        let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut in_the_way = Vec::new();
        loop {
            let netns = Self::make()?;
            if seen.insert(netns.inode) {
                return Ok(netns);
            }
            in_the_way.push(netns);
        }
    }

    fn make() -> Result<Self> {
        let file = thread::spawn(|| -> io::Result<File> {
            sys::enter_new_netns()?;
            sys::loopback_up()?;
            File::open("/proc/thread-self/ns/net")
        })
        .join()
        .map_err(|_| anyhow!("the thread that makes a network namespace panicked"))?
        .context("cannot make a network namespace")?;
        let inode = file.metadata()?.ino();
        let netns = Self { file, inode };
        // On a slow machine a FIN is sent twice, is acknowledged twice, and the second ACK meets a
        // peer that is gone: its reset would end the TIME_WAIT (RFC 1337).
        netns.sysctl("ipv4/tcp_rfc1337", "1")?;
        Ok(netns)
    }

    /// The same, with so small a range of ephemeral ports.
    pub(crate) fn with_ports(low: u16, high: u16) -> Result<Self> {
        let netns = Self::new()?;
        netns.sysctl("ipv4/ip_local_port_range", &format!("{low} {high}"))?;
        Ok(netns)
    }

    pub(crate) fn inode(&self) -> u64 {
        self.inode
    }

    /// A path by which any process of this machine can open it, as long as this value lives.
    pub(crate) fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd()).into()
    }

    /// Runs something in the namespace, on a thread of its own.
    pub(crate) fn enter<T: Send>(
        &self,
        act: impl FnOnce() -> io::Result<T> + Send,
    ) -> io::Result<T> {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                sys::enter_netns(&self.file)?;
                act()
            });
            inside
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("panicked in the namespace")))
        })
    }

    /// Writes a setting below `/proc/sys/net`.
    pub(crate) fn sysctl(&self, name: &str, value: &str) -> Result<()> {
        let path = format!("/proc/sys/net/{name}");
        // With a line feed: nothing at all would not be written.
        self.enter(|| std::fs::write(&path, format!("{value}\n")))
            .with_context(|| format!("cannot write {value:?} to {path}"))
    }

    /// Gives the loopback interface addresses that are not loopback ones.
    pub(crate) fn add_addresses(&self, addresses: &[Ipv4Addr]) -> Result<()> {
        for (number, address) in addresses.iter().enumerate() {
            let name = format!("lo:{}", number + 1);
            self.enter(|| sys::add_loopback_address(&name, *address))
                .with_context(|| format!("cannot add the address {address}"))?;
        }
        Ok(())
    }

    /// Reads a file below `/proc/net`.
    pub(crate) fn proc_net(&self, name: &str) -> Result<String> {
        let path = format!("/proc/thread-self/net/{name}");
        self.enter(|| std::fs::read_to_string(&path))
            .with_context(|| format!("cannot read {path}"))
    }

    /// One connect from a port of the caller's choice to one that refuses.
    pub(crate) fn refused_connect(&self, from: SocketAddr, to: SocketAddr) -> io::Result<()> {
        self.enter(|| {
            let socket: OwnedFd =
                rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
            rustix::net::sockopt::set_socket_reuseaddr(&socket, true)?;
            rustix::net::bind(&socket, &from)?;
            match rustix::net::connect(&socket, &to) {
                Err(rustix::io::Errno::CONNREFUSED) => Ok(()),
                other => Err(io::Error::other(format!(
                    "expected a refusal, got {other:?}"
                ))),
            }
        })
    }
}

/// Holds a new namespace until standard input ends, for processes that enter it by `/proc/PID/ns/net`.
/// Its inode is the line of output.
pub(crate) fn hold() -> Result<()> {
    let netns = NetNs::new()?;
    sys::enter_netns(&netns.file).context("cannot enter it")?;
    println!("{}", netns.inode);
    io::copy(&mut io::stdin().lock(), &mut io::sink())?;
    Ok(())
}
