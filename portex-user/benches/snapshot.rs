//! The picture of who holds which ports, of 1,000 to 1,000,000 ports held, and of 50,000 spaces.
//! `cargo bench -p portex --bench snapshot`.

#[path = "common/held.rs"]
mod held;
#[path = "common/model.rs"]
mod model;
#[path = "common/settings.rs"]
mod settings;
#[path = "common/workload.rs"]
mod workload;

use criterion::{BenchmarkId, Criterion, Throughput};

use self::{
    held::full,
    settings::{CpuTime, settings},
    workload::Workload,
};

fn main() {
    let mut criterion = settings();
    bench(&mut criterion);
    criterion.final_summary();
}

fn bench(criterion: &mut Criterion<CpuTime>) {
    for held in [1_000, 100_000, 1_000_000] {
        let id = BenchmarkId::new("held", held);
        one(criterion, id, &Workload::new(held, 100));
    }
    let spread = Workload::new(100_000, 100).spread(50_000);
    one(criterion, BenchmarkId::new("spaces", 50_000), &spread);
}

fn one(criterion: &mut Criterion<CpuTime>, id: BenchmarkId, workload: &Workload) {
    let mut model = None;
    let mut group = criterion.benchmark_group("snapshot");
    group.throughput(Throughput::Elements(workload.held()));
    group.bench_function(id, |bencher| {
        // Not made when the command line leaves this one out.
        let model = model.get_or_insert_with(|| full(workload));
        bencher.iter_with_large_drop(|| model.snapshot(model.latest()));
    });
}
