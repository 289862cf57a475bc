//! Frames as text, one after the other, for `--batch`.

use std::io;

use super::Frame;
use crate::views::snapshot::{self, About, Tables, paragraph};

/// Writes a frame: how portex itself does, then what `portex snapshot` shows, then an empty line.
pub fn text<W: io::Write>(
    mut out: W,
    frame: &Frame,
    about: &About<'_>,
    tables: &Tables,
) -> io::Result<()> {
    let status = &frame.status;
    let mut parts = vec![format!("{:.0} events/s", status.events_per_s)];
    parts.push(format!("{} lost", frame.snapshot.lost));
    if let Some(cpu) = status.cpu {
        parts.push(format!("portex itself: {:.1} % of a CPU", cpu * 100.0));
    }
    if let Some(replay) = status.replay {
        parts.push(format!("replay at {}s", replay.position.as_secs()));
    }
    snapshot::text(&mut out, &frame.snapshot, about, tables)?;
    out.write_all(b"\n")?;
    paragraph(&mut out, &parts.join(", "), tables.width)?;
    if let Some(advice) = &status.advice {
        paragraph(
            &mut out,
            &crate::escape::text(advice.as_bytes()),
            tables.width,
        )?;
    }
    out.write_all(b"\n")
}
