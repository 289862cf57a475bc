//! What is printed.

use super::{listing::Listing, measure::Bench, peers::Tool, run::Sample, spread::Spread};
use crate::table;

/// A sample of a round, if it could be run.
pub(super) type Round = Option<Sample>;

/// One MiB.
const MIB: f64 = 1_048_576.0;

/// All tables.
pub(super) fn print(bench: &Bench) {
    if !bench.absent.is_empty() {
        println!("left out, not installed: {}", bench.absent.join(", "));
    }
    if !bench.tools.is_empty() {
        let unit = "connects_per_s";
        println!("\nbeside the churn ({})", bench.churn);
        println!("{}", beside(&bench.tools, "CONNECTS/S", unit));
    }
    if !bench.failing.is_empty() {
        println!("\nbeside connects that find no port (portex trace --json --failures)");
        println!("{}", beside(&bench.failing, "FAILURES/S", "failures_per_s"));
    }
    if !bench.listings.is_empty() {
        println!("\nlistings\n{}", listings(bench));
    }
    let others = others(bench);
    if !others.is_empty() {
        let headings = ["PORTEX", "MEDIAN", "MIN..MAX"];
        println!("\n{}", table::render(headings, 1, &others));
    }
}

fn beside(tools: &[(Tool, Vec<Round>)], rate_heading: &str, rate: &str) -> String {
    let untraced = tools
        .iter()
        .find(|(tool, _)| *tool == Tool::None)
        .map_or(&[][..], |(_, samples)| samples);
    let rows: Vec<_> = tools
        .iter()
        .map(|(tool, samples)| {
            let of = |value: &dyn Fn(&Sample) -> Option<f64>| values(samples, value);
            let rates = of(&|s| Some(s.done.number(rate)));
            let kept = pairs(samples, untraced, |s| s.done.number(rate));
            let own = pairs(samples, untraced, Sample::own_cpu);
            [
                tool.title().to_owned(),
                Spread::middle(rates, 0),
                Spread::range(rates, 0),
                Spread::middle(kept, 1),
                Spread::range(kept, 1),
                Spread::middle(own, 1),
                Spread::middle(of(&Sample::cpu_per_million), 2),
                Spread::middle(of(&|s| Some(float(s.peak_rss?) / MIB)), 1),
                sum(samples, |s| s.lost),
                told(samples),
            ]
        })
        .collect();
    let headings = [
        "TOOL",
        rate_heading,
        "MIN..MAX",
        "KEPT %",
        "MIN..MAX",
        "WORKLOAD CPU %",
        "TOOL CPU S/M",
        "PEAK MIB",
        "LOST",
        "TOLD %",
    ];
    table::render(headings, 1, &rows)
}

fn listings(bench: &Bench) -> String {
    let first = bench
        .listings
        .first()
        .map_or(&[][..], |(_, listings)| listings);
    let rows: Vec<_> = bench
        .listings
        .iter()
        .map(|(lister, listings)| {
            let of = |value: fn(&Listing) -> f64| Spread::of(listings.iter().map(value));
            // By so many sockets as there were: some of them end between two listings.
            let each = |l: &Listing| l.wall_s / float(l.time_wait.max(1));
            let ratio = Spread::of(
                listings
                    .iter()
                    .zip(first)
                    .map(|(one, other)| each(one) / each(other) * 100.0),
            );
            let cpu_each = |l: &Listing| l.cpu_s / float(l.time_wait.max(1));
            let cpu_ratio = Spread::of(
                listings
                    .iter()
                    .zip(first)
                    .map(|(one, other)| cpu_each(one) / cpu_each(other) * 100.0),
            );
            [
                lister.title().to_owned(),
                Spread::middle(of(|l| float(l.time_wait)), 0),
                Spread::middle(of(|l| l.wall_s * 1e3), 0),
                Spread::range(of(|l| l.wall_s * 1e3), 0),
                Spread::middle(ratio, 1),
                Spread::middle(of(|l| l.cpu_s * 1e3), 0),
                Spread::range(of(|l| l.cpu_s * 1e3), 0),
                Spread::middle(cpu_ratio, 1),
            ]
        })
        .collect();
    let headings = [
        "LISTING",
        "TIME_WAIT",
        "WALL MS",
        "MIN..MAX",
        "OF FIRST %",
        "CPU MS",
        "MIN..MAX",
        "OF FIRST %",
    ];
    table::render(headings, 1, &rows)
}

