//! The table of fields: names, widths and help, one for every output that shows them.

mod cost;
mod snapshot;
mod top;

pub use cost::{CostField, OWN_COST};
pub use snapshot::{
    BIND_POOLS, FAILURES, FailureColumn, PROCESSES, PoolColumn, ProcessColumn, SPACES,
    SPARE_FAILURE_COLUMNS, SPARE_POOL_COLUMNS, SPARE_PROCESS_COLUMNS, SPARE_SPACE_COLUMNS,
    SpaceColumn,
};
pub use top::{
    NamespaceColumn, SPARE_NAMESPACE_COLUMNS, SPARE_TOP_FAILURE_COLUMNS, SPARE_TOP_POOL_COLUMNS,
    SPARE_TOP_PROCESS_COLUMNS, SPARE_TOP_SPACE_COLUMNS, TOP_FAILURES, TOP_NAMESPACES, TOP_POOLS,
    TOP_PROCESSES, TOP_SPACES, TopProcessColumn, TopSpaceColumn,
};

/// A column of `portex trace`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Time of day.
    Time,
    /// What happened.
    Event,
    /// Process id.
    Pid,
    /// Thread name.
    Comm,
    /// Network namespace.
    Netns,
    /// Source.
    Source,
    /// Destination.
    Destination,
    /// What only this kind of event has.
    Detail,
}

/// How a column is shown.
#[derive(Clone, Copy, Debug)]
pub struct Field<C = Column> {
    /// Which.
    pub column: C,
    /// Heading.
    pub heading: &'static str,
    /// Width in characters. In `portex trace`, longer content pushes the rest to the right, and 0 is
    /// the rest of the line; in tables, longer content is cut to it where room is scarce, and 0 is
    /// content that is never cut; in `portex top`, the least width.
    pub width: usize,
    /// Numbers stand to the right.
    pub right: bool,
    /// What it says, for the help text.
    pub help: &'static str,
}

/// The columns of `portex trace`, from left to right.
#[rustfmt::skip]
pub const TRACE: &[Field] = &[
    Field { column: Column::Time, heading: "TIME", width: 15, right: false, help: "local time of day, by the kernel's clock" },
    Field { column: Column::Event, heading: "EVENT", width: 14, right: false, help: "connect, connect_failed, time_wait, released, state" },
    Field { column: Column::Pid, heading: "PID", width: 7, right: true, help: "process that called connect()" },
    Field { column: Column::Comm, heading: "COMM", width: 15, right: false, help: "its thread's name" },
    Field { column: Column::Netns, heading: "NETNS", width: 10, right: true, help: "inode number of the network namespace" },
    Field { column: Column::Source, heading: "SOURCE", width: 21, right: false, help: "source address and port; * when there is none" },
    Field { column: Column::Destination, heading: "DESTINATION", width: 21, right: false, help: "destination address and port" },
    Field { column: Column::Detail, heading: "DETAIL", width: 0, right: false, help: "errno and cause; time of the port search; time that the port was held" },
];

/// The columns with their meanings, for help texts.
pub fn help<C>(fields: &[Field<C>]) -> String {
    let longest = fields.iter().map(|field| field.heading.len()).max();
    let width = longest.unwrap_or(0).max(12) + 1;
    let mut text = String::new();
    for field in fields {
        text.push_str("  ");
        text.push_str(field.heading);
        text.extend(std::iter::repeat_n(' ', width - field.heading.len()));
        text.push_str(field.help);
        text.push('\n');
    }
    text
}
