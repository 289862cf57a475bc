//! What the lists show in each column.

use ratatui::style::Style;

use crate::{
    attribution::snapshot::{BindPool, FailedCall, Failure, Namespace, Process, Space},
    fields::{
        FailureColumn, NamespaceColumn, PoolColumn, ProcessColumn, SpaceColumn, TopProcessColumn,
        TopSpaceColumn,
    },
    views::{
        snapshot::{
            cells::{self, NOTHING, or_nothing},
            names::{Names, safe},
            numbers::{count, percent, rate, share},
        },
        top::{
            lists::{Data, Failures, List, Namespaces, Pools, Processes, Spaces, short_cgroup},
            state::Top,
            theme::Theme,
        },
    },
};

/// What stands in a column.
pub(super) enum Cell {
    Text(String, Style),
    /// A bar that is full to this share.
    Bar(f64),
}

/// What cells are made from.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) top: &'a Top,
    pub(super) data: Data<'a>,
}

impl Context<'_> {
    fn theme(&self) -> Theme {
        self.top.theme
    }

    fn alarm_if(&self, wrong: bool) -> Style {
        if wrong {
            self.theme().alarm()
        } else {
            Style::new()
        }
    }
}

/// A list with cells.
pub(super) trait Shown: List {
    /// What stands in a column; `at` is the item's place in [`List::items`].
    fn cell(item: &Self::Item, at: usize, column: Self::Column, context: &Context<'_>) -> Cell;
}

impl Shown for Spaces {
    fn cell(space: &Space, _: usize, column: TopSpaceColumn, context: &Context<'_>) -> Cell {
        let (labels, theme) = (context.data.labels, context.theme());
        let column = match column {
            TopSpaceColumn::Bar => return Cell::Bar(space.fill),
            TopSpaceColumn::Used => {
                let text = format!("{}/{}", space.used, space.capacity);
                return Cell::Text(text, Style::new());
            }
            TopSpaceColumn::Cell(column) => column,
        };
        let text = match column {
            SpaceColumn::Netns => labels.netns(space.netns),
            SpaceColumn::Source => labels.source(space),
            SpaceColumn::Destination => labels.destination(space.dst, space.dst_port),
            other => cells::space(space, other, &Names::default()).text,
        };
        let failing = space.rates.is_some_and(|rates| rates.failures > 0.0);
        let style = match column {
            SpaceColumn::Free | SpaceColumn::Fill => theme.fill(space.fill),
            SpaceColumn::Failures => context.alarm_if(failing),
            SpaceColumn::Exhausts if space.exhausts_in.is_some() || space.free == 0 => {
                theme.fill(space.fill.max(0.8))
            }
            SpaceColumn::TimeWait => theme.time_wait(),
            _ => Style::new(),
        };
        Cell::Text(text, style)
    }
}

impl Shown for Processes {
    fn cell(process: &Process, _: usize, column: TopProcessColumn, context: &Context<'_>) -> Cell {
        let labels = context.data.labels;
        let rates = process.rates;
        let text = match column {
            TopProcessColumn::Cgroup => match process.holder.cgroup.as_deref() {
                Some(path) => safe(short_cgroup(path).as_bytes()),
                None => NOTHING.to_owned(),
            },
            TopProcessColumn::FailureRate => or_nothing(rates.map(|rates| rate(rates.failures))),
            TopProcessColumn::Cell(ProcessColumn::Netns) => labels.netns(process.netns),
            TopProcessColumn::Cell(ProcessColumn::Failures) => {
                or_nothing(process.failures.map(count))
            }
            TopProcessColumn::Cell(ProcessColumn::Destination) => or_nothing(
                process
                    .top
                    .map(|top| labels.destination(top.dst, top.dst_port)),
            ),
            TopProcessColumn::Cell(other) => cells::process(process, other, &Names::default()).text,
        };
        let style = match column {
            TopProcessColumn::FailureRate => {
                context.alarm_if(rates.is_some_and(|rates| rates.failures > 0.0))
            }
            TopProcessColumn::Cell(ProcessColumn::Failures) => {
                context.alarm_if(process.failures.is_some_and(|failures| failures > 0))
            }
            TopProcessColumn::Cell(ProcessColumn::TimeWait) => context.theme().time_wait(),
            _ => Style::new(),
        };
        Cell::Text(text, style)
    }
}

impl Shown for Failures {
    fn cell(failure: &Failure, _: usize, column: FailureColumn, context: &Context<'_>) -> Cell {
        let labels = context.data.labels;
        let text = match column {
            FailureColumn::Time => time_of_day(failure, context),
            FailureColumn::Netns => labels.netns(failure.netns),
            FailureColumn::Destination if failure.call == FailedCall::Connect => {
                labels.destination(failure.dst, failure.dst_port)
            }
            other => cells::failure(failure, other, &Names::default(), jiff::Zoned::default).text,
        };
        let exhausted = failure.cause.is_exhaustion();
        let style = context.alarm_if(column == FailureColumn::Cause && exhausted);
        Cell::Text(text, style)
    }
}

/// When a connect() failed, by the clock on the wall.
fn time_of_day(failure: &Failure, context: &Context<'_>) -> String {
    let Some(frame) = &context.top.frame else {
        return NOTHING.to_owned();
    };
    let ago = frame.snapshot.time.saturating_sub(failure.time);
    let Ok(ago) = jiff::SignedDuration::try_from(ago) else {
        return NOTHING.to_owned();
    };
    match frame.status.time.checked_sub(ago) {
        Ok(time) => {
            let zoned = time.to_zoned(context.top.zone.clone());
            zoned.strftime("%H:%M:%S%.3f").to_string()
        }
        Err(_) => NOTHING.to_owned(),
    }
}

impl Shown for Namespaces {
    fn cell(netns: &Namespace, at: usize, column: NamespaceColumn, context: &Context<'_>) -> Cell {
        let sums = context.data.sums.get(at).copied().unwrap_or_default();
        let theme = context.theme();
        let text = match column {
            NamespaceColumn::Name => match context.data.labels.netns_name(netns.inode) {
                Some(name) => name.to_owned(),
                None => NOTHING.to_owned(),
            },
            NamespaceColumn::Inode => netns.inode.to_string(),
            NamespaceColumn::Range => netns.range.to_string(),
            NamespaceColumn::Reserved => netns.reserved.to_string(),
            NamespaceColumn::Reuse => netns.tw_reuse.to_string(),
            NamespaceColumn::TimeWait => format!(
                "{}/{}",
                count(netns.time_wait.into()),
                count(netns.max_tw_buckets.into())
            ),
            NamespaceColumn::Spaces => count(sums.spaces.into()),
            NamespaceColumn::Ports => count(sums.ports),
            NamespaceColumn::Failures => or_nothing(sums.failures.map(count)),
            NamespaceColumn::Worst => percent(sums.worst),
        };
        let style = match column {
            NamespaceColumn::Worst => theme.fill(sums.worst),
            NamespaceColumn::Failures => {
                context.alarm_if(sums.failures.is_some_and(|failures| failures > 0))
            }
            NamespaceColumn::TimeWait => {
                let left = netns.max_tw_buckets.saturating_sub(netns.time_wait);
                theme.fill(share(netns.max_tw_buckets, left))
            }
            _ => Style::new(),
        };
        Cell::Text(text, style)
    }
}

impl Shown for Pools {
    fn cell(pool: &BindPool, _: usize, column: PoolColumn, context: &Context<'_>) -> Cell {
        let fill = share(pool.capacity, pool.free);
        let text = match column {
            PoolColumn::Netns => context.data.labels.netns(pool.netns),
            other => cells::pool(pool, other, &Names::default()).text,
        };
        let style = match column {
            PoolColumn::Free | PoolColumn::Fill => context.theme().fill(fill),
            PoolColumn::Failures => {
                context.alarm_if(pool.failures.is_some_and(|failures| failures > 0))
            }
            _ => Style::new(),
        };
        Cell::Text(text, style)
    }
}
