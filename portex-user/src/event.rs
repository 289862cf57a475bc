//! What happened, in the field's terms: the input of every view.

use std::{net::IpAddr, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

mod capture;
mod comm;
mod losses;
#[cfg(test)]
pub(crate) mod samples;

pub use capture::{BuildId, Capture};
pub use comm::Comm;
pub use losses::{Losses, RingFull};

/// One thing that happened to one outbound connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, by `CLOCK_MONOTONIC`, since boot without suspend.
    pub time: Duration,
    /// Opaque id, the same for all events of one connection.
    pub socket: u64,
    /// Inode number of the network namespace.
    pub netns: u32,
    /// The process that called connect().
    pub owner: Owner,
    /// Source address; unspecified when there was none.
    pub src: IpAddr,
    /// Source port; `None` when none was given.
    pub src_port: Option<u16>,
    /// Destination address; unspecified where there is none: of a failed bind.
    pub dst: IpAddr,
    /// Destination port; 0 where there is none.
    pub dst_port: u16,
    /// Protocol of the socket.
    pub proto: Proto,
    /// What happened.
    pub kind: Kind,
    /// What was kept of a failing call, where stacks were asked for.
    pub capture: Option<Arc<Capture>>,
}

/// Protocol of a socket.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Proto {
    /// IPPROTO_TCP.
    #[default]
    Tcp,
    /// IPPROTO_UDP.
    Udp,
}

impl Proto {
    /// Name in every output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// The process that called connect(), as it was at that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Thread group id.
    pub pid: u32,
    /// Thread id.
    pub tid: u32,
    /// Real user id in the initial user namespace.
    pub uid: u32,
    /// Thread name as the kernel has it: any bytes but NUL. Untrusted.
    pub comm: Comm,
    /// Id of the cgroup in the unified hierarchy; 0 is unknown.
    pub cgroup: u64,
    /// When the process began, in clock ticks (10 ms) since boot, cut to 32 bits; 0 is unknown. Tells
    /// two processes of one id apart.
    pub start: u32,
}

/// What a socket says about the ports that it may get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restrictions {
    /// Device that it is bound to (interface index, `SO_BINDTODEVICE`), 0 for none.
    pub dev: u32,
    /// Lowest port of its own range (`IP_LOCAL_PORT_RANGE`), 0 for none.
    pub lo: u16,
    /// Highest, likewise.
    pub hi: u16,
}

/// What happened, with what only this kind has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A port was allocated.
    Connect {
        /// An earlier bind() chose the port.
        bound: bool,
        /// That bind() asked for this port by number, not for any (port 0).
        by_number: bool,
        /// Duration of the port search, where it could be measured.
        search: Option<Duration>,
        /// Which ports the socket may get.
        restrictions: Restrictions,
    },
    /// No port was allocated: connect() failed.
    ConnectFailed {
        /// Error number, positive.
        errno: u16,
        /// Why.
        cause: Cause,
        /// Duration of the port search, where it could be measured.
        search: Option<Duration>,
        /// Which ports the socket may get.
        restrictions: Restrictions,
    },
    /// No port was given: bind(), listen() or the binding of an unbound UDP socket failed.
    BindFailed {
        /// Which of them.
        call: BindCall,
        /// Error number, positive.
        errno: u16,
        /// Why.
        cause: Cause,
        /// Which ports the socket may get.
        restrictions: Restrictions,
    },
    /// The socket changed its state.
    State {
        /// State before.
        from: TcpState,
        /// State after.
        to: TcpState,
    },
    /// The port outlives its socket, in a TIME_WAIT minisocket.
    TimeWait {
        /// TIME_WAIT, or FIN_WAIT2 while the peer's FIN is awaited.
        substate: TcpState,
    },
    /// The port is free again.
    Released {
        /// How long the port was held, TIME_WAIT included.
        held: Duration,
        /// Of that, how long in TIME_WAIT; `None` when there was none.
        time_wait: Option<Duration>,
        /// What ended it.
        reason: Release,
    },
}

impl Kind {
    /// The event's name in every output.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Connect { .. } => "connect",
            Self::ConnectFailed { .. } => "connect_failed",
            Self::BindFailed { .. } => "bind_failed",
            Self::State { .. } => "state",
            Self::TimeWait { .. } => "time_wait",
            Self::Released { .. } => "released",
        }
    }
}

impl Kind {
    /// Whether a call failed for want of a port, or of an address to take one from.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::ConnectFailed { .. } | Self::BindFailed { .. })
    }
}

/// The call that wanted a local port and got none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BindCall {
    /// bind(2).
    Bind,
    /// listen(2) on a socket that was not bound.
    Listen,
    /// connect(2) or a send on an unbound UDP socket.
    Autobind,
}

