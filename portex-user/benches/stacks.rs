//! How long a call stack takes: the first of a program, the first of a place, one of a place that is
//! known, and a process that is looked at for the first time. `cargo bench -p portex --bench stacks`
//! prints medians. Needs a C compiler.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Instant,
};

use portex::{event::Capture, symbols::Symbolizer};

/// The program of the tests: it fails to connect, and writes what the kernel would capture.
const SOURCE: &str = include_str!("../src/symbols/tests/program.c");
const ROUNDS: u32 = 20_000;

fn main() {
    let directory = std::env::temp_dir().join(format!("portex-stacks-{}", std::process::id()));
    fs::create_dir(&directory).expect("may be made");
    for (name, options) in [("stripped", "-s"), ("debug information", "-g")] {
        measure(name, &compile(&directory, options));
    }
    fs::remove_dir_all(&directory).expect("was there");
    println!("portex itself");
    own();
}

fn compile(directory: &Path, option: &str) -> std::path::PathBuf {
    let (source, program) = (directory.join("program.c"), directory.join("program"));
    fs::write(&source, SOURCE).expect("has room");
    let compiled = Command::new("cc")
        .args(["-O2", "-fomit-frame-pointer", option, "-o"])
        .args([&program, &source])
        .status();
    assert!(compiled.is_ok_and(|status| status.success()), "cc fails");
    program
}

fn measure(name: &str, program: &Path) {
    println!("{name}");
    let (child, captures) = run(program);
    let mut symbolizer = Symbolizer::new();
    let mut stack = |capture: &Capture| {
        let begin = Instant::now();
        let stack = symbolizer.stack(child.id(), 0, b"program", capture);
        (begin.elapsed().as_secs_f64() * 1e6, stack)
    };
    let (first, found) = stack(&captures[0]);
    print("first stack of the first program", first);
    println!(
        "  {} frames of {} bytes",
        found.user.len(),
        captures[0].stack.len()
    );
    print("first stack of another place", stack(&captures[1]).0);
    let begin = Instant::now();
    for round in 0..ROUNDS {
        stack(&captures[(round % 3) as usize]);
    }
    print(
        "stack of a known place",
        begin.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS),
    );
    let mut others: Vec<Child> = Vec::new();
    let mut times: Vec<f64> = Vec::new();
    for _ in 0..15 {
        let (other, captures) = run(program);
        let begin = Instant::now();
        symbolizer.keep(other.id(), 0, b"program");
        times.push(begin.elapsed().as_secs_f64() * 1e6);
        let begin = Instant::now();
        symbolizer.stack(other.id(), 0, b"program", &captures[0]);
        times.push(begin.elapsed().as_secs_f64() * 1e6);
        others.push(other);
    }
    let median = |from: usize| {
        let mut times: Vec<f64> = times.iter().copied().skip(from).step_by(2).collect();
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    print("another process of the program, kept", median(0));
    print("its first stack", median(1));
    for mut child in others.into_iter().chain([child]) {
        child.kill().expect("lives");
        child.wait().expect("is a child");
    }
}

/// A large program with debug information: this one.
fn own() {
    let mut symbolizer = Symbolizer::new();
    let capture = Capture {
        user: vec![own as fn() as usize as u64],
        ..Capture::default()
    };
    let begin = Instant::now();
    let stack = symbolizer.stack(std::process::id(), 0, b"stacks", &capture);
    print("first stack", begin.elapsed().as_secs_f64() * 1e6);
    println!("  {}", stack.user[0].name());
}

fn print(what: &str, micros: f64) {
    println!("  {what:<38} {micros:>12.1} µs");
}

fn run(program: &Path) -> (Child, Vec<Capture>) {
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
    (child, captures)
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
