//! Packs the ports of a range into cells, in ascending order.

use crate::attribution::snapshot::{PortMap, PortUse};

/// All uses, in the order of the legend.
pub(super) const USES: [PortUse; 6] = [
    PortUse::Free,
    PortUse::InUse,
    PortUse::TimeWait,
    PortUse::Recyclable,
    PortUse::Blocked,
    PortUse::Reserved,
];

/// Where a use stands among them.
fn place(port: PortUse) -> usize {
    match port {
        PortUse::Free => 0,
        PortUse::InUse => 1,
        PortUse::TimeWait => 2,
        PortUse::Recyclable => 3,
        PortUse::Blocked => 4,
        PortUse::Reserved => 5,
    }
}

/// How many ports have each use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Uses([u32; USES.len()]);

impl Uses {
    pub(super) fn of(ports: &[PortUse]) -> Self {
        let mut uses = Self::default();
        for &port in ports {
            if let Some(count) = uses.0.get_mut(place(port)) {
                *count += 1;
            }
        }
        uses
    }

    /// Ports of one use.
    pub(super) fn count(&self, port: PortUse) -> u32 {
        self.0.get(place(port)).copied().unwrap_or(0)
    }

    /// All ports.
    pub(super) fn all(&self) -> u32 {
        self.0.iter().sum()
    }

    /// Share of the ports that are not free, 0 to 1.
    pub(super) fn taken(&self) -> f64 {
        match self.all() {
            0 => 0.0,
            all => f64::from(all - self.count(PortUse::Free)) / f64::from(all),
        }
    }

    /// Whether no connect() can get any of them: a TIME_WAIT that may be taken over can be got.
    pub(super) fn are_gone(&self) -> bool {
        self.count(PortUse::Free) + self.count(PortUse::Recyclable) == 0
    }

    /// The use that most have that are not free; `None` when all are.
    pub(super) fn most(&self) -> Option<PortUse> {
        // Of uses as frequent as one another, the one that stands first.
        let counts = self.0.iter().zip(USES).rev();
        counts
            .filter(|(count, of)| **count > 0 && *of != PortUse::Free)
            .max_by_key(|(count, _)| **count)
            .map(|(_, of)| of)
    }

    /// The only use that there is; `None` when there are several.
    pub(super) fn only(&self) -> Option<PortUse> {
        USES.into_iter().find(|&of| self.count(of) == self.all())
    }
}

/// The cells of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    /// Ports of a cell.
    pub(super) each: usize,
    /// Cells of a row.
    pub(super) columns: usize,
}

impl Grid {
    /// With as few ports a cell as fit in so many columns and rows; `None` where there is no room.
    pub(super) fn new(ports: usize, columns: usize, rows: usize) -> Option<Self> {
        let cells = columns.checked_mul(rows).filter(|&cells| cells > 0)?;
        let each = ports.div_ceil(cells).max(1);
        // Rows that begin with round numbers are easier to read, where nothing is lost by it.
        let round = [100, 50].into_iter().find(|&round| {
            each == 1 && round <= columns && ports.div_ceil(round) <= rows && ports > columns
        });
        Some(Self {
            each,
            columns: round.unwrap_or(columns),
        })
    }

    /// The first port of each row, and the row's cells.
    pub(super) fn cells(self, map: &PortMap) -> impl Iterator<Item = (usize, Vec<Uses>)> {
        let first = usize::from(map.range.lo);
        let row = self.each * self.columns;
        map.ports.chunks(row).enumerate().map(move |(at, ports)| {
            let cells = ports.chunks(self.each).map(Uses::of).collect();
            (first + at * row, cells)
        })
    }
}
