//! Records through decode and state: from memory as the ring buffer holds them, from a recording on one
//! thread, and as a replay does it, which reads ahead on another. `cargo bench -p portex --bench pipeline`.

#[path = "common/model.rs"]
mod model;
#[path = "common/settings.rs"]
mod settings;
#[path = "common/workload.rs"]
mod workload;

use std::{
    borrow::Cow,
    cell::LazyCell,
    env, fs,
    future::pending,
    hint::black_box,
    path::{Path, PathBuf},
    process,
};

use criterion::{BatchSize, Bencher, Criterion, Throughput};
use portex::{
    clock::Clock,
    event::Event,
    input::Input,
    observe::{Model, replay},
    recording::{Ahead, Ended, Header, Pace, Reader, Writer},
};
use portex_common::Record;
use tokio::{runtime, sync::watch};

use self::{
    model::{beginning, empty, event, events},
    settings::{CpuTime, settings},
    workload::{BEGIN, Workload},
};

/// Connections that are held at the same time.
const HELD: u64 = 28_000;
/// So many times as many connections are opened: some 660,000 records.
const TIMES: u64 = 9;
/// Records that are taken in at once: what a live run finds in the ring at a high rate.
const BATCH: usize = 1_024;

fn main() {
    let mut criterion = settings();
    bench(&mut criterion);
    criterion.final_summary();
}

fn bench(criterion: &mut Criterion<CpuTime>) {
    let mut records = Vec::new();
    let workload = Workload::new(HELD, 100).spread(16);
    workload.rounds(0..TIMES * workload.held(), &mut records);
    // Not made when the command line leaves all out that need it.
    let recording = LazyCell::new(|| Recording::of(&records));
    let bytes: Vec<u8> = records.iter().flat_map(Record::as_bytes).copied().collect();
    let mut group = criterion.benchmark_group("pipeline");
    group.throughput(Throughput::Elements(records.len() as u64));
    group.bench_function("memory", |bencher| from_memory(bencher, &bytes));
    group.bench_function("recording, one thread", |bencher| {
        from_recording(bencher, &recording.0);
    });
    group.bench_function("recording, replayed", |bencher| {
        replayed(bencher, &recording.0);
    });
    group.bench_function("recording, only read", |bencher| {
        only_read(bencher, &recording.0);
    });
}

fn from_memory(bencher: &mut Bencher<'_, CpuTime>, bytes: &[u8]) {
    let mut batch: Vec<Event> = Vec::new();
    bencher.iter_batched(
        empty,
        |mut model| {
            for records in bytes.chunks(BATCH * size_of::<Record>()) {
                batch.clear();
                batch.extend(records.chunks_exact(size_of::<Record>()).map(event));
                model.take(Input::Events(Cow::Borrowed(&batch)));
            }
            model
        },
        BatchSize::PerIteration,
    );
}

fn from_recording(bencher: &mut Bencher<'_, CpuTime>, path: &Path) {
    bencher.iter_with_large_drop(|| {
        let mut reader = Reader::open(path).expect("was written");
        let mut model = Model::default();
        while let Some(input) = reader.next().expect("is whole") {
            model.take(input);
        }
        assert_eq!(reader.ended(), Some(Ended::Complete));
        model
    });
}

fn replayed(bencher: &mut Bencher<'_, CpuTime>, path: &Path) {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("as portex makes it");
    bencher.iter_with_large_drop(|| {
        let reader = Reader::open(path).expect("was written");
        let mut inputs = Ahead::start(reader).expect("has a thread");
        let (_unchanged, pace) = watch::channel(Pace::AtOnce);
        let mut model = Model::default();
        let mut nobody = ();
        let replayed = replay(&mut inputs, pace, &mut model, &mut nobody, pending());
        let replayed = runtime.block_on(replayed).expect("is whole");
        assert_eq!(replayed.ended, Some(Ended::Complete));
        model
    });
}

fn only_read(bencher: &mut Bencher<'_, CpuTime>, path: &Path) {
    bencher.iter(|| {
        let mut reader = Reader::open(path).expect("was written");
        while let Some(input) = reader.next().expect("is whole") {
            black_box(input);
        }
    });
}

/// A file that goes away with this.
struct Recording(PathBuf);

impl Recording {
    fn of(records: &[Record]) -> Self {
        let name = format!("portex-bench-{}.rec", process::id());
        let recording = Self(env::temp_dir().join(name));
        let header = Header::here("tracepoint", BEGIN, &Clock::default(), None);
        let writer = Writer::create(&recording.0, &header, u64::MAX >> 1, false);
        let mut writer = writer.expect("has room");
        let mut latest = BEGIN;
        let mut write = |input: &Input<'_>| {
            latest = latest.max(input.time().unwrap_or_default());
            writer.write(input).expect("has room");
        };
        beginning().iter().for_each(&mut write);
        for records in records.chunks(BATCH) {
            write(&Input::Events(Cow::Owned(events(records))));
        }
        let summary = writer.finish(latest).expect("has room");
        assert_eq!(summary.events, records.len() as u64);
        recording
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let _may_not_be_there = fs::remove_file(&self.0);
    }
}
