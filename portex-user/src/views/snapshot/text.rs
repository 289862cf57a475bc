//! A snapshot for people:
//!
//! ```text
//! when, kernel, how it was watched
//! what is missing in it
//! how many connect() and binds failed
//! how the most endangered space is
//! how the fullest bind pool is, when little is left of it
//!
//! Spaces
//! NETNS SOURCE DESTINATION USED ...
//!
//! Processes
//! PID COMM ...
//!
//! Latest failures
//! TIME PID COMM ...
//!
//! Bind pools
//! NETNS ADDRESS ...
//! ```

use std::io;

use super::{
    About, cells,
    names::Names,
    sentences,
    table::{Cell, Table, paragraph},
};
use crate::{
    attribution::{Snapshot, snapshot::Failure},
    fields::{
        BIND_POOLS, FAILURES, Field, PROCESSES, PoolColumn, ProcessColumn, SPACES,
        SPARE_FAILURE_COLUMNS, SPARE_POOL_COLUMNS, SPARE_PROCESS_COLUMNS, SPARE_SPACE_COLUMNS,
        SpaceColumn,
    },
    views::Style,
};

/// Most rows of a table, unless more are asked for.
pub const ROWS: usize = 20;
/// The same, of the latest failures.
const FAILURE_ROWS: usize = 10;

/// How tables are shown.
#[derive(Clone, Debug)]
pub struct Tables {
    /// Colours and time zone.
    pub style: Style,
    /// Columns of the terminal; no line is longer. `usize::MAX` for no limit.
    pub width: usize,
    /// Most rows of each table; `None` for all.
    pub rows: Option<usize>,
}

/// Writes a snapshot as text to a writer, which should be buffered.
pub fn text<W: io::Write>(
    mut out: W,
    snapshot: &Snapshot,
    about: &About<'_>,
    tables: &Tables,
) -> io::Result<()> {
    let names = Names::of(snapshot);
    let above = [
        Some(sentences::origin(snapshot, about, &tables.style.zone)),
        sentences::incomplete(snapshot),
        sentences::failed(snapshot),
        sentences::worst(snapshot, &names),
        sentences::worst_pool(snapshot, &names),
    ];
    for sentence in above.into_iter().flatten() {
        paragraph(&mut out, &sentence, tables.width)?;
    }
    let watched = snapshot.watched.is_some();
    Section {
        title: "Spaces",
        none: "nobody has an outbound connection",
        fields: SPACES,
        spare: SPARE_SPACE_COLUMNS,
        tables,
    }
    .write(
        &mut out,
        &snapshot.spaces,
        |column| watched || !needs_watching(column),
        |space, column| cells::space(space, column, &names),
    )?;
    Section {
        title: "Processes",
        none: "nobody holds a port",
        fields: PROCESSES,
        spare: SPARE_PROCESS_COLUMNS,
        tables,
    }
    .write(
        &mut out,
        &snapshot.processes,
        |column| watched || !process_needs_watching(column),
        |process, column| cells::process(process, column, &names),
    )?;
    if !snapshot.failures.is_empty() {
        write_failures(&mut out, snapshot, about, tables, &names)?;
    }
    let pools: Vec<_> = snapshot
        .bind_pools
        .iter()
        .filter(|pool| pool.is_needed())
        .cloned()
        .collect();
    Section {
        title: "Bind pools",
        none: "nobody holds a port that bind() chose",
        fields: BIND_POOLS,
        spare: SPARE_POOL_COLUMNS,
        tables,
    }
    .write(
        &mut out,
        &pools,
        |column| watched || column != PoolColumn::Failures,
        |pool, column| cells::pool(pool, column, &names),
    )
}

fn write_failures(
    out: &mut impl io::Write,
    snapshot: &Snapshot,
    about: &About<'_>,
    tables: &Tables,
    names: &Names<'_>,
) -> io::Result<()> {
    let fewer = Tables {
        rows: tables.rows.map(|rows| rows.min(FAILURE_ROWS)),
        ..tables.clone()
    };
    let time = |failure: &Failure| {
        let time = about.timestamp(snapshot, failure.time);
        time.to_zoned(tables.style.zone.clone())
    };
    Section {
        title: "Latest failures",
        none: "no call failed",
        fields: FAILURES,
        spare: SPARE_FAILURE_COLUMNS,
        tables: &fewer,
    }
    .write(
        out,
        &snapshot.failures,
        |_| true,
        |failure, column| cells::failure(failure, column, names, || time(failure)),
    )
}

fn needs_watching(column: SpaceColumn) -> bool {
    matches!(
        column,
        SpaceColumn::Connects | SpaceColumn::Failures | SpaceColumn::Exhausts
    )
}

fn process_needs_watching(column: ProcessColumn) -> bool {
    matches!(
        column,
        ProcessColumn::Connects | ProcessColumn::Failures | ProcessColumn::Search
    )
}

/// A table with its title.
struct Section<'a, C: 'static> {
    title: &'a str,
    /// What is said when it has no row.
    none: &'a str,
    fields: &'static [Field<C>],
    spare: &'static [C],
    tables: &'a Tables,
}

impl<C: Copy + PartialEq> Section<'_, C> {
    fn write<T>(
        &self,
        out: &mut impl io::Write,
        items: &[T],
        wanted: impl Fn(C) -> bool,
        cell: impl Fn(&T, C) -> Cell,
    ) -> io::Result<()> {
        let Tables { style, width, rows } = self.tables;
        out.write_all(b"\n")?;
        if items.is_empty() {
            return paragraph(out, &format!("{}: {}", self.title, self.none), *width);
        }
        paragraph(out, self.title, *width)?;
        let most = rows.unwrap_or(usize::MAX);
        let shown = items.get(..most).unwrap_or(items);
        let fields = self.fields.iter().filter(|field| wanted(field.column));
        let dressed = |item: &T, column| {
            let cell = cell(item, column);
            if style.color { cell } else { cell.colored("") }
        };
        Table::new(fields, shown, dressed).write(out, *width, self.spare)?;
        match items.len() - shown.len() {
            0 => Ok(()),
            more => paragraph(
                out,
                &format!("… and {more} more (--all shows them)"),
                *width,
            ),
        }
    }
}
