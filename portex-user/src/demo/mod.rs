//! The demo: a workload that runs out of ports, in a network namespace of its own.
//!
//! The workload is this program again, as a child that moves to a new namespace before it does
//! anything, and starts the processes of the scene there. All of them end when their standard input
//! closes or their parent dies, and the namespace with them.
//!
//! * `workload`: the first child; `namespace`: what it sets up; `places`: ports and addresses
//! * `roles`: its children; `servers`, `clients`: what they do
//! * `child`, `tether`: a child as its parent sees it, and the parent as the child does
//! * `advice`: what to look at, by what is to be seen

mod advice;
mod child;
mod clients;
mod namespace;
mod places;
mod roles;
mod servers;
mod tether;
pub mod workload;

pub use advice::advice;
use anyhow::bail;
use child::Child;

/// Said before the first event.
pub const WHAT_IT_SHOWS: &str = "\
portex demo: a namespace with 992 ephemeral ports (40000-41023, 32 reserved).
  'checkout' opens and closes 31 connections a second to 10.0.0.10:443: each
  leaves its port in TIME_WAIT for 60 s. 'reports' opens 2 a second to
  10.0.0.20:5432 and closes none. 'legacy' binds to port 0 before it connects
  to 10.0.0.30:6379: no destination gets its ports. 'metrics' does no harm.
  Within half a minute checkout has no port left:
  connect_failed range_exhausted.";

/// The running workload; ended when dropped.
pub struct Workload {
    child: Child,
    netns: u32,
}

impl Workload {
    /// Starts it; it waits for [`Workload::go`]. It dies with the thread that calls this.
    ///
    /// # Errors
    /// No namespace can be made, say for lack of CAP_SYS_ADMIN; the workload has said why on standard
    /// error.
    pub fn start() -> anyhow::Result<Self> {
        let (child, line) = Child::start("portex", None)?;
        match line.trim().parse() {
            Ok(netns) => Ok(Self { child, netns }),
            Err(_) => bail!("the demo's workload could not make its namespace"),
        }
    }

    /// Inode number of its network namespace.
    pub fn netns(&self) -> u32 {
        self.netns
    }

    /// Lets it begin.
    ///
    /// # Errors
    /// It has ended already.
    pub fn go(&mut self) -> anyhow::Result<()> {
        self.child.go()
    }
}

#[cfg(test)]
mod tests {
    use super::{WHAT_IT_SHOWS, places};

    #[test]
    fn it_says_what_it_does_in_eighty_columns() {
        let ports = places::RANGE.size() - places::RESERVED.size();
        let facts = [
            format!("{ports} ephemeral ports ({},", places::RANGE),
            format!("{} reserved", places::RESERVED.size()),
            places::PAYMENTS.to_string(),
            places::DATABASE.to_string(),
            places::CACHE.to_string(),
        ];
        for fact in facts {
            assert!(WHAT_IT_SHOWS.contains(&fact), "{fact}");
        }
        for line in WHAT_IT_SHOWS.lines() {
            assert!(line.len() <= 80, "{line}");
        }
    }
}