impl BindCall {
    /// Name in every output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bind => "bind",
            Self::Listen => "listen",
            Self::Autobind => "autobind",
        }
    }
}

/// Why no port was allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Every port of the range is in use towards this destination, or blocked: exhaustion.
    RangeExhausted,
    /// The bound port is in use towards the same destination already.
    TupleInUse,
    /// No source address fits the destination: no exhaustion.
    NoSourceAddress,
    /// The kernel had no memory for a bind bucket.
    NoMemory,
    /// Every port of the range is held by a socket that is in the way: exhaustion of a bind pool.
    PoolExhausted,
    /// The port that was asked for by number is held by another socket: a conflict, no exhaustion.
    PortInUse,
    /// The address that was asked for is none of this host's: no exhaustion.
    AddressNotLocal,
    /// None of these.
    Unknown,
}

impl Cause {
    /// Name in every output.
    pub fn name(self) -> &'static str {
        match self {
            Self::RangeExhausted => "range_exhausted",
            Self::TupleInUse => "tuple_in_use",
            Self::NoSourceAddress => "no_source_address",
            Self::NoMemory => "no_memory",
            Self::PoolExhausted => "pool_exhausted",
            Self::PortInUse => "port_in_use",
            Self::AddressNotLocal => "address_not_local",
            Self::Unknown => "unknown",
        }
    }

    /// Whether ports had run out.
    pub fn is_exhaustion(self) -> bool {
        matches!(self, Self::RangeExhausted | Self::PoolExhausted)
    }
}

/// What ended the use of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// The socket closed, without TIME_WAIT.
    Closed,
    /// The TIME_WAIT ran its time.
    Expired,
    /// A new connection took the port over from the TIME_WAIT.
    Recycled,
    /// TIME_WAIT was due, but `tcp_max_tw_buckets` was reached.
    Overflow,
    /// The TIME_WAIT was ended early: namespace deleted, `ss -K`, a reset.
    Killed,
}

impl Release {
    /// Name in every output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Expired => "expired",
            Self::Recycled => "recycled",
            Self::Overflow => "overflow",
            Self::Killed => "killed",
        }
    }
}

/// A TCP state. Recordings keep it by its kernel number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "u8", into = "u8")]
pub enum TcpState {
    /// A number that is none of the kernel's states.
    Unknown,
    /// Connection up.
    Established,
    /// SYN sent.
    SynSent,
    /// SYN received.
    SynRecv,
    /// Closed here, FIN sent.
    FinWait1,
    /// Closed here, FIN acknowledged.
    FinWait2,
    /// Both closed; waits for stray segments.
    TimeWait,
    /// Not connected.
    Close,
    /// The peer has closed.
    CloseWait,
    /// The peer closed first, then this side.
    LastAck,
    /// Listening.
    Listen,
    /// Both closed at the same moment.
    Closing,
    /// A request socket (`TCP_NEW_SYN_RECV`).
    NewSynRecv,
}

impl TcpState {
    /// From the kernel's number (`net/tcp_states.h`).
    pub fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Established,
            2 => Self::SynSent,
            3 => Self::SynRecv,
            4 => Self::FinWait1,
            5 => Self::FinWait2,
            6 => Self::TimeWait,
            7 => Self::Close,
            8 => Self::CloseWait,
            9 => Self::LastAck,
            10 => Self::Listen,
            11 => Self::Closing,
            12 => Self::NewSynRecv,
            _ => Self::Unknown,
        }
    }

    /// The kernel's number; 0 for [`TcpState::Unknown`].
    pub fn number(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Established => 1,
            Self::SynSent => 2,
            Self::SynRecv => 3,
            Self::FinWait1 => 4,
            Self::FinWait2 => 5,
            Self::TimeWait => 6,
            Self::Close => 7,
            Self::CloseWait => 8,
            Self::LastAck => 9,
            Self::Listen => 10,
            Self::Closing => 11,
            Self::NewSynRecv => 12,
        }
    }

    /// Name in capitals with underscores.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Established => "ESTABLISHED",
            Self::SynSent => "SYN_SENT",
            Self::SynRecv => "SYN_RECV",
            Self::FinWait1 => "FIN_WAIT1",
            Self::FinWait2 => "FIN_WAIT2",
            Self::TimeWait => "TIME_WAIT",
            Self::Close => "CLOSE",
            Self::CloseWait => "CLOSE_WAIT",
            Self::LastAck => "LAST_ACK",
            Self::Listen => "LISTEN",
            Self::Closing => "CLOSING",
            Self::NewSynRecv => "NEW_SYN_RECV",
        }
    }
}

impl From<u8> for TcpState {
    fn from(number: u8) -> Self {
        Self::from_number(number)
    }
}

impl From<TcpState> for u8 {
    fn from(state: TcpState) -> Self {
        state.number()
    }
}
