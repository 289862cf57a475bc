//! `bench`: what portex costs, beside what others cost that look at the same.
//!
//! One workload, a network namespace of its own for every run, and the tools one after the other,
//! beginning with another one each round: what the machine does meanwhile meets all of them. A
//! tool is compared with the untraced run of its own round. Nothing is asserted.
//!
//! ```text
//! mod       the command line
//! measure   which measurements are made, in which order
//! peers     the tools: command, and how each says what it saw and lost
//! run       a tool beside the churn (`portex-tests workload churn`)
//! listing   `ss`, `netstat`, `portex snapshot` over many sockets in TIME_WAIT
//! moments   start to first event, memory at rest
//! report    tables;  json  every value;  spread  medians
//! child, space   processes and namespaces that do not outlive this one
//! ```

mod child;
mod json;
mod listing;
mod measure;
mod moments;
mod peers;
mod report;
mod run;
mod space;
mod spread;

use std::{collections::BTreeSet, fs, path::PathBuf};

use anyhow::{Context, Result, bail};

use self::{measure::Bench, peers::Tool};
use crate::{counts::Counts, process, workspace::Workspace};

/// What `--only` can name beside the tools.
const LISTING: &str = "listing";
const FIRST_EVENT: &str = "first-event";
const REST: &str = "rest";
const FAILING: &str = "failing";

/// Programs, each with the package of Debian that has it.
const PEERS: [(&str, &str); 5] = [
    ("bpftrace", "bpftrace"),
    ("tcplife", "libbpf-tools"),
    ("tcpstates", "libbpf-tools"),
    ("ss", "iproute2"),
    ("netstat", "net-tools"),
];

/// Arguments of `cargo xtask bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Fewer and shorter rounds, fewer sockets: under 3 minutes, and less sure.
    #[arg(long)]
    short: bool,
    /// Rounds of each measurement; 9, or 3 in the short form, when not given.
    #[arg(long)]
    rounds: Option<usize>,
    /// Only these: bpftrace, top, trace, tcplife, tcpstates, listing, first-event, rest, failing.
    #[arg(long, value_delimiter = ',', value_name = "NAME", value_parser = name)]
    only: Vec<String>,
    /// Where all values go; target/bench.json when not given.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// More words for the workload of the tools, as in --churn='--close rst --epoll'.
    #[arg(
        long,
        default_value = "",
        allow_hyphen_values = true,
        value_name = "WORDS"
    )]
    churn: String,
    /// Measure portex and portex-tests of this folder instead of building them.
    #[arg(long, value_name = "FOLDER")]
    binaries: Option<PathBuf>,
}

/// One of the names that there are.
fn name(text: &str) -> Result<String, String> {
    let names: Vec<_> = Tool::ALL
        .map(Tool::name)
        .into_iter()
        .chain([LISTING, FIRST_EVENT, REST, FAILING])
        .collect();
    if names.contains(&text) {
        Ok(text.to_owned())
    } else {
        Err(format!("there are: {}", names.join(", ")))
    }
}

/// Debian's packages of the programs that are not here.
pub(crate) fn missing_packages() -> Vec<String> {
    PEERS
        .iter()
        .filter(|(program, _)| peers::find(program).is_none())
        .map(|(_, package)| (*package).to_owned())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

/// Runs the command.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<Counts> {
    if !process::is_root() {
        bail!("a benchmark of tracers loads eBPF programs, which needs root; run it as root");
    }
    if args.rounds == Some(0) {
        bail!("no rounds");
    }
    let mut bench = Bench::new(workspace, args)?;
    bench.all();
    report::print(&bench);
    let path = args
        .json
        .clone()
        .unwrap_or_else(|| workspace.target("bench.json"));
    let text = serde_json::to_string_pretty(&json::of(&bench))? + "\n";
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    println!("\nevery value: {}", path.display());
    for error in &bench.errors {
        eprintln!("xtask: {error}");
    }
    Ok(if bench.errors.is_empty() {
        Counts::PASSED
    } else {
        Counts::FAILED
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_there_are() {
        assert_eq!(name("tcplife").as_deref(), Ok("tcplife"));
        assert_eq!(name("failing").as_deref(), Ok("failing"));
        assert!(name("strace").is_err_and(|error| error.contains("tcpstates")));
    }
}
