//! Programs that fail, and the stacks that are made of it.

mod hostile;
pub(super) mod program;

use std::{fs, sync::Arc};

use super::{Frame, Stack, Symbolizer};
use program::{Directory, Running, compile, line};

/// The stacks of all calls of a program that still runs.
fn stacks(symbolizer: &mut Symbolizer, running: &Running) -> Vec<Arc<Stack>> {
    let (pid, start) = (running.pid(), running.start());
    let stack = |capture| symbolizer.stack(pid, start, b"program", capture);
    running.captures.iter().map(stack).collect()
}

/// Functions up to `main`; what the C library has around it differs.
fn functions(stack: &Stack) -> Vec<&str> {
    let name = |frame: &Frame| frame.function.is_some();
    let mut names: Vec<&str> = Vec::new();
    for frame in &stack.user {
        assert!(name(frame) || frame.module.is_some(), "{stack:#?}");
        names.push(frame.function.as_deref().unwrap_or("?"));
        if names.last() == Some(&"main") {
            break;
        }
    }
    names
}

/// Without what is inside the C library before the program itself.
fn own<'a>(stack: &'a Stack, program: &str) -> Vec<&'a Frame> {
    let of_program = |frame: &&Frame| {
        let module = frame.module.as_deref();
        module.is_some_and(|module| module.ends_with(program))
    };
    stack.user.iter().filter(of_program).collect()
}

#[test]
fn debug_information_gives_functions_lines_and_what_was_inlined() {
    let directory = Directory::new();
    let Some(program) = compile(&directory, "program", &["-g"]) else {
        return;
    };
    let running = Running::new(&program);
    let stacks = stacks(&mut Symbolizer::new(), &running);
    assert_eq!(stacks.len(), 3);
    let lines = |stack: &Stack| -> Vec<(String, Option<u32>, bool)> {
        let frames = own(stack, "/program");
        let frames = frames
            .iter()
            .take_while(|frame| frame.function.as_deref() != Some("_start"));
        frames
            .map(|frame| {
                let name = frame.function.as_deref().unwrap_or("?");
                (name.to_owned(), frame.line, frame.inlined)
            })
            .collect()
    };
    let at = |name: &str, mark: &str, inlined| (name.to_owned(), Some(line(mark)), inlined);
    let expected = [
        at("dial", "dial", true),
        at("first", "first", false),
        at("main", "main 1", false),
    ];
    assert_eq!(lines(&stacks[0]), expected);
    let expected = [
        at("dial", "dial", true),
        at("hidden", "hidden", false),
        at("second", "second", false),
        at("main", "main 2", false),
    ];
    assert_eq!(lines(&stacks[1]), expected);
    let deep = lines(&stacks[2]);
    let expected = [at("deep", "deep", false), at("deep", "deep", false)];
    assert_eq!(deep[2..4], expected, "{deep:?}");
    for stack in &stacks {
        assert_eq!(stack.notes, [""; 0], "{stack:#?}");
        assert!(functions(stack)[0].contains("connect"), "{stack:#?}");
        let innermost = &stack.user[0];
        assert!(innermost.module_offset > 0 && innermost.offset > 0);
    }
    let name = own(&stacks[0], "/program")[1].name();
    let expected = format!("({}) program.c:{}", program.display(), line("first"));
    assert!(
        name.starts_with("first+0x") && name.ends_with(&expected),
        "{name}"
    );
}

#[test]
fn symbols_alone_give_functions_wherever_the_program_lies() {
    let directory = Directory::new();
    for options in [&["-no-pie"][..], &["-pie"], &["-static"]] {
        let Some(program) = compile(&directory, "program", options) else {
            return;
        };
        let running = Running::new(&program);
        let stacks = stacks(&mut Symbolizer::new(), &running);
        let ends = |stack: &Stack, expected: &[&str]| {
            let functions = functions(stack);
            assert!(functions.ends_with(expected), "{options:?} {functions:?}");
        };
        ends(&stacks[0], &["first", "main"]);
        ends(&stacks[1], &["hidden", "second", "main"]);
        ends(&stacks[2], &["deep", "deep", "deep", "deep", "main"]);
    }
}

/// As Go has it: `.debug_frame`, and hardly anything in `.eh_frame`.
#[test]
fn unwind_information_for_debuggers_serves_as_well() {
    let directory = Directory::new();
    let options = [
        "-g",
        "-gz",
        "-fno-asynchronous-unwind-tables",
        "-fno-exceptions",
    ];
    let Some(program) = compile(&directory, "program", &options) else {
        return;
    };
    let file = super::process::of_host(&program).expect("readable");
    let elf = super::elf::Elf::read(&file).expect("an ELF file");
    assert!(elf.section(b".debug_frame").is_some());
    let running = Running::new(&program);
    let stacks = stacks(&mut Symbolizer::new(), &running);
    assert!(functions(&stacks[1]).ends_with(&["dial", "hidden", "second", "main"]));
    assert!(functions(&stacks[2]).ends_with(&["deep", "deep", "deep", "deep", "main"]));
}

