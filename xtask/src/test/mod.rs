//! `test`: everything that has to be right before a change lands, cheap checks first.

mod session;

use std::{thread, time::Duration};

use clap::ValueEnum;

use self::session::Session;
use crate::{counts::Counts, table, vm, workspace::Workspace};

/// Arguments of `cargo xtask test`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Steps to leave out.
    #[arg(long, value_delimiter = ',')]
    skip: Vec<Step>,
}

/// The steps, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Step {
    /// Sources are formatted.
    Format,
    /// Committed eBPF objects are those of the sources, by their stamp.
    Object,
    /// Clippy.
    Lints,
    /// Licences, bans and sources of dependencies.
    Deny,
    /// Unit tests.
    Unit,
    /// Documentation builds without a warning.
    Docs,
    /// A fresh build of the eBPF objects gives the same bytes.
    Rebuild,
    /// Scenarios on this machine's kernel.
    Host,
    /// Scenarios on the kernels of the matrix.
    Vm,
}

/// A step that is over.
#[derive(Debug)]
struct Done {
    step: Step,
    counts: Counts,
    elapsed: Duration,
}

/// Runs every step, whatever became of those before it, and sums up.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Counts {
    let skip = |step| args.skip.contains(&step);
    let done: Vec<_> = thread::scope(|scope| {
        let fetch = || scope.spawn(|| vm::fetch(workspace, &vm::Args::default()));
        let mut session = Session::new(workspace, (!skip(Step::Vm)).then(fetch));
        Step::value_variants()
            .iter()
            .map(|step| session.step(*step, skip(*step)))
            .collect()
    });
    let total = done.iter().map(|done| done.counts).sum();
    println!("\n{}\nportex: {total}", table(&done));
    total
}

/// The name that `--skip` takes.
fn name(step: Step) -> String {
    step.to_possible_value()
        .map_or_else(String::new, |value| value.get_name().to_owned())
}

fn table(done: &[Done]) -> String {
    let rows: Vec<_> = done
        .iter()
        .map(|done| {
            let Counts {
                passed,
                failed,
                skipped,
            } = done.counts;
            [
                name(done.step),
                passed.to_string(),
                failed.to_string(),
                skipped.to_string(),
                format!("{:.1}", done.elapsed.as_secs_f64()),
            ]
        })
        .collect();
    table::render(["step", "passed", "failed", "skipped", "seconds"], 1, &rows)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn steps_are_left_out_by_name() {
        let skip = |text| Cli::try_parse_from(["x", "--skip", text]).map(|cli| cli.args.skip);
        assert_eq!(skip("vm,rebuild").ok(), Some(vec![Step::Vm, Step::Rebuild]));
        assert!(skip("nothing").is_err());
    }
}
