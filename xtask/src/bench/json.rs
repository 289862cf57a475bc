//! Every value, and what it was measured on.

use std::fs;

use serde_json::{Value, json};

use super::{
    measure::Bench,
    peers::Tool,
    report::{Round, pairs, values},
    run::Sample,
    spread::Spread,
};

/// All values, and what they were measured on.
pub(super) fn of(bench: &Bench) -> Value {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let uname = rustix::system::uname();
    let rest = bench
        .rest
        .iter()
        .map(|(tool, bytes)| json!({ "tool": tool.name(), "rss_bytes": bytes }));
    let listings = bench.listings.iter().map(|(lister, listings)| {
        let values = listings.iter().enumerate();
        json!({
            "command": lister.title(),
            "values": values.map(|(round, l)| l.json(round + 1)).collect::<Vec<_>>(),
        })
    });
    json!({
        "kernel": uname.release().to_string_lossy(),
        "cpu": model(&cpuinfo),
        "cpus": cpus,
        "load_average": bench.load,
        "portex": env!("CARGO_PKG_VERSION"),
        "attach": attach(bench),
        "short": bench.short,
        "rounds": bench.rounds,
        "churn": bench.churn,
        "absent": bench.absent,
        "tools": samples(&bench.tools, "connects_per_s"),
        "failing": samples(&bench.failing, "failures_per_s"),
        "listings": listings.collect::<Vec<_>>(),
        "first_event_ms": bench.first_event_ms,
        "rest": rest.collect::<Vec<_>>(),
        "errors": bench.errors,
    })
}

fn samples(tools: &[(Tool, Vec<Round>)], rate: &str) -> Value {
    let untraced = tools
        .iter()
        .find(|(tool, _)| *tool == Tool::None)
        .map_or(&[][..], |(_, samples)| samples);
    let tools = tools.iter().map(|(tool, samples)| {
        let each = samples.iter().enumerate();
        let each = each.filter_map(|(round, s)| Some(s.as_ref()?.json(round + 1)));
        json!({
            "tool": tool.name(),
            "rate": Spread::json(values(samples, &|s| Some(s.done.number(rate)))),
            "kept_percent": Spread::json(pairs(samples, untraced, |s| s.done.number(rate))),
            "workload_cpu_percent": Spread::json(pairs(samples, untraced, Sample::own_cpu)),
            "cpu_s_per_million":
                Spread::json(values(samples, &Sample::cpu_per_million)),
            "values": each.collect::<Vec<_>>(),
        })
    });
    tools.collect()
}

/// How portex attached, where it ran.
fn attach(bench: &Bench) -> Option<&str> {
    let all = bench.tools.iter().chain(&bench.failing);
    let mut samples = all.flat_map(|(_, samples)| samples).flatten();
    samples.find_map(|sample| sample.way.as_deref())
}

/// The first `model name` of `/proc/cpuinfo`.
fn model(cpuinfo: &str) -> Option<&str> {
    let mut lines = cpuinfo.lines();
    let line = lines.find_map(|line| line.strip_prefix("model name"))?;
    Some(line.trim_start().strip_prefix(':')?.trim())
}

#[cfg(test)]
mod tests {
    use super::model;

    #[test]
    fn a_processor_has_a_name() {
        let text = "processor\t: 0\nmodel name\t: Some CPU 9\nprocessor\t: 1\n";
        assert_eq!(model(text), Some("Some CPU 9"));
        assert_eq!(model("nothing"), None);
    }
}
