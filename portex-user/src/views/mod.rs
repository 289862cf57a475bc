//! What people and programs read. A view gets events and writes text; it does not know where they
//! come from.

mod call;
pub mod check;
pub mod doctor;
mod groups;
mod json;
pub mod snapshot;
pub mod top;
mod trace;

use std::io;

use jiff::Timestamp;

pub use groups::Groups;
pub use json::Json;
pub use trace::{Style, Trace};

use crate::{
    call::Call,
    clock::Clock,
    event::{Event, Losses},
};

/// What a view needs besides the event itself.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Turns the kernel's clock into the time of day.
    pub clock: &'a Clock,
    /// Path of the cgroup, where known.
    pub cgroup: Option<&'a str>,
    /// The failing call in full, where stacks are asked for.
    pub call: Option<&'a Call>,
}

/// A view of events.
pub trait EventView {
    /// Whether it shows the path of the cgroup.
    const SHOWS_CGROUP: bool;

    /// Shows one event.
    fn event(&mut self, event: &Event, context: Context<'_>) -> io::Result<()>;

    /// Shows what was lost since the last time, by kind; never called when that is nothing.
    fn lost(&mut self, since_last: &Losses, now: Timestamp) -> io::Result<()>;

    /// A batch is over: what was written shall be seen.
    fn flush(&mut self) -> io::Result<()>;

    /// Nothing will come any more. A last flush follows.
    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Name of an error number, where the kernel gives it in connect(), else the number.
pub fn errno_name(errno: u16) -> String {
    let name = match i32::from(errno) {
        libc::EADDRNOTAVAIL => "EADDRNOTAVAIL",
        libc::ENOMEM => "ENOMEM",
        libc::EADDRINUSE => "EADDRINUSE",
        libc::EAGAIN => "EAGAIN",
        libc::EPERM => "EPERM",
        libc::EINVAL => "EINVAL",
        libc::ENETUNREACH => "ENETUNREACH",
        other => return format!("E{other}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests;
