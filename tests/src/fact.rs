//! What a workload tells about itself: one JSON line per thing that happened.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub(crate) enum Fact {
    /// The first line.
    Hello { pid: u32 },
    /// A call that asks for a connection has returned.
    Connect(Connect),
    /// Something was done, for those who look into a failure.
    Note { what: String },
    /// Connects took all the ports that they could get.
    Filled(Filled),
    /// A call that wanted a local port was refused one.
    Refused(Refused),
    /// Binds to port 0 of an address did.
    BoundAll { at: IpAddr, binds: u32 },
    /// UDP sockets did.
    UdpFilled(UdpFilled),
    /// The kernel does not offer what this workload is about.
    Unsupported { why: String },
    /// Nothing more happens until a line comes on standard input.
    Ready { step: String },
    /// The last line.
    Done,
}

/// How many UDP sockets got a port.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct UdpFilled {
    pub(crate) way: UdpWay,
    /// The address that was bound to, or that an unbound socket turned to.
    pub(crate) at: IpAddr,
    pub(crate) got: u32,
}

/// The call by which a UDP socket gets its port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UdpWay {
    Bind,
    Connect,
    Send,
}

/// One call that asks for a connection, as its caller saw it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Connect {
    /// `CLOCK_MONOTONIC` when the call returned.
    pub(crate) at_ns: u64,
    pub(crate) pid: u32,
    pub(crate) tid: u32,
    pub(crate) uid: u32,
    pub(crate) comm: String,
    /// Path in the cgroup v2 hierarchy, from `/proc/self/cgroup`.
    pub(crate) cgroup: Option<String>,
    /// The name of its errno, null when it returned success.
    pub(crate) errno: Option<String>,
    /// An explicit bind came before.
    pub(crate) bound: bool,
    /// `getsockname` afterwards.
    pub(crate) local: SocketAddr,
    pub(crate) dst: SocketAddr,
}

/// A call that wanted a local port and got none, as its caller saw it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Refused {
    pub(crate) pid: u32,
    pub(crate) tid: u32,
    pub(crate) uid: u32,
    pub(crate) comm: String,
    pub(crate) cgroup: Option<String>,
    /// `tcp` or `udp`.
    pub(crate) proto: String,
    /// `bind`, `listen` or `autobind`.
    pub(crate) call: String,
    /// The name of its errno.
    pub(crate) errno: String,
    /// What was asked for; port 0 is any.
    pub(crate) wanted: SocketAddr,
}

impl Connect {
    /// No port was to be had. Any other result, refusal included, comes after one was taken.
    pub(crate) fn failed(&self) -> bool {
        self.errno.as_deref() == Some("EADDRNOTAVAIL")
    }
}

/// The ports of one source towards one destination, after a connect that found none.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Filled {
    pub(crate) src: IpAddr,
    pub(crate) dst: SocketAddr,
    /// First and last port that a connect may get.
    pub(crate) range: (u16, u16),
    /// It is the sockets' own (`IP_LOCAL_PORT_RANGE`).
    pub(crate) own_range: bool,
    /// Ports of the range that are reserved.
    pub(crate) reserved: Vec<u16>,
    /// How many connects succeeded before the first that did not.
    pub(crate) connects: u32,
    /// How long the oldest `TIME_WAIT` of the namespace had lasted by then.
    pub(crate) oldest_wait_ms: Option<u64>,
}
