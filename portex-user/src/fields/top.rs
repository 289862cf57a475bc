//! The columns of `portex top`, and which of them a narrow terminal does without.
//!
//! Widths are the least: columns of numbers keep theirs, so that nothing moves from frame to frame;
//! columns of text share the room that is left.

use super::{FailureColumn, Field, PoolColumn, ProcessColumn, SpaceColumn};

/// A column of the list of spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopSpaceColumn {
    /// As in the table of a snapshot.
    Cell(SpaceColumn),
    /// Ports in use, and the capacity.
    Used,
    /// A bar: the share that is gone.
    Bar,
}

/// A column of the list of processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopProcessColumn {
    /// As in the table of a snapshot.
    Cell(ProcessColumn),
    /// The last part of its cgroup that says something.
    Cgroup,
    /// Failed allocations per second.
    FailureRate,
}

/// A column of the list of namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamespaceColumn {
    /// Its name.
    Name,
    /// Inode number.
    Inode,
    /// Ephemeral port range.
    Range,
    /// Reserved ports of the range.
    Reserved,
    /// `tcp_tw_reuse`.
    Reuse,
    /// TIME_WAITs, and how many there may be.
    TimeWait,
    /// Number of spaces.
    Spaces,
    /// Ports held in all of them.
    Ports,
    /// Failed allocations in all of them.
    Failures,
    /// Fill of the worst of them.
    Worst,
}

/// The columns of the list of spaces, from left to right.
#[rustfmt::skip]
pub const TOP_SPACES: &[Field<TopSpaceColumn>] = &[
    Field { column: TopSpaceColumn::Cell(SpaceColumn::Netns), heading: "NETNS", width: 8, right: false, help: "network namespace: its name, or its inode number" },
    Field { column: TopSpaceColumn::Cell(SpaceColumn::Source), heading: "SOURCE", width: 11, right: false, help: "source address; %N when bound to a device, with its port range when that is its own" },
    Field { column: TopSpaceColumn::Cell(SpaceColumn::Destination), heading: "DESTINATION", width: 19, right: false, help: "destination address and port" },
    Field { column: TopSpaceColumn::Used, heading: "USED/ALL", width: 11, right: true, help: "ports held by a connection or a TIME_WAIT to that destination, of those in the range" },
    Field { column: TopSpaceColumn::Bar, heading: "GONE", width: 8, right: false, help: "share of the ports that the next connects cannot get, as a bar" },
    Field { column: TopSpaceColumn::Cell(SpaceColumn::Fill), heading: "FILL", width: 6, right: true, help: "the same as a number" },
    Field { column: TopSpaceColumn::Cell(SpaceColumn::TimeWait), heading: "TW", width: 5, right: true, help: "ports in TIME_WAIT" },
    Field { column: TopSpaceColumn::Cell(SpaceColumn::Blocked), heading: "BLOCK", width: 6, right: true, help: "ports that cannot be used because of an explicit bind, whatever its destination" },
    Field { column: TopSpaceColumn::Cell(SpaceColumn::Free), heading: "FREE", width: 7, right: true, help: "connects that can still get a port; >= when that is a lower bound" },
    Field { column: TopSpaceColumn::Cell(SpaceColumn::Connects), heading: "NEW/S", width: 6, right: true, help: "ports allocated per second" },
    Field { column: TopSpaceColumn::Cell(SpaceColumn::Failures), heading: "FAIL/S", width: 7, right: true, help: "connects per second that got no port" },
    Field { column: TopSpaceColumn::Cell(SpaceColumn::Exhausts), heading: "EXH IN", width: 7, right: true, help: "when the next connect() fails if all goes on as it does; - when it does not" },
    Field { column: TopSpaceColumn::Cell(SpaceColumn::Owner), heading: "TOP OWNER", width: 12, right: false, help: "process that holds most of the ports" },
];

