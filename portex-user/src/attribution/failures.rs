//! The latest failed allocations.

use std::{net::IpAddr, time::Duration};

use super::snapshot::Holder;
use crate::event::Cause;

/// A connect() that got no port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// When, by `CLOCK_MONOTONIC`.
    pub time: Duration,
    /// Inode number of the namespace.
    pub netns: u32,
    /// Who called connect().
    pub holder: Holder,
    /// Its thread.
    pub tid: u32,
    /// Source address; unspecified when there was none.
    pub src: IpAddr,
    /// Source port, where a bind had chosen one.
    pub src_port: Option<u16>,
    /// Destination address.
    pub dst: IpAddr,
    /// Destination port.
    pub dst_port: u16,
    /// Device that the socket is bound to (interface index), 0 for none.
    pub dev: u32,
    /// Error number, positive.
    pub errno: u16,
    /// Why.
    pub cause: Cause,
    /// Duration of the port search, where it could be measured.
    pub search: Option<Duration>,
}
