//! Brings together what feeds the model: looks at the host, walks over the kernel's tables, events.
//!
//! * `scan`: one look and the walks that go with it, side by side
//! * `scanner`: a thread that scans when asked, while events go on
//! * `model`: the model, fed with inputs
//! * `watch`: events into the model, corrected by scans
//! * `audience`: who follows a watch: a recording, a screen
//! * `journal`: the audience that records
//! * `replay`: a recording into the model, at a pace
//! * `narrow`: a snapshot of what is wanted only

mod audience;
mod journal;
mod model;
mod narrow;
mod replay;
mod scan;
mod scanner;
mod watch;

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

pub use audience::{Audience, Wish};
pub use journal::Journal;
pub use model::Model;
pub use narrow::narrow;
pub use replay::{Replayed, linger, replay};
pub use scan::{Scanned, Walks, scan};
pub use scanner::Scanner;
pub use watch::{Watched, watch};

/// The clock of the kernel programs.
pub fn monotonic() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or(0),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}
