//! All that rules judge by: plain values, so that a test can make them up.

use std::{sync::Arc, time::Duration};

use crate::{attribution::Snapshot, event::Losses, host::Host};

/// What is known of a host.
#[derive(Clone, Debug, Default)]
pub struct Case {
    /// Who holds which ports.
    pub snapshot: Snapshot,
    /// What portex can do here.
    pub portex: Portex,
    /// Namespaces that could be looked into, as they are now.
    pub hosts: Vec<Host>,
    /// The same, as they were when watching began; empty when nothing was watched.
    pub before: Vec<Host>,
    /// What the look at sockets could not see, and why. Untrusted.
    pub notes: Vec<String>,
    /// Namespaces whose settings could not be read, and why. Untrusted.
    pub refusals: Vec<String>,
}

/// What portex can do here.
#[derive(Clone, Debug, Default)]
pub struct Portex {
    /// Release of the kernel.
    pub release: String,
    /// How it is attached, or was for a trial.
    pub attach: Attach,
    /// Effective capabilities that this process lacks.
    pub missing: Vec<Missing>,
    /// Effective user id.
    pub uid: u32,
    /// Why the kernel's type information cannot be read; `None`: it can.
    pub btf_refused: Option<String>,
    /// Lockdown mode: `none`, `integrity` or `confidentiality`.
    pub lockdown: &'static str,
    /// Why explicit binds cannot be seen in the kernel's table; `None`: they can, or nobody tried.
    pub walks_refused: Option<String>,
    /// What was lost while watching.
    pub losses: Losses,
    /// Path of this program, where a shell takes it as it is.
    pub program: Option<String>,
}

/// Whether portex could attach.
#[derive(Clone, Debug, Default)]
pub enum Attach {
    /// Nobody tried: capabilities are missing.
    #[default]
    NotTried,
    /// It could not: what failed, why, what to do.
    Failed(String),
    /// It could.
    Worked(Attached),
}

/// How portex is attached.
#[derive(Clone, Debug)]
pub struct Attached {
    /// Name of the way.
    pub way: &'static str,
    /// What the choice of that way costs.
    pub cost: &'static str,
    /// Whether there is no better one.
    pub best: bool,
    /// Better ways that were tried, and why they do not work.
    pub refused: Vec<(&'static str, String)>,
    /// Hooks that are off.
    pub off: Vec<Off>,
}

/// A hook that is off.
#[derive(Clone, Debug)]
pub struct Off {
    /// The kernel function or tracepoint.
    pub hook: &'static str,
    /// Why.
    pub cause: String,
    /// What is not told without it.
    pub serves: &'static str,
}

/// A capability that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Its name, `CAP_BPF`.
    pub name: &'static str,
    /// What needs it.
    pub serves: &'static str,
    /// Whether nothing can be traced without it.
    pub essential: bool,
}

impl Case {
    /// For how long events were seen.
    pub fn watched(&self) -> Option<Duration> {
        self.snapshot.watched
    }

    /// A namespace as it is now.
    pub fn host(&self, netns: u32) -> Option<&Host> {
        self.hosts.iter().find(|host| host.netns == netns)
    }

    /// The same as it was when watching began.
    pub fn earlier(&self, netns: u32) -> Option<&Host> {
        self.before.iter().find(|host| host.netns == netns)
    }

    /// What people call a namespace. Untrusted.
    pub fn name(&self, netns: u32) -> Option<Arc<str>> {
        let of_host = || self.host(netns)?.name.clone();
        let of_snapshot = || {
            let mut namespaces = self.snapshot.namespaces.iter();
            namespaces.find(|known| known.inode == netns)?.name.clone()
        };
        of_host().or_else(of_snapshot)
    }
}
