//! The columns of `portex snapshot`, and which of them a narrow terminal does without.

use super::Field;

/// A column of the table of spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpaceColumn {
    /// Network namespace.
    Netns,
    /// Source.
    Source,
    /// Destination.
    Destination,
    /// Ports in use.
    Used,
    /// Of these, in TIME_WAIT.
    TimeWait,
    /// Ports blocked by binds.
    Blocked,
    /// Ports left.
    Free,
    /// Share that is gone.
    Fill,
    /// Ports allocated per second.
    Connects,
    /// Failed allocations per second.
    Failures,
    /// Time until the next connect() fails.
    Exhausts,
    /// Who holds most of them.
    Owner,
}

/// A column of the table of processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessColumn {
    /// Process id.
    Pid,
    /// Its name.
    Comm,
    /// Network namespace.
    Netns,
    /// Ports held.
    Ports,
    /// Of these, in TIME_WAIT.
    TimeWait,
    /// Ports allocated per second.
    Connects,
    /// Failed allocations.
    Failures,
    /// How long port searches take.
    Search,
    /// Where most of its ports go.
    Destination,
}

/// A column of the table of the latest failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureColumn {
    /// Time of day.
    Time,
    /// Process id.
    Pid,
    /// Thread name.
    Comm,
    /// Network namespace.
    Netns,
    /// Which call.
    Call,
    /// Source.
    Source,
    /// Destination.
    Destination,
    /// Name of the error.
    Errno,
    /// Why.
    Cause,
    /// How long the port search took.
    Search,
}

/// A column of the table of bind pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolColumn {
    /// Network namespace.
    Netns,
    /// Protocol.
    Proto,
    /// Address.
    Address,
    /// Ports in the range.
    Capacity,
    /// Ports in use.
    Used,
    /// Ports that binds hold.
    Bound,
    /// Ports left.
    Free,
    /// Share that is gone.
    Fill,
    /// Binds that failed.
    Failures,
    /// Who holds most of them.
    Owner,
}

/// The columns of the table of spaces, from left to right.
#[rustfmt::skip]
pub const SPACES: &[Field<SpaceColumn>] = &[
    Field { column: SpaceColumn::Netns, heading: "NETNS", width: 10, right: false, help: "network namespace: its name, or its inode number" },
    Field { column: SpaceColumn::Source, heading: "SOURCE", width: 20, right: false, help: "source address; %N when bound to a device (interface index), with its port range when that is its own" },
    Field { column: SpaceColumn::Destination, heading: "DESTINATION", width: 21, right: false, help: "destination address and port" },
    Field { column: SpaceColumn::Used, heading: "USED", width: 0, right: true, help: "ports held by a connection or a TIME_WAIT to that destination" },
    Field { column: SpaceColumn::TimeWait, heading: "TW", width: 0, right: true, help: "of these, in TIME_WAIT" },
    Field { column: SpaceColumn::Blocked, heading: "BLOCKED", width: 0, right: true, help: "ports that cannot be used because of an explicit bind, whatever its destination" },
    Field { column: SpaceColumn::Free, heading: "FREE", width: 0, right: true, help: "connects that can still get a port; >= when that is a lower bound" },
    Field { column: SpaceColumn::Fill, heading: "FILL", width: 0, right: true, help: "share of the ports that the next connects cannot get" },
    Field { column: SpaceColumn::Connects, heading: "NEW/S", width: 0, right: true, help: "ports allocated per second" },
    Field { column: SpaceColumn::Failures, heading: "FAIL/S", width: 0, right: true, help: "connects per second that got no port" },
    Field { column: SpaceColumn::Exhausts, heading: "EXHAUSTS", width: 0, right: true, help: "when the next connect() fails if all goes on as it does; - when it does not" },
    Field { column: SpaceColumn::Owner, heading: "TOP OWNER", width: 14, right: false, help: "process that holds most of the ports" },
];

/// The columns of the table of processes, from left to right.
#[rustfmt::skip]
pub const PROCESSES: &[Field<ProcessColumn>] = &[
    Field { column: ProcessColumn::Pid, heading: "PID", width: 0, right: true, help: "process that called connect(); - when nobody can know it" },
    Field { column: ProcessColumn::Comm, heading: "COMM", width: 15, right: false, help: "its name" },
    Field { column: ProcessColumn::Netns, heading: "NETNS", width: 10, right: false, help: "network namespace: its name, or its inode number" },
    Field { column: ProcessColumn::Ports, heading: "PORTS", width: 0, right: true, help: "ports that it holds" },
    Field { column: ProcessColumn::TimeWait, heading: "TW", width: 0, right: true, help: "of these, in TIME_WAIT" },
    Field { column: ProcessColumn::Connects, heading: "NEW/S", width: 0, right: true, help: "ports allocated per second" },
    Field { column: ProcessColumn::Failures, heading: "FAILED", width: 0, right: true, help: "connects and binds that got no port" },
    Field { column: ProcessColumn::Search, heading: "SEARCH P99", width: 0, right: true, help: "99 of 100 port searches were shorter" },
    Field { column: ProcessColumn::Destination, heading: "TOP DESTINATION", width: 21, right: false, help: "where most of its ports go" },
];

