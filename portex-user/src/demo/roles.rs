//! The processes of the demo.

use std::ffi::CStr;

use anyhow::Context as _;
use rustix::thread::set_name;
use tokio::runtime::Runtime;

use super::{clients, servers::Servers, tether::Tether, workload::say};

/// What a process of the demo does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Answers all the others.
    Servers,
    /// Opens a connection for each request, and closes it: TIME_WAITs fill its space.
    Checkout,
    /// Never closes: a leak.
    Reports,
    /// Binds to port 0 before it connects: its ports are lost to everybody.
    Legacy,
    /// Keeps a few connections and does no harm.
    Metrics,
}

impl Role {
    /// In the order in which they are started.
    pub(super) const ALL: [Self; 5] = [
        Self::Servers,
        Self::Checkout,
        Self::Reports,
        Self::Legacy,
        Self::Metrics,
    ];

    /// The name of its process; the kernel keeps 15 bytes of it.
    const fn comm(self) -> &'static CStr {
        match self {
            Self::Servers => c"servers",
            Self::Checkout => c"checkout",
            Self::Reports => c"reports",
            Self::Legacy => c"legacy",
            Self::Metrics => c"metrics",
        }
    }

    pub(super) fn name(self) -> &'static str {
        self.comm().to_str().unwrap_or_default()
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Says that it is ready, waits for the word, and works until its parent ends.
    pub(super) fn main(self, runtime: &Runtime) -> anyhow::Result<()> {
        set_name(self.comm()).context("naming a process of the demo")?;
        runtime.block_on(async {
            let mut tether = Tether::hold()?;
            let servers = match self {
                Self::Servers => Servers::listen().await?,
                _ => Servers::default(),
            };
            say("ready")?;
            if !tether.go().await {
                return Ok(());
            }
            match self {
                Self::Servers => tether.work(servers.serve()).await,
                Self::Checkout => tether.work(clients::checkout()).await,
                Self::Reports => tether.work(clients::reports()).await,
                Self::Legacy => tether.work(clients::legacy()).await,
                Self::Metrics => tether.work(clients::metrics()).await,
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_is_found_by_its_name_which_the_kernel_keeps_whole() {
        for role in Role::ALL {
            assert_eq!(Role::named(role.name()), Some(role));
            assert!((1..=15).contains(&role.name().len()), "{role:?}");
        }
        assert_eq!(Role::named(""), None);
    }
}
