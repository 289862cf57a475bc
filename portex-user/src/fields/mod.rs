//! The table of fields: names, widths and help, one for every output that shows them.

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
pub struct Field {
    /// Which.
    pub column: Column,
    /// Heading.
    pub heading: &'static str,
    /// Width in characters; longer content pushes the rest to the right. 0: the rest of the line.
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
pub fn help(fields: &[Field]) -> String {
    let mut text = String::new();
    for field in fields {
        text.push_str("  ");
        text.push_str(field.heading);
        let width = 13_usize.saturating_sub(field.heading.len());
        text.extend(std::iter::repeat_n(' ', width));
        text.push_str(field.help);
        text.push('\n');
    }
    text
}
