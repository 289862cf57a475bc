//! Frames as text, one after the other, for `--batch`.

use std::io;

use super::Frame;
use crate::{
    cost::OwnCost,
    views::snapshot::{
        self, About, Tables,
        numbers::{count, rate},
        paragraph,
    },
};

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
    if let Some(cost) = &status.own_cost {
        parts.extend(own(cost));
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

/// What portex itself costs, as far as it is known.
fn own(cost: &OwnCost) -> Vec<String> {
    let mut parts = Vec::new();
    if let Some(cpu) = cost.cpu {
        parts.push(format!("portex itself: {:.1} % of a CPU", cpu * 100.0));
    }
    if let Some(bytes) = cost.rss_bytes {
        parts.push(format!("{}B of memory", count(bytes)));
    }
    if let Some(kernel) = &cost.kernel {
        let mean = kernel
            .ns_per_run
            .map_or(String::new(), |nanos| format!(", {nanos:.0} ns each"));
        parts.push(format!(
            "its kernel programs: {:.1} % ({} runs/s{mean})",
            kernel.cpu * 100.0,
            rate(kernel.runs_per_s)
        ));
    }
    if let Some(bytes) = cost.kernel_map_bytes {
        parts.push(format!("{}B of maps", count(bytes)));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cost::KernelCost, views::snapshot::samples};

    #[test]
    fn own_cost_is_told_as_far_as_it_is_known() {
        let all = samples::about().own_cost.expect("measured");
        assert_eq!(
            own(&all).join(", "),
            "portex itself: 1.2 % of a CPU, 37MB of memory, its kernel programs: 2.9 % (300k runs/s, 95 ns each), 52MB of maps"
        );
        assert!(own(&OwnCost::default()).is_empty());
        let idle = OwnCost {
            kernel: Some(KernelCost {
                cpu: 0.0,
                runs_per_s: 0.0,
                ns_per_run: None,
            }),
            ..OwnCost::default()
        };
        assert_eq!(
            own(&idle),
            ["its kernel programs: 0.0 % (0.0 runs/s)".to_owned()]
        );
    }
}
