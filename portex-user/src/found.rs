//! What a look at the host found: with [`crate::event`], the input of the attribution.
//!
//! `inventory/` makes these values, `attribution/` takes them; neither knows the other. Recordings keep
//! them: what changes here changes the format of `recording/`.

use std::{net::IpAddr, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    event::TcpState,
    ports::{PortRange, PortSet},
};

/// One thing that was found. A look begins with [`Found::Namespace`] of each namespace, before what
/// is in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Found {
    /// A network namespace, with its settings as they are now.
    Namespace(Namespace),
    /// A namespace, announced before, that could not be looked through to its end; by inode number.
    /// Nothing may be concluded from what was not found in it.
    Unreadable(u32),
    /// A socket or minisocket of TCP that holds a port.
    Socket(Socket),
    /// A socket of UDP that holds a port.
    UdpSocket(UdpSocket),
    /// A port that an explicit bind keeps from every connect() without a port.
    Blocked(Blocked),
    /// A TIME_WAIT whose peer sent no timestamps, so that no connect() may take its port over.
    NoTimestamps(Tuple),
}

/// A network namespace.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Namespace {
    /// Its inode number.
    pub inode: u32,
    /// What people call it: a name of `ip netns`, a container, a unit. Untrusted.
    pub name: Option<Arc<str>>,
    /// Its settings.
    pub rules: Rules,
    /// What it counts.
    pub counters: Counters,
}

/// What the kernel counts in a namespace, since that began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// `TCPTimeWaitOverflow` of `/proc/net/netstat`: TIME_WAITs left out, as `tcp_max_tw_buckets` was
    /// reached or there was no memory. `None`: not told.
    pub time_wait_overflows: Option<u64>,
}

/// The settings of a namespace that decide which ports can be had (`net.ipv4.*`, ip-sysctl).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// `ip_local_port_range`.
    pub range: PortRange,
    /// `ip_local_reserved_ports`.
    pub reserved: PortSet,
    /// `tcp_tw_reuse`: 0 never, 1 always, 2 loopback only.
    pub tw_reuse: u8,
    /// How old a TIME_WAIT must be to be reused: `tcp_tw_reuse_delay` (6.14), else one second.
    pub tw_reuse_delay: Duration,
    /// Whether that age counts in whole seconds only, as before 6.14: up to a second more.
    pub tw_reuse_coarse: bool,
    /// Whether a FIN_WAIT2 minisocket can perhaps be reused as well: before 6.1, unless the refusal was
    /// backported, as Debian's 5.10.262 has it.
    pub tw_reuse_fin_wait2: bool,
    /// `tcp_max_tw_buckets`.
    pub max_tw_buckets: u32,
    /// `ip_autobind_reuse` is 1: bind() to port 0 may share ports.
    pub autobind_reuse: bool,
    /// `tcp_fin_timeout`.
    pub fin_timeout: Duration,
}

/// Two endpoints in a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tuple {
    /// Inode number of the namespace.
    pub netns: u32,
    /// Source; IPv4-mapped addresses as IPv4; unspecified when any.
    pub src: IpAddr,
    /// Source port.
    pub src_port: u16,
    /// Destination, likewise; unspecified when not connected.
    pub dst: IpAddr,
    /// Destination port; 0 when not connected.
    pub dst_port: u16,
}

/// A socket or minisocket of TCP that holds a port.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Socket {
    /// Its endpoints.
    pub tuple: Tuple,
    /// Device that it is bound to (interface index), 0 for none.
    pub dev: u32,
    /// State; [`TcpState::Close`] when it is bound and neither listens nor connects. The substate of
    /// a minisocket.
    pub state: TcpState,
    /// Whether a socket of family IPv6 with an unspecified source takes no IPv4 (`IPV6_V6ONLY`).
    pub v6only: bool,
    /// Of a TIME_WAIT minisocket: what is left of its time.
    pub time_wait: Option<Duration>,
    /// A process that has it open; the one that is there longest, when several have. `None`: nobody
    /// has it any more, or nobody who may be looked at.
    pub process: Option<Arc<Process>>,
}

/// A socket of UDP that holds a port, by bind() or by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UdpSocket {
    /// Inode number of the namespace.
    pub netns: u32,
    /// Local address; IPv4-mapped ones as IPv4; unspecified when any.
    pub src: IpAddr,
    /// Its port.
    pub port: u16,
    /// Device that it is bound to (interface index), 0 for none.
    pub dev: u32,
    /// Whether a socket of family IPv6 with an unspecified address takes no IPv4 (`IPV6_V6ONLY`).
    /// `None`: not told.
    pub v6only: Option<bool>,
    /// See [`Socket::process`].
    pub process: Option<Arc<Process>>,
}

/// A process that has sockets open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its id (TGID).
    pub pid: u32,
    /// When it began, in clock ticks (10 ms) since boot, cut to 32 bits: tells two of one id apart.
    pub start: u32,
    /// Real user id.
    pub uid: u32,
    /// Its name. Untrusted.
    pub comm: Vec<u8>,
    /// Path of its cgroup in the unified hierarchy. Untrusted.
    pub cgroup: Option<Arc<str>>,
}

/// A bind bucket that is not connect's own (`inet_bind_bucket` with `fastreuse` or `fastreuseport`
/// not below 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Blocked {
    /// Inode number of the namespace.
    pub netns: u32,
    /// VRF (layer 3 master device) that it counts in, 0 for none.
    pub l3mdev: u32,
    /// The port.
    pub port: u16,
}

/// How much a look could see. What it could not see makes the model inexact.
#[expect(clippy::struct_excessive_bools, reason = "each is of something else")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sight {
    /// Every explicit bind was found ([`Found::Blocked`]).
    pub binds: bool,
    /// Sockets that are bound and neither listen nor connect were found too.
    pub bound_sockets: bool,
    /// The UDP sockets were found.
    pub udp: bool,
    /// TIME_WAITs without timestamps were found ([`Found::NoTimestamps`]).
    pub timestamps: bool,
    /// Namespaces that could not be looked into, though they are there.
    pub hidden_namespaces: u32,
}
