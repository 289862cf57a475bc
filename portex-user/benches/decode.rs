//! Bytes of the ring buffer to events: each kind, and all of them as a host sends them that opens short
//! connections. `cargo bench -p portex --bench decode`.

#[path = "common/settings.rs"]
mod settings;
#[path = "common/workload.rs"]
mod workload;

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use portex::decode::decode;
use portex_common::Record;

use self::{
    settings::{CpuTime, settings},
    workload::Workload,
};

/// Connections whose records are decoded, again and again.
const CONNECTIONS: u64 = 1_024;

fn main() {
    let mut criterion = settings();
    bench(&mut criterion);
    criterion.final_summary();
}

fn bench(criterion: &mut Criterion<CpuTime>) {
    let workload = Workload::new(CONNECTIONS, 100).spread(16);
    let mut mix = Vec::new();
    workload.rounds(workload.held()..2 * workload.held(), &mut mix);
    let connections = || 0..CONNECTIONS;
    let connects = connections().map(|number| workload.connect(number));
    let time_waits = connections().filter_map(|number| workload.time_wait(number));
    let releases = connections().map(|number| workload.released(number));
    for (name, records) in [
        ("mix", mix),
        ("connect", connects.collect()),
        ("time_wait", time_waits.collect()),
        ("released", releases.collect()),
    ] {
        one(criterion, name, &records);
    }
}

fn one(criterion: &mut Criterion<CpuTime>, name: &str, records: &[Record]) {
    let bytes: Vec<u8> = records.iter().flat_map(Record::as_bytes).copied().collect();
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(records.len() as u64));
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            for record in bytes.chunks_exact(size_of::<Record>()) {
                black_box(decode(record)).expect("a record");
            }
        });
    });
}