/// The columns of the table of the latest failures, from left to right.
#[rustfmt::skip]
pub const FAILURES: &[Field<FailureColumn>] = &[
    Field { column: FailureColumn::Time, heading: "TIME", width: 0, right: false, help: "local time of day" },
    Field { column: FailureColumn::Pid, heading: "PID", width: 0, right: true, help: "process that called" },
    Field { column: FailureColumn::Comm, heading: "COMM", width: 15, right: false, help: "its thread's name" },
    Field { column: FailureColumn::Netns, heading: "NETNS", width: 10, right: false, help: "network namespace: its name, or its inode number" },
    Field { column: FailureColumn::Call, heading: "CALL", width: 0, right: false, help: "connect; bind; listen; autobind: connect() or a send on an unbound socket of UDP; of TCP unless it says udp" },
    Field { column: FailureColumn::Source, heading: "SOURCE", width: 15, right: false, help: "source address, * when there was none; %N when bound to a device (interface index); its port when a bind had chosen one, or asked for it" },
    Field { column: FailureColumn::Destination, heading: "DESTINATION", width: 21, right: false, help: "destination address and port; - of a bind" },
    Field { column: FailureColumn::Errno, heading: "ERRNO", width: 0, right: false, help: "what the call returned" },
    Field { column: FailureColumn::Cause, heading: "CAUSE", width: 0, right: false, help: "range_exhausted, tuple_in_use, no_source_address, no_memory; of binds pool_exhausted, port_in_use, address_not_local; unknown" },
    Field { column: FailureColumn::Search, heading: "SEARCH", width: 0, right: true, help: "how long the port search took" },
];

/// The columns of the table of bind pools, from left to right.
#[rustfmt::skip]
pub const BIND_POOLS: &[Field<PoolColumn>] = &[
    Field { column: PoolColumn::Netns, heading: "NETNS", width: 10, right: false, help: "network namespace: its name, or its inode number" },
    Field { column: PoolColumn::Proto, heading: "PROTO", width: 0, right: false, help: "tcp or udp" },
    Field { column: PoolColumn::Address, heading: "ADDRESS", width: 15, right: false, help: "address that is bound to; 0.0.0.0 and ::, any: what an unbound socket needs" },
    Field { column: PoolColumn::Capacity, heading: "CAPACITY", width: 0, right: true, help: "ports of the range that are not reserved" },
    Field { column: PoolColumn::Used, heading: "USED", width: 0, right: true, help: "of these, held by whatever is in the way of a bind" },
    Field { column: PoolColumn::Bound, heading: "BOUND", width: 0, right: true, help: "of these, by an explicit bind, of UDP all; pools without any are not shown unless they refused a bind" },
    Field { column: PoolColumn::Free, heading: "FREE", width: 0, right: true, help: "binds to port 0 that can still get a port; >= when that is a lower bound" },
    Field { column: PoolColumn::Fill, heading: "FILL", width: 0, right: true, help: "share of the ports that the next binds cannot get" },
    Field { column: PoolColumn::Failures, heading: "FAILED", width: 0, right: true, help: "binds that found no port" },
    Field { column: PoolColumn::Owner, heading: "TOP OWNER", width: 14, right: false, help: "process that holds most of the ports" },
];

/// What the table of spaces can do without, in this order.
pub const SPARE_SPACE_COLUMNS: &[SpaceColumn] = &[
    SpaceColumn::Blocked,
    SpaceColumn::TimeWait,
    SpaceColumn::Used,
    SpaceColumn::Failures,
    SpaceColumn::Connects,
    SpaceColumn::Netns,
    SpaceColumn::Exhausts,
    SpaceColumn::Owner,
    SpaceColumn::Source,
];

/// What the table of processes can do without, in this order.
pub const SPARE_PROCESS_COLUMNS: &[ProcessColumn] = &[
    ProcessColumn::Search,
    ProcessColumn::Netns,
    ProcessColumn::TimeWait,
    ProcessColumn::Connects,
    ProcessColumn::Destination,
    ProcessColumn::Failures,
    ProcessColumn::Comm,
];

/// What the table of the latest failures can do without, in this order.
pub const SPARE_FAILURE_COLUMNS: &[FailureColumn] = &[
    FailureColumn::Search,
    FailureColumn::Netns,
    FailureColumn::Errno,
    FailureColumn::Source,
    FailureColumn::Pid,
    FailureColumn::Comm,
    FailureColumn::Time,
    FailureColumn::Call,
];

/// What the table of bind pools can do without, in this order.
pub const SPARE_POOL_COLUMNS: &[PoolColumn] = &[
    PoolColumn::Bound,
    PoolColumn::Capacity,
    PoolColumn::Used,
    PoolColumn::Netns,
    PoolColumn::Owner,
    PoolColumn::Failures,
];
