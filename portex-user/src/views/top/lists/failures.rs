//! The list of failed allocations, the latest first.

use std::time::Duration;

use super::{
    Data, List, RowKey, Sorted,
    spaces::{describe_destination, describe_holder, describe_netns, netns},
};
use crate::{
    attribution::snapshot::{FailedCall, Failure, Snapshot},
    fields::{FailureColumn, Field, SPARE_TOP_FAILURE_COLUMNS, TOP_FAILURES},
    views::{errno_name, snapshot::cells},
};

pub(in crate::views::top) struct Failures;

/// What tells a failure from all others: when, and which thread's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::views::top) struct FailureKey {
    time: Duration,
    tid: u32,
}

impl List for Failures {
    type Item = Failure;
    type Column = FailureColumn;
    const FIELDS: &'static [Field<FailureColumn>] = TOP_FAILURES;
    const SPARE: &'static [FailureColumn] = SPARE_TOP_FAILURE_COLUMNS;
    const NETNS: Option<FailureColumn> = Some(FailureColumn::Netns);

    fn items(snapshot: &Snapshot) -> &[Failure] {
        &snapshot.failures
    }

    fn key(failure: &Failure) -> RowKey {
        RowKey::Failure(FailureKey {
            time: failure.time,
            tid: failure.tid,
        })
    }

    fn netns(failure: &Failure) -> u32 {
        failure.netns
    }

    fn sorted<'a>(
        failure: &'a Failure,
        _: usize,
        column: FailureColumn,
        data: &Data<'a>,
    ) -> Sorted<'a> {
        match column {
            FailureColumn::Time => Sorted::Number(failure.time.as_secs_f64()),
            FailureColumn::Pid => Sorted::Number(failure.holder.pid.unwrap_or(0).into()),
            FailureColumn::Comm => Sorted::Text(&failure.holder.comm),
            FailureColumn::Netns => netns(failure.netns, data),
            FailureColumn::Call => Sorted::Text(failure.call.name().as_bytes()),
            FailureColumn::Source => Sorted::Address(failure.src, failure.src_port.unwrap_or(0)),
            FailureColumn::Destination => Sorted::Address(failure.dst, failure.dst_port),
            FailureColumn::Errno => Sorted::Number(failure.errno.into()),
            FailureColumn::Cause => Sorted::Text(failure.cause.name().as_bytes()),
            FailureColumn::Search => {
                Sorted::Number(failure.search.map_or(-1.0, |time| time.as_secs_f64()))
            }
        }
    }

    fn falls(field: &Field<FailureColumn>) -> bool {
        field.right && field.column != FailureColumn::Pid
    }

    fn describe(failure: &Failure, data: &Data<'_>, out: &mut String) {
        describe_holder(&failure.holder, out);
        describe_netns(failure.netns, data, out);
        // Writing to a String cannot fail.
        let _ok = std::fmt::Write::write_fmt(out, format_args!("{} ", failure.src));
        out.push_str(&cells::call(failure));
        out.push(' ');
        if failure.call == FailedCall::Connect {
            describe_destination(failure.dst, failure.dst_port, data, out);
        }
        out.push_str(&errno_name(failure.errno));
        out.push(' ');
        out.push_str(failure.cause.name());
    }
}