/// The columns of the list of processes, from left to right.
#[rustfmt::skip]
pub const TOP_PROCESSES: &[Field<TopProcessColumn>] = &[
    Field { column: TopProcessColumn::Cell(ProcessColumn::Pid), heading: "PID", width: 7, right: true, help: "process that called connect(); - when nobody can know it" },
    Field { column: TopProcessColumn::Cell(ProcessColumn::Comm), heading: "COMM", width: 13, right: false, help: "its name" },
    Field { column: TopProcessColumn::Cgroup, heading: "CGROUP", width: 14, right: false, help: "its unit or container: the last part of its cgroup" },
    Field { column: TopProcessColumn::Cell(ProcessColumn::Netns), heading: "NETNS", width: 8, right: false, help: "network namespace: its name, or its inode number" },
    Field { column: TopProcessColumn::Cell(ProcessColumn::Ports), heading: "PORTS", width: 6, right: true, help: "ports that it holds" },
    Field { column: TopProcessColumn::Cell(ProcessColumn::TimeWait), heading: "TW", width: 6, right: true, help: "of these, in TIME_WAIT" },
    Field { column: TopProcessColumn::Cell(ProcessColumn::Connects), heading: "NEW/S", width: 6, right: true, help: "ports allocated per second" },
    Field { column: TopProcessColumn::FailureRate, heading: "FAIL/S", width: 7, right: true, help: "connects and binds per second that got no port" },
    Field { column: TopProcessColumn::Cell(ProcessColumn::Failures), heading: "FAILED", width: 7, right: true, help: "connects and binds that got no port, since portex watches" },
    Field { column: TopProcessColumn::Cell(ProcessColumn::Search), heading: "SEARCH", width: 7, right: true, help: "99 of 100 port searches were shorter" },
    Field { column: TopProcessColumn::Cell(ProcessColumn::Destination), heading: "TOP DESTINATION", width: 21, right: false, help: "where most of its ports go" },
];

/// The columns of the list of failures, from left to right.
#[rustfmt::skip]
pub const TOP_FAILURES: &[Field<FailureColumn>] = &[
    Field { column: FailureColumn::Time, heading: "TIME", width: 12, right: true, help: "local time of day" },
    Field { column: FailureColumn::Pid, heading: "PID", width: 7, right: true, help: "process that called" },
    Field { column: FailureColumn::Comm, heading: "COMM", width: 11, right: false, help: "its name" },
    Field { column: FailureColumn::Netns, heading: "NETNS", width: 8, right: false, help: "network namespace: its name, or its inode number" },
    Field { column: FailureColumn::Call, heading: "CALL", width: 12, right: false, help: "connect, bind, listen; autobind: connect() or a send on an unbound socket of UDP" },
    Field { column: FailureColumn::Source, heading: "SOURCE", width: 13, right: false, help: "source address, with the port where a bind had chosen one or asked for it; * when there was none" },
    Field { column: FailureColumn::Destination, heading: "DESTINATION", width: 21, right: false, help: "destination address and port; - of a bind" },
    Field { column: FailureColumn::Errno, heading: "ERRNO", width: 13, right: false, help: "what the call returned" },
    Field { column: FailureColumn::Cause, heading: "CAUSE", width: 17, right: false, help: "range_exhausted, of binds pool_exhausted: every port is in use or blocked; tuple_in_use: the bound port is in use to this destination; port_in_use: the port asked for is; no_source_address: no route or address" },
    Field { column: FailureColumn::Search, heading: "SEARCH", width: 7, right: true, help: "how long the port search took" },
];

/// The columns of the list of namespaces, from left to right.
#[rustfmt::skip]
pub const TOP_NAMESPACES: &[Field<NamespaceColumn>] = &[
    Field { column: NamespaceColumn::Name, heading: "NETNS", width: 10, right: false, help: "network namespace: its name, where it has one" },
    Field { column: NamespaceColumn::Inode, heading: "INODE", width: 10, right: true, help: "its inode number" },
    Field { column: NamespaceColumn::Range, heading: "RANGE", width: 11, right: true, help: "ip_local_port_range" },
    Field { column: NamespaceColumn::Reserved, heading: "RESERVED", width: 9, right: true, help: "ports of the range that ip_local_reserved_ports keeps from every search" },
    Field { column: NamespaceColumn::Reuse, heading: "TW_REUSE", width: 9, right: true, help: "tcp_tw_reuse: 0 off, 1 on, 2 for loopback only" },
    Field { column: NamespaceColumn::TimeWait, heading: "TW/MAX", width: 13, right: true, help: "TIME_WAITs, of at most tcp_max_tw_buckets" },
    Field { column: NamespaceColumn::Spaces, heading: "SPACES", width: 7, right: true, help: "pairs of a source and a destination" },
    Field { column: NamespaceColumn::Ports, heading: "PORTS", width: 7, right: true, help: "ports held in all of them" },
    Field { column: NamespaceColumn::Failures, heading: "FAILED", width: 7, right: true, help: "connects and binds that got no port" },
    Field { column: NamespaceColumn::Worst, heading: "WORST", width: 6, right: true, help: "fill of the fullest space" },
];

