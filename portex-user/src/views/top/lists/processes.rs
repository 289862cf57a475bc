//! The list of processes: those whose connects fail first, then those with most ports.

use std::cmp::Ordering;

use super::{
    Data, List, RowKey, Sorted,
    spaces::{describe_destination, describe_holder, describe_netns, netns},
};
use crate::{
    attribution::snapshot::{Process, Snapshot},
    fields::{Field, ProcessColumn, SPARE_TOP_PROCESS_COLUMNS, TOP_PROCESSES, TopProcessColumn},
};

pub(in crate::views::top) struct Processes;

/// What tells a process from all others: its ports in one namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::views::top) struct ProcessKey {
    /// Its id; `None`: nobody can know.
    pub(in crate::views::top) pid: Option<u32>,
    /// Inode number of the namespace.
    pub(in crate::views::top) netns: u32,
}

impl ProcessKey {
    pub(in crate::views::top) fn of(process: &Process) -> Self {
        Self {
            pid: process.holder.pid,
            netns: process.netns,
        }
    }
}

impl List for Processes {
    type Item = Process;
    type Column = TopProcessColumn;
    const FIELDS: &'static [Field<TopProcessColumn>] = TOP_PROCESSES;
    const SPARE: &'static [TopProcessColumn] = SPARE_TOP_PROCESS_COLUMNS;
    const NETNS: Option<TopProcessColumn> = Some(TopProcessColumn::Cell(ProcessColumn::Netns));

    fn items(snapshot: &Snapshot) -> &[Process] {
        &snapshot.processes
    }

    fn key(process: &Process) -> RowKey {
        RowKey::Process(ProcessKey::of(process))
    }

    fn netns(process: &Process) -> u32 {
        process.netns
    }

    fn danger((a, _): (&Process, u32), (b, _): (&Process, u32), _: &Data<'_>) -> Ordering {
        let failing = |process: &Process| process.rates.map_or(0.0, |rates| rates.failures);
        let failed = |process: &Process| process.failures.unwrap_or(0);
        failing(b)
            .total_cmp(&failing(a))
            .then_with(|| failed(b).cmp(&failed(a)))
            .then_with(|| b.ports.cmp(&a.ports))
    }

    fn sorted<'a>(
        process: &'a Process,
        _: usize,
        column: TopProcessColumn,
        data: &Data<'a>,
    ) -> Sorted<'a> {
        let rates = process.rates;
        let rate = |rate: Option<f64>| Sorted::Number(rate.unwrap_or(-1.0));
        let column = match column {
            TopProcessColumn::Cell(column) => column,
            TopProcessColumn::Cgroup => {
                let path = process.holder.cgroup.as_deref().unwrap_or_default();
                return Sorted::Text(short_cgroup(path).as_bytes());
            }
            TopProcessColumn::FailureRate => return rate(rates.map(|rates| rates.failures)),
        };
        match column {
            ProcessColumn::Pid => Sorted::Number(process.holder.pid.unwrap_or(0).into()),
            ProcessColumn::Comm => Sorted::Text(&process.holder.comm),
            ProcessColumn::Netns => netns(process.netns, data),
            ProcessColumn::Ports => Sorted::Number(process.ports.into()),
            ProcessColumn::TimeWait => Sorted::Number(process.time_wait.into()),
            ProcessColumn::Connects => rate(rates.map(|rates| rates.connects)),
            ProcessColumn::Failures => rate(process.failures.map(float)),
            ProcessColumn::Search => rate(process.search.map(|times| times.p99.as_secs_f64())),
            ProcessColumn::Destination => process.top.map_or(Sorted::Number(0.0), |top| {
                Sorted::Address(top.dst, top.dst_port)
            }),
        }
    }

    fn falls(field: &Field<TopProcessColumn>) -> bool {
        field.right && field.column != TopProcessColumn::Cell(ProcessColumn::Pid)
    }

    fn describe(process: &Process, data: &Data<'_>, out: &mut String) {
        describe_holder(&process.holder, out);
        describe_netns(process.netns, data, out);
        if let Some(top) = process.top {
            describe_destination(top.dst, top.dst_port, data, out);
        }
    }
}

/// A count as something to compare.
#[expect(clippy::cast_precision_loss, reason = "only compared and rounded")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

/// The last part of a cgroup's path that says something: not `payload`, `supervisor` or `init.scope`
/// of a container, which is one further up; of a container's id as much as people use.
pub(in crate::views::top) fn short_cgroup(path: &str) -> &str {
    const IDLE: [&str; 5] = ["init.scope", "payload", "supervisor", "container", "main"];
    const RUNTIMES: [&str; 5] = ["docker-", "cri-containerd-", "crio-", "libpod-", "nerdctl-"];
    const ID: usize = 12;
    let parts = || path.rsplit('/').filter(|part| !part.is_empty());
    let last = parts()
        .find(|part| !IDLE.contains(part))
        .or_else(|| parts().next())
        .unwrap_or(path);
    let bare = last.strip_suffix(".scope").unwrap_or(last);
    let id = RUNTIMES
        .iter()
        .find_map(|runtime| bare.strip_prefix(runtime));
    let id = id.unwrap_or(bare);
    let is_id = id.len() >= 2 * ID && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    id.get(..ID).filter(|_| is_id).unwrap_or(last)
}
