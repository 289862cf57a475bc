//! Medians, and how far values lie apart.

use serde_json::{Value, json};

/// The middle of some values, and the outermost of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Spread {
    /// `None` without values. Of an even number the median is between the two in the middle.
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let upper = *sorted.get(sorted.len() / 2)?;
        let lower = *sorted.get((sorted.len() - 1) / 2)?;
        Some(Self {
            median: f64::midpoint(lower, upper),
            min: *sorted.first()?,
            max: *sorted.last()?,
        })
    }

    /// The median for a table.
    pub(super) fn middle(spread: Option<Self>, digits: usize) -> String {
        spread.map_or_else(missing, |s| format!("{:.digits$}", s.median))
    }

    /// The outermost for a table: `1..3`.
    pub(super) fn range(spread: Option<Self>, digits: usize) -> String {
        spread.map_or_else(missing, |s| {
            format!("{:.digits$}..{:.digits$}", s.min, s.max)
        })
    }

    pub(super) fn json(spread: Option<Self>) -> Value {
        spread.map_or(
            Value::Null,
            |s| json!({ "median": s.median, "min": s.min, "max": s.max }),
        )
    }
}

fn missing() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn medians_of_odd_and_even_numbers() {
        let spread = |values: &[f64]| Spread::of(values.iter().copied());
        let middle = |values| spread(values).map(|s| s.median);
        assert_eq!(middle(&[]), None);
        assert_eq!(middle(&[7.0]), Some(7.0));
        assert_eq!(middle(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(middle(&[4.0, 1.0, 2.0, 9.0]), Some(3.0));
        let all = spread(&[4.0, 1.0, 9.0]).map(|s| (s.min, s.max));
        assert_eq!(all, Some((1.0, 9.0)));
    }

    #[test]
    fn a_table_says_where_there_is_nothing() {
        let spread = Spread::of([1.25, 3.5, 2.0]);
        assert_eq!(Spread::middle(spread, 1), "2.0");
        assert_eq!(Spread::range(spread, 2), "1.25..3.50");
        assert_eq!(Spread::middle(None, 1), "-");
        assert_eq!(Spread::range(None, 1), "-");
    }
}
