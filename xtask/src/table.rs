//! Tables in plain text.

/// Rows under headings, each column as wide as its widest cell: the first `left` columns are names,
/// aligned to the left, the others numbers, aligned to the right.
pub(crate) fn render<const N: usize>(
    headings: [&str; N],
    left: usize,
    rows: &[[String; N]],
) -> String {
    let headings = headings.map(ToOwned::to_owned);
    let rows: Vec<_> = std::iter::once(&headings).chain(rows).collect();
    let widths: Vec<_> = (0..N)
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max())
        .map(Option::unwrap_or_default)
        .collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, (cell, &width))| {
            if column < left {
                format!("{cell:<width$}")
            } else {
                format!("{cell:>width$}")
            }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.into_iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [
            ["6.12.117-1", "trampoline", "20", "41.0"],
            ["6.1.192-2", "kprobe", "9", ""],
        ];
        assert_eq!(
            render(
                ["kernel", "way", "passed", "seconds"],
                2,
                &rows.map(|row| row.map(String::from))
            ),
            "kernel      way         passed  seconds\n\
             6.12.117-1  trampoline      20     41.0\n\
             6.1.192-2   kprobe           9"
        );
    }
}