#[test]
fn a_stripped_program_has_the_names_that_it_exports() {
    let directory = Directory::new();
    let Some(program) = compile(&directory, "program", &["-s", "-rdynamic"]) else {
        return;
    };
    let running = Running::new(&program);
    let stacks = stacks(&mut Symbolizer::new(), &running);
    let names: Vec<_> = own(&stacks[1], "/program")
        .iter()
        .take(3)
        .map(|frame| frame.function.as_deref())
        .collect();
    assert_eq!(names, [None, Some("second"), Some("main")]);
}

#[test]
fn a_stripped_program_is_told_by_offsets_that_do_not_change() {
    let directory = Directory::new();
    let Some(program) = compile(&directory, "program", &["-s", "-pie"]) else {
        return;
    };
    let plain = compile(&directory, "plain", &["-pie"]).expect("there is a compiler");
    let mut symbolizer = Symbolizer::new();
    let runs = [Running::new(&program), Running::new(&program)];
    let [a, b] = runs.each_ref().map(|run| stacks(&mut symbolizer, run));
    let named = stacks(&mut symbolizer, &Running::new(&plain));
    assert_ne!(a[0].user[0].address, b[0].user[0].address, "no ASLR here");
    for ((a, b), named) in a.iter().zip(&b).zip(&named) {
        assert_eq!(a.place(), b.place());
        let offsets = |stack: &Stack, of: &str| -> Vec<u64> {
            let own = own(stack, of);
            own.iter().map(|frame| frame.module_offset).collect()
        };
        assert_eq!(offsets(a, "/program"), offsets(named, "/plain"));
        let frame = own(a, "/program")[0];
        let name = frame.name();
        let expected = format!("({}+{:#x})", program.display(), frame.module_offset);
        assert!(
            frame.function.is_none() && name.ends_with(&expected),
            "{name}"
        );
        assert!(a.notes.iter().any(|note| note.contains("no name")), "{a:?}");
    }
    assert_ne!(a[0].place(), a[1].place());
    assert_ne!(a[1].place(), a[2].place());
}

#[test]
fn what_was_kept_outlives_the_process_and_its_file() {
    let directory = Directory::new();
    let Some(program) = compile(&directory, "program", &["-g"]) else {
        return;
    };
    let mut running = Running::new(&program);
    let (pid, start) = (running.pid(), running.start());
    let mut symbolizer = Symbolizer::new();
    symbolizer.keep(pid, start, b"program");
    running.kill();
    fs::remove_file(&program).expect("was there");
    let stack = symbolizer.stack(pid, start, b"program", &running.captures[1]);
    assert!(functions(&stack).ends_with(&["dial", "hidden", "second", "main"]));
    // Another process of the same id has none of it.
    let stack = symbolizer.stack(pid, start + 1, b"other", &running.captures[1]);
    assert!(
        stack.user.iter().all(|frame| frame.module.is_none()),
        "{stack:#?}"
    );
    assert!(
        stack.notes.iter().any(|note| note.contains("had ended")),
        "{:?}",
        stack.notes
    );
    let address = running.captures[1].ip;
    assert_eq!(stack.user[0].name(), format!("{address:#x}"));
}

#[test]
fn a_deleted_file_is_read_while_the_process_lives() {
    let directory = Directory::new();
    let Some(program) = compile(&directory, "program", &[]) else {
        return;
    };
    let running = Running::new(&program);
    fs::remove_file(&program).expect("was there");
    let stacks = stacks(&mut Symbolizer::new(), &running);
    assert!(functions(&stacks[0]).ends_with(&["first", "main"]));
    assert!(
        stacks[0].notes.iter().any(|note| note.contains("deleted")),
        "{:?}",
        stacks[0].notes
    );
}

#[test]
fn a_process_that_was_never_seen_is_told_by_build_ids() {
    let directory = Directory::new();
    let Some(program) = compile(&directory, "program", &["-g"]) else {
        return;
    };
    let seen = Running::new(&program);
    let mut running = Running::new(&program);
    let (pid, start) = (running.pid(), running.start());
    let mut symbolizer = Symbolizer::new();
    // Of another run, that it knows the executable.
    let whole = stacks(&mut symbolizer, &seen);
    let mut captures = running.captures.clone();
    let known = symbolizer.stack(pid, start, b"program", &captures[1]);
    let returns = |module: &str| {
        let mut frames = known.user.iter();
        let of = |frame: &&Frame| {
            frame
                .module
                .as_deref()
                .is_some_and(|it| it.ends_with(module))
        };
        frames.find(of).map(|frame| frame.address)
    };
    let caller = returns("/program").expect("in the program");
    captures[1].user = vec![captures[1].ip, caller];
    captures[1].build_ids = running.build_ids(&captures[1].user);
    running.kill();
    let mut fresh = Symbolizer::new();
    fresh.keep(seen.pid(), seen.start(), b"program");
    let stack = fresh.stack(pid, start, b"program", &captures[1]);
    assert!(
        functions(&stack).ends_with(&["dial", "hidden", "second", "main"]),
        "{stack:#?}"
    );
    assert_eq!(
        own(&stack, "/program").len(),
        own(&whole[1], "/program").len()
    );
    // Later captures have no build ids; the mappings are known by then.
    let stack = fresh.stack(pid, start, b"program", &captures[2]);
    assert!(
        functions(&stack).ends_with(&["deep", "deep", "main"]),
        "{stack:#?}"
    );
    // Nothing but the C library is known by itself.
    let mut fresh = Symbolizer::new();
    let stack = fresh.stack(pid, start, b"program", &captures[1]);
    let innermost = stack.user[0].function.as_deref();
    assert!(
        innermost.is_some_and(|name| name.contains("connect")),
        "{stack:#?}"
    );
    assert!(stack.user[1].module.is_none(), "{stack:#?}");
}

