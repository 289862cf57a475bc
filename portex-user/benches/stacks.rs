//! Call stacks of failing calls: the first of a program, the first of a place, one of a place that is
//! known, and a process that is looked at for the first time. `cargo bench -p portex --bench stacks`.
//! Needs a C compiler.

#[path = "common/settings.rs"]
mod settings;

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{self, Child, Command, Stdio},
};

use criterion::{BatchSize, Criterion};
use portex::{event::Capture, symbols::Symbolizer};

use self::settings::{CpuTime, settings};

/// The program of the tests: it fails to connect, and writes what the kernel would capture.
const SOURCE: &str = include_str!("../src/symbols/tests/program.c");

fn main() {
    let mut criterion = settings();
    let directory = env::temp_dir().join(format!("portex-stacks-{}", process::id()));
    fs::create_dir(&directory).expect("may be made");
    for (name, options) in [("stripped", "-s"), ("debug information", "-g")] {
        bench(&mut criterion, name, &compile(&directory, options));
    }
    fs::remove_dir_all(&directory).expect("was there");
    own(&mut criterion);
    criterion.final_summary();
}

fn compile(directory: &Path, option: &str) -> PathBuf {
    let (source, program) = (directory.join("program.c"), directory.join("program"));
    fs::write(&source, SOURCE).expect("has room");
    let compiled = Command::new("cc")
        .args(["-O2", "-fomit-frame-pointer", option, "-o"])
        .args([&program, &source])
        .status();
    assert!(compiled.is_ok_and(|status| status.success()), "cc fails");
    program
}

fn bench(criterion: &mut Criterion<CpuTime>, name: &str, program: &Path) {
    let (mut one, mut another) = (Running::start(program), Running::start(program));
    let mut group = criterion.benchmark_group(format!("stack, {name}"));
    let places = &one.captures;
    let knowing = |places: &[Capture]| {
        let mut symbolizer = Symbolizer::new();
        for place in places {
            symbolizer.stack(one.child.id(), 0, b"program", place);
        }
        symbolizer
    };
    group.bench_function("first of the first program", |bencher| {
        bencher.iter_batched_ref(
            Symbolizer::new,
            |symbolizer| symbolizer.stack(one.child.id(), 0, b"program", &places[0]),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("first of another place", |bencher| {
        bencher.iter_batched_ref(
            || knowing(&places[..1]),
            |symbolizer| symbolizer.stack(one.child.id(), 0, b"program", &places[1]),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("of a known place", |bencher| {
        let mut symbolizer = knowing(places);
        let mut places = places.iter().cycle();
        bencher.iter(|| {
            let place = places.next().expect("goes round");
            symbolizer.stack(one.child.id(), 0, b"program", place)
        });
    });
    group.bench_function("another process, kept", |bencher| {
        bencher.iter_batched_ref(
            || knowing(&places[..1]),
            |symbolizer| symbolizer.keep(another.child.id(), 0, b"program"),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("first of another process", |bencher| {
        bencher.iter_batched_ref(
            || {
                let mut symbolizer = knowing(&places[..1]);
                symbolizer.keep(another.child.id(), 0, b"program");
                symbolizer
            },
            |symbolizer| symbolizer.stack(another.child.id(), 0, b"program", &another.captures[0]),
            BatchSize::PerIteration,
        );
    });
    group.finish();
    one.end();
    another.end();
}

/// A large program: this one.
fn own(criterion: &mut Criterion<CpuTime>) {
    let capture = Capture {
        user: vec![own as fn(&mut Criterion<CpuTime>) as usize as u64],
        ..Capture::default()
    };
    criterion.bench_function("stack, portex itself/first", |bencher| {
        bencher.iter_batched_ref(
            Symbolizer::new,
            |symbolizer| symbolizer.stack(process::id(), 0, b"stacks", &capture),
            BatchSize::PerIteration,
        );
    });
}

/// A process of the program, and what it wrote of its calls.
struct Running {
    child: Child,
    captures: Vec<Capture>,
}

impl Running {
    fn start(program: &Path) -> Self {
        let child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = child.expect("may be run");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let lines = output.lines().map(|line| line.expect("text"));
        let captures = lines
            .take_while(|line| !line.is_empty())
            .map(|line| capture(&line));
        let captures = captures.collect();
        Self { child, captures }
    }

    fn end(&mut self) {
        self.child.kill().expect("lives");
        self.child.wait().expect("is a child");
    }
}

fn capture(line: &str) -> Capture {
    let number = |text: &str| u64::from_str_radix(text, 16).expect("hexadecimal");
    let fields: Vec<&str> = line.split(' ').collect();
    let bytes = fields[3].as_bytes().chunks(2);
    let byte = |pair| number(str::from_utf8(pair).expect("text")).to_le_bytes()[0];
    Capture {
        ip: number(fields[0]),
        sp: number(fields[1]),
        bp: number(fields[2]),
        user: vec![number(fields[0])],
        stack: bytes.map(byte).collect(),
        ..Capture::default()
    }
}
