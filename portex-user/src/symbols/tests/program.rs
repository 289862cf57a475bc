//! A small C program that fails to connect, compiled in some way, and what was captured of it.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use crate::{
    event::{BuildId, Capture},
    symbols::{
        elf::Elf,
        maps,
        process::{Process, of_host},
    },
};

const SOURCE: &str = include_str!("program.c");

/// A directory that is removed at the end.
pub(in crate::symbols) struct Directory(pub(in crate::symbols) PathBuf);

impl Directory {
    pub(in crate::symbols) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("portex-symbols-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("may be made");
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

/// Compiles it into a directory; `None`, and told why, without a compiler for this.
pub(super) fn compile(directory: &Directory, name: &str, options: &[&str]) -> Option<PathBuf> {
    if cfg!(not(target_arch = "x86_64")) {
        eprintln!("skipped: the program is for x86-64");
        return None;
    }
    let source = directory.0.join("program.c");
    fs::write(&source, SOURCE).expect("has room");
    let program = directory.0.join(name);
    let compiled = Command::new("cc")
        .args(["-O2", "-fomit-frame-pointer", "-Wl,--build-id"])
        .args(options)
        .arg("-o")
        .args([&program, &source])
        .output();
    match compiled {
        Err(error) => {
            eprintln!("skipped: no C compiler: {error}");
            None
        }
        Ok(output) => {
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{errors}");
            Some(program)
        }
    }
}

/// The line of the source that is marked so.
pub(super) fn line(mark: &str) -> u32 {
    let mark = format!("/* LINE {mark} */");
    let at = SOURCE.lines().position(|line| line.ends_with(&mark));
    u32::try_from(at.expect("is there") + 1).expect("a short file")
}

/// It runs, and waits.
pub(super) struct Running {
    child: Child,
    pub(super) captures: Vec<Capture>,
}

impl Running {
    pub(super) fn new(program: &Path) -> Self {
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("may be run");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let lines = output.lines().map(|line| line.expect("text"));
        let captures = lines.take_while(|line| !line.is_empty());
        let captures = captures.map(|line| capture(&line)).collect();
        Self { child, captures }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn start(&self) -> u32 {
        let process = Process::open(self.pid()).expect("lives");
        process.start().expect("readable")
    }

    /// Ends it, as if it had crashed.
    pub(super) fn kill(&mut self) {
        self.child.kill().expect("lives");
        self.child.wait().expect("is a child");
    }

    /// What the kernel would say of addresses by build id.
    pub(super) fn build_ids(&self, addresses: &[u64]) -> Vec<BuildId> {
        let process = Process::open(self.pid()).expect("lives");
        let maps = maps::parse(&process.maps().expect("readable"));
        let of = |&address: &u64| {
            let mapping = maps::at(&maps, address).expect("code");
            let file = of_host(&*mapping.path).expect("readable");
            BuildId {
                id: Elf::read(&file).expect("an ELF file").build_id,
                offset: mapping.in_file(address),
            }
        };
        addresses.iter().map(of).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let pid = self.pid();
        let _gone = self.child.kill();
        let _gone = self.child.wait();
        let _gone = fs::remove_file(format!("/tmp/perf-{pid}.map"));
    }
}

fn capture(line: &str) -> Capture {
    let mut fields = line.split(' ');
    let mut number = || {
        let field = fields.next().expect("enough fields");
        u64::from_str_radix(field, 16).expect("hexadecimal")
    };
    let (ip, sp, bp) = (number(), number(), number());
    let bytes = fields.next().expect("a stack").as_bytes();
    let byte = |pair: &[u8]| {
        let pair = str::from_utf8(pair).expect("text");
        u8::from_str_radix(pair, 16).expect("hexadecimal")
    };
    Capture {
        fd: Some(3),
        ip,
        sp,
        bp,
        user: vec![ip],
        stack: bytes.chunks(2).map(byte).collect(),
        ..Capture::default()
    }
}
