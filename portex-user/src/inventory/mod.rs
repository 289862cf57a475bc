//! What exists on this host, whatever portex has seen of it.
//!
//! [`look()`] streams it as [`Found`] values. What it is made of, in the order of use:
//!
//! * `processes`: `/proc/PID`, held open while it is read
//! * `namespaces` and `names`: which network namespaces there are, how to get in, what people call
//!   them
//! * `owners`: which process has which socket open
//! * `rules`: the settings of a namespace; `counters`: what it counts
//! * `sock_diag` and `inet_diag`: its TCP and UDP sockets; `proc_net`: the same where the kernel has no
//!   sock_diag; `row`: what both tell of a socket; `sockstat`: whether there are any
//! * `look`: goes through the namespaces
//! * `host`, `conntrack` and `addresses`: what else decides about ports there
//!
//! Looked up one by one, for who wants to see more:
//!
//! * `details`: a process
//! * `services`: names of ports

mod addresses;
pub mod cgroups;
mod conntrack;
mod counters;
pub mod details;
mod host;
mod inet_diag;
mod look;
mod machine;
mod names;
mod namespaces;
pub mod netns;
mod networks;
mod owners;
mod proc_net;
pub mod processes;
mod row;
mod rules;
pub mod services;
mod sock_diag;
mod sockstat;

#[cfg(test)]
mod tests;

use std::{
    panic::resume_unwind,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

pub use host::{Survey, survey};

use crate::found::{Found, Sight};

/// Batches that may wait for the taker. Then the kernel's dump waits too.
const WAITING: usize = 2;

/// What to look at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// The inode number of the only namespace wanted; `None` for all.
    pub netns: Option<u32>,
    /// Look into `/proc/PID/fd` for the processes that have the sockets open.
    pub owners: bool,
}

/// What a look could see, and what it took.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How much was seen. Neither explicit binds nor timestamps can be seen from here: what BPF
    /// adds stays false.
    pub sight: Sight,
    /// Namespaces that were looked into.
    pub namespaces: u32,
    /// Sockets that were found.
    pub sockets: u64,
    /// How long it took.
    pub took: Duration,
    /// Why something could not be seen, for people. May hold names of other processes' making:
    /// escape before printing.
    pub notes: Vec<String>,
}

/// Looks at everything once. `take` is called on this thread, with batches of up to 4,096 as they
/// come; while it works, the next is fetched.
///
/// The kernel's tables are not frozen meanwhile: a socket that moves from one to another (bound,
/// then connected) may come twice, or not at all. What is left of a TIME_WAIT is counted from the
/// moment of its batch.
///
/// Needs nothing for the own namespace and the own processes; CAP_SYS_ADMIN to enter other
/// namespaces, CAP_SYS_PTRACE to see other users' processes (and so most namespaces). The calling
/// thread's namespace stays as it is.
pub fn look(look: &Look, take: &mut dyn FnMut(Vec<Found>)) -> Report {
    let began = Instant::now();
    let (sender, batches) = mpsc::sync_channel(WAITING);
    let mut report = thread::scope(|scope| {
        let worker = thread::Builder::new()
            .name("portex-look".to_owned())
            .spawn_scoped(scope, move || look::run(look, sender));
        for batch in batches {
            take(batch);
        }
        match worker.map(thread::ScopedJoinHandle::join) {
            Ok(Ok(report)) => report,
            Ok(Err(panic)) => resume_unwind(panic),
            Err(error) => Report {
                notes: vec![format!("nothing was looked at: no thread: {error}")],
                sight: Sight {
                    // At least the own one is there.
                    hidden_namespaces: 1,
                    ..Sight::default()
                },
                ..Report::default()
            },
        }
    });
    report.took = began.elapsed();
    report
}
