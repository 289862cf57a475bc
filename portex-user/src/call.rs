//! A failing call in full: which descriptor, from where in which program, of which process.

use std::{sync::Arc, time::Duration};

use crate::{details::ProcessDetails, symbols::Stack};

/// What is told of a failing call where stacks are asked for.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// File descriptor of the socket; `None` where the call has none (io_uring, the kernel itself).
    pub fd: Option<u32>,
    /// Where it came from.
    pub stack: Arc<Stack>,
    /// The process, looked up soon after the call: it may have ended by then.
    pub process: Arc<ProcessDetails>,
    /// How old the process was at the call.
    pub age: Option<Duration>,
}