fn others(bench: &Bench) -> Vec<[String; 3]> {
    let mut rows = Vec::new();
    let first = Spread::of(bench.first_event_ms.iter().copied());
    if first.is_some() {
        rows.push([
            "trace --json: start to first event, ms".to_owned(),
            Spread::middle(first, 0),
            Spread::range(first, 0),
        ]);
    }
    for (tool, bytes) in &bench.rest {
        let mib = Spread::of(bytes.iter().map(|bytes| float(*bytes) / MIB));
        rows.push([
            format!("{}: memory at rest, MiB", tool.name()),
            Spread::middle(mib, 1),
            Spread::range(mib, 1),
        ]);
    }
    rows
}

/// One value of each sample that has it.
pub(super) fn values(samples: &[Round], value: &dyn Fn(&Sample) -> Option<f64>) -> Option<Spread> {
    Spread::of(samples.iter().flatten().filter_map(value))
}

/// Hundredths of the untraced run of the same round.
pub(super) fn pairs(
    samples: &[Round],
    untraced: &[Round],
    value: impl Fn(&Sample) -> f64,
) -> Option<Spread> {
    let ratio = |(one, other): (&Round, &Round)| {
        let (one, other) = (value(one.as_ref()?), value(other.as_ref()?));
        (other > 0.0).then(|| one / other * 100.0)
    };
    Spread::of(samples.iter().zip(untraced).filter_map(ratio))
}

/// A count of all rounds together; nothing where no round has it.
fn sum(samples: &[Round], count: impl Fn(&Sample) -> Option<u64>) -> String {
    let counts: Vec<u64> = samples.iter().flatten().filter_map(count).collect();
    if counts.is_empty() {
        return "-".to_owned();
    }
    counts.iter().sum::<u64>().to_string()
}

/// Of all that was to be told, how much was: 100 only where each round told exactly what there was.
fn told(samples: &[Round]) -> String {
    let pairs: Vec<_> = samples
        .iter()
        .flatten()
        .filter_map(|sample| Some((sample.told?, sample.expected.filter(|count| *count > 0)?)))
        .collect();
    if pairs.is_empty() {
        return "-".to_owned();
    }
    if pairs.iter().all(|(told, expected)| told == expected) {
        return "100".to_owned();
    }
    let told: u64 = pairs.iter().map(|(told, _)| told).sum();
    let expected: u64 = pairs.iter().map(|(_, expected)| expected).sum();
    format!("{:.3}", float(told) / float(expected) * 100.0)
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::super::space::Done;
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "a round has one or none")]
    fn sample(rate: f64, told: u64, expected: u64) -> Round {
        let report = json!({
            "connects": 1000, "failures": 0, "cpu_s": 0.02, "connects_per_s": rate,
            "total_connects": 2000, "total_failures": 0,
        });
        Some(Sample {
            done: Done { pid: 1, report },
            cpu: Some(Duration::from_millis(4)),
            peak_rss: Some(3 << 20),
            lost: Some(1),
            told: Some(told),
            expected: Some(expected),
            way: None,
        })
    }

    #[test]
    fn ratios_are_those_of_pairs() {
        let untraced = [sample(100.0, 0, 0), sample(200.0, 0, 0), None];
        let traced = [sample(90.0, 0, 0), sample(100.0, 0, 0), sample(1.0, 0, 0)];
        let kept = pairs(&traced, &untraced, |s| s.done.number("connects_per_s"));
        assert_eq!(
            kept.map(|k| (k.median, k.min, k.max)),
            Some((70.0, 50.0, 90.0))
        );
    }

    #[test]
    fn cost_is_by_million_of_all_connects() {
        let sample = sample(1.0, 0, 0).expect("a sample");
        assert_eq!(sample.cpu_per_million(), Some(2.0));
        assert!((sample.own_cpu() - 20.0).abs() < 1e-9);
    }

    #[test]
    fn all_is_told_only_where_each_round_told_all() {
        assert_eq!(told(&[sample(1.0, 5, 5), None, sample(1.0, 7, 7)]), "100");
        // One too many and one too few are not right together.
        assert_eq!(told(&[sample(1.0, 6, 5), sample(1.0, 6, 7)]), "100.000");
        assert_eq!(told(&[sample(1.0, 1, 4)]), "25.000");
        assert_eq!(told(&[]), "-");
        assert_eq!(
            sum(&[sample(1.0, 0, 0), sample(1.0, 0, 0)], |s| s.lost),
            "2"
        );
    }
}