#[test]
fn code_compiled_at_run_time_has_the_names_of_its_perf_map() {
    let directory = Directory::new();
    let Some(program) = compile(&directory, "program", &["-DCOMPILES", "-g"]) else {
        return;
    };
    let mut running = Running::new(&program);
    let (pid, start) = (running.pid(), running.start());
    let mut symbolizer = Symbolizer::new();
    symbolizer.keep(pid, start, b"program");
    running.kill();
    fs::remove_file(format!("/tmp/perf-{pid}.map")).expect("was written");
    let stack = symbolizer.stack(pid, start, b"program", &running.captures[3]);
    let names = functions(&stack);
    let js = "LazyCompile:*dial /app/main.js:4:14";
    let at = names.iter().position(|name| *name == js).expect("is there");
    assert_eq!(names[at - 1], "first");
    assert_eq!(*names.last().expect("some"), "main", "{stack:#?}");
    assert_eq!(stack.user[at].module.as_deref(), Some("[jit]"));
}

#[test]
fn a_stack_that_is_cut_goes_on_by_frame_pointers() {
    let directory = Directory::new();
    let Some(program) = compile(&directory, "program", &[]) else {
        return;
    };
    let running = Running::new(&program);
    let (pid, start) = (running.pid(), running.start());
    let mut symbolizer = Symbolizer::new();
    let whole = symbolizer.stack(pid, start, b"program", &running.captures[2]);
    let addresses: Vec<u64> = whole.user.iter().map(|frame| frame.address).collect();
    let mut capture = running.captures[2].clone();
    for cut in (0..capture.stack.len()).rev().step_by(13) {
        capture.stack.truncate(cut);
        let stack = symbolizer.stack(pid, start, b"program", &capture);
        let found: Vec<u64> = stack.user.iter().map(|frame| frame.address).collect();
        assert!(addresses.starts_with(&found), "cut at {cut}: {found:x?}");
        assert!(
            found.len() == addresses.len() || !stack.notes.is_empty(),
            "{stack:#?}"
        );
    }
    capture.user.clone_from(&addresses);
    let stack = symbolizer.stack(pid, start, b"program", &capture);
    assert_eq!(stack.user, whole.user);
    assert!(
        stack.notes[0].contains("by frame pointers"),
        "{:?}",
        stack.notes
    );
    // Without registers, frame pointers are all there is.
    capture.ip = 0;
    let stack = symbolizer.stack(pid, start, b"program", &capture);
    assert_eq!(stack.user, whole.user);
}

#[test]
fn the_same_stack_is_looked_up_once() {
    let directory = Directory::new();
    let Some(program) = compile(&directory, "program", &[]) else {
        return;
    };
    let running = Running::new(&program);
    let mut symbolizer = Symbolizer::new();
    let [a, b] = [(); 2].map(|()| stacks(&mut symbolizer, &running));
    assert!(a.iter().zip(&b).all(|(a, b)| Arc::ptr_eq(a, b)));
    assert!(!Arc::ptr_eq(&a[0], &a[1]));
}

#[test]
fn kernel_functions_have_names_or_it_is_told_why() {
    let mut symbolizer = Symbolizer::new();
    let text = fs::read_to_string("/proc/kallsyms").unwrap_or_default();
    let line = text
        .lines()
        .find(|line| line.ends_with(" T inet_hash_connect"));
    let address = line.and_then(|line| u64::from_str_radix(&line[..16], 16).ok());
    let capture = crate::event::Capture {
        kernel: vec![address.unwrap_or(1) + 4],
        ..Default::default()
    };
    let stack = symbolizer.stack(std::process::id(), 0, b"", &capture);
    let frame = &stack.kernel[0];
    if address.is_some_and(|address| address != 0) {
        assert_eq!(frame.name(), "inet_hash_connect+0x4 ([kernel.kallsyms])");
    } else {
        assert_eq!(frame.function, None);
        assert!(
            stack
                .notes
                .iter()
                .any(|note| note.contains("kptr_restrict"))
        );
    }
}
