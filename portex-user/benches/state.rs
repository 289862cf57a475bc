//! Events into the model while it holds 1,000 to 1,000,000 ports: the cost of one must stay the same.
//! In each round a connection begins, one closes and the oldest gives its port back.
//! `cargo bench -p portex --bench state`.

#[path = "common/held.rs"]
mod held;
#[path = "common/model.rs"]
mod model;
#[path = "common/settings.rs"]
mod settings;
#[path = "common/workload.rs"]
mod workload;

use std::borrow::Cow;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use portex::{event::Event, input::Input};

use self::{
    held::{ROUNDS, full},
    model::events,
    settings::{CpuTime, settings},
    workload::Workload,
};

fn main() {
    let mut criterion = settings();
    bench(&mut criterion);
    criterion.final_summary();
}

fn bench(criterion: &mut Criterion<CpuTime>) {
    for processes in [1, 100] {
        for held in [1_000, 10_000, 100_000, 1_000_000] {
            let name = format!("state, {processes} processes");
            churn(criterion, &name, &Workload::new(held, processes));
        }
    }
    let spread = Workload::new(100_000, 100).spread(10_000);
    churn(criterion, "state, 10000 destinations", &spread);
}

fn churn(criterion: &mut Criterion<CpuTime>, name: &str, workload: &Workload) {
    let mut rounds = Rounds {
        workload,
        next: workload.held(),
    };
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(rounds.more().len() as u64));
    // That batch is not taken in, but the model begins with the one before it.
    rounds.next = workload.held();
    let mut model = None;
    group.bench_function(BenchmarkId::from_parameter(workload.held()), |bencher| {
        // Not made when the command line leaves this one out.
        let model = model.get_or_insert_with(|| full(workload));
        bencher.iter_batched(
            || rounds.more(),
            |events| {
                model.take(Input::Events(Cow::Borrowed(&events)));
                events // Dropped when the time has been taken.
            },
            BatchSize::PerIteration,
        );
    });
}

/// Goes on with a workload.
struct Rounds<'a> {
    workload: &'a Workload,
    next: u64,
}

impl Rounds<'_> {
    fn more(&mut self) -> Vec<Event> {
        let mut records = Vec::new();
        let rounds = self.next..self.next + ROUNDS;
        self.next = rounds.end;
        self.workload.rounds(rounds, &mut records);
        events(&records)
    }
}