/// The columns of the list of bind pools, from left to right.
#[rustfmt::skip]
pub const TOP_POOLS: &[Field<PoolColumn>] = &[
    Field { column: PoolColumn::Netns, heading: "NETNS", width: 10, right: false, help: "network namespace: its name, or its inode number" },
    Field { column: PoolColumn::Proto, heading: "PROTO", width: 6, right: false, help: "tcp or udp" },
    Field { column: PoolColumn::Address, heading: "ADDRESS", width: 15, right: false, help: "address that is bound to; 0.0.0.0 and ::, any: what an unbound socket needs" },
    Field { column: PoolColumn::Capacity, heading: "CAPACITY", width: 9, right: true, help: "ports of the range that are not reserved" },
    Field { column: PoolColumn::Used, heading: "USED", width: 7, right: true, help: "of these, held by whatever is in the way of a bind" },
    Field { column: PoolColumn::Bound, heading: "BOUND", width: 7, right: true, help: "of these, by an explicit bind, of UDP all; pools without any are not shown unless they refused a bind" },
    Field { column: PoolColumn::Free, heading: "FREE", width: 7, right: true, help: "binds to port 0 that can still get a port; >= when that is a lower bound" },
    Field { column: PoolColumn::Fill, heading: "FILL", width: 6, right: true, help: "share of the ports that the next binds cannot get" },
    Field { column: PoolColumn::Failures, heading: "FAILED", width: 7, right: true, help: "binds that found no port" },
    Field { column: PoolColumn::Owner, heading: "TOP OWNER", width: 12, right: false, help: "process that holds most of the ports" },
];

/// What the list of spaces can do without, in this order.
pub const SPARE_TOP_SPACE_COLUMNS: &[TopSpaceColumn] = &[
    TopSpaceColumn::Cell(SpaceColumn::Fill),
    TopSpaceColumn::Cell(SpaceColumn::Blocked),
    TopSpaceColumn::Cell(SpaceColumn::Netns),
    TopSpaceColumn::Cell(SpaceColumn::Source),
    TopSpaceColumn::Used,
    TopSpaceColumn::Cell(SpaceColumn::TimeWait),
    TopSpaceColumn::Cell(SpaceColumn::Connects),
    TopSpaceColumn::Cell(SpaceColumn::Owner),
    TopSpaceColumn::Bar,
    TopSpaceColumn::Cell(SpaceColumn::Failures),
    TopSpaceColumn::Cell(SpaceColumn::Exhausts),
    TopSpaceColumn::Cell(SpaceColumn::Free),
];

/// What the list of processes can do without, in this order.
pub const SPARE_TOP_PROCESS_COLUMNS: &[TopProcessColumn] = &[
    TopProcessColumn::Cell(ProcessColumn::Netns),
    TopProcessColumn::Cell(ProcessColumn::Search),
    TopProcessColumn::Cgroup,
    TopProcessColumn::Cell(ProcessColumn::TimeWait),
    TopProcessColumn::FailureRate,
    TopProcessColumn::Cell(ProcessColumn::Destination),
    TopProcessColumn::Cell(ProcessColumn::Connects),
    TopProcessColumn::Cell(ProcessColumn::Failures),
    TopProcessColumn::Cell(ProcessColumn::Comm),
];

/// What the list of failures can do without, in this order.
pub const SPARE_TOP_FAILURE_COLUMNS: &[FailureColumn] = &[
    FailureColumn::Netns,
    FailureColumn::Search,
    FailureColumn::Source,
    FailureColumn::Errno,
    FailureColumn::Call,
    FailureColumn::Comm,
    FailureColumn::Time,
    FailureColumn::Cause,
    FailureColumn::Pid,
];

/// What the list of namespaces can do without, in this order.
pub const SPARE_NAMESPACE_COLUMNS: &[NamespaceColumn] = &[
    NamespaceColumn::Reserved,
    NamespaceColumn::Inode,
    NamespaceColumn::Reuse,
    NamespaceColumn::Ports,
    NamespaceColumn::Spaces,
    NamespaceColumn::TimeWait,
    NamespaceColumn::Range,
    NamespaceColumn::Failures,
];

/// What the list of bind pools can do without, in this order.
pub const SPARE_TOP_POOL_COLUMNS: &[PoolColumn] = &[
    PoolColumn::Bound,
    PoolColumn::Capacity,
    PoolColumn::Used,
    PoolColumn::Netns,
    PoolColumn::Owner,
    PoolColumn::Failures,
    PoolColumn::Proto,
    PoolColumn::Address,
];
