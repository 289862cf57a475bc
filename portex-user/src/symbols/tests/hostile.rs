//! What was made up: nothing of it may end portex, or keep it busy.

use std::{fs, os::unix::fs::FileExt as _, process::Command};

use proptest::prelude::*;

use super::program::{Directory, Running, compile};
use crate::{
    event::{BuildId, Capture},
    symbols::{
        MOST_FRAMES, Symbolizer, elf::Elf, names::Names, process::of_host, unwinder::Unwinder,
    },
};

fn captures() -> impl Strategy<Value = Capture> {
    let address = || {
        prop_oneof![
            any::<u64>(),
            0..64_u64,
            0x7fff_0000_0000..0x7fff_0000_0100_u64
        ]
    };
    let addresses = || proptest::collection::vec(address(), 0..200);
    let id = (any::<Option<[u8; 20]>>(), address()).prop_map(|(id, offset)| BuildId { id, offset });
    let registers = (address(), address(), address());
    let stack = proptest::collection::vec(any::<u8>(), 0..300);
    let build_ids = proptest::collection::vec(id, 0..9);
    (registers, addresses(), addresses(), stack, build_ids).prop_map(
        |((ip, sp, bp), user, kernel, stack, build_ids)| Capture {
            fd: None,
            ip,
            sp,
            bp,
            user,
            kernel,
            stack,
            build_ids,
        },
    )
}

proptest! {
    // Each reads the kernel's names.
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn any_capture_has_a_stack(captures in proptest::collection::vec((captures(), 0..3_u32), 1..40)) {
        let mut symbolizer = Symbolizer::new();
        for (capture, process) in captures {
            // One that lives and two that do not.
            let pid = [std::process::id(), u32::MAX, 0][process as usize];
            let stack = symbolizer.stack(pid, 0, b"../x", &capture);
            prop_assert!(stack.kernel.len() <= MOST_FRAMES);
            let addresses = stack.user.iter().filter(|frame| !frame.inlined);
            prop_assert!(addresses.count() <= MOST_FRAMES);
            for frame in stack.user.iter().chain(&stack.kernel) {
                frame.name();
            }
        }
    }
}

/// A stack whose every word is a return address, or leads back, ends.
#[test]
fn stacks_that_lead_in_circles_end() {
    let directory = Directory::new();
    let Some(program) = compile(&directory, "program", &[]) else {
        return;
    };
    let running = Running::new(&program);
    let mut symbolizer = Symbolizer::new();
    let capture = running.captures[2].clone();
    let stack = symbolizer.stack(running.pid(), 0, b"", &capture);
    for word in stack
        .user
        .iter()
        .map(|frame| frame.address)
        .chain([capture.sp, capture.sp + 8])
    {
        let made_up = Capture {
            stack: word.to_le_bytes().repeat(1_024),
            user: vec![word; 500],
            ..capture.clone()
        };
        let stack = symbolizer.stack(running.pid(), 0, b"", &made_up);
        assert!(stack.user.len() <= 2 * MOST_FRAMES);
    }
}

/// Bytes of an executable changed at random: whatever is found of it, it is found without harm.
#[test]
fn executables_that_were_tampered_with_are_read() {
    let directory = Directory::new();
    let Some(program) = compile(&directory, "program", &["-g", "-gz"]) else {
        return;
    };
    let good = fs::read(&program).expect("readable");
    let elf = Elf::read(&of_host(&program).expect("readable")).expect("an ELF file");
    let address = elf.executable().next().expect("has code").0.start;
    // A generator of its own: what fails is found again.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 16).expect("64 bits") % below
    };
    for round in 0..150 {
        let mut bad = good.clone();
        for _ in 0..=round % 20 {
            // Half of it in the headers.
            let whole = bad.len();
            let headers = [64, 1_024, whole][random(3)];
            let at = if random(4) == 0 {
                whole - 1 - random(2_000)
            } else {
                random(headers)
            };
            bad[at] = [0, 0xff, 0x7f, 1, 0x80][random(5)];
        }
        let path = directory.0.join("bad");
        fs::write(&path, &bad).expect("has room");
        let file = of_host(&path).expect("readable");
        let Some(elf) = Elf::read(&file) else {
            continue;
        };
        let mut names = Names::new(&file, &elf);
        for step in 0..40 {
            names.at(address + step * 53);
        }
        if let Some(mut unwinder) = Unwinder::new(&file, &elf) {
            for step in 0..40 {
                let mut registers = framehop::x86_64::UnwindRegsX86_64::new(address, step, step);
                let mut read = |at: u64| Ok(at ^ 0x55);
                unwinder.step(
                    address + step * 53,
                    step % 2 == 0,
                    &mut registers,
                    &mut read,
                );
            }
        }
    }
}

/// What a file says of its sizes costs nothing before it is there.
#[test]
fn sizes_that_are_lies_cost_nothing() {
    let directory = Directory::new();
    let path = directory.0.join("large");
    let file = fs::File::create(&path).expect("may be made");
    file.set_len(1 << 40).expect("sparse");
    let mut header = *b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0\
        \0\0\0\0\0\0\0\0\x40\0\0\0\0\0\0\0\x40\0\0\0\0\0\0\0\0\0\0\0\x40\0\x38\0\xff\xff\x40\0\xff\xfe\0\0";
    file.write_all_at(&header, 0).expect("has room");
    assert!(Elf::read(&of_host(&path).expect("readable")).is_none());
    header[56] = 1;
    header[57] = 0;
    file.write_all_at(&header, 0).expect("has room");
    let elf = Elf::read(&of_host(&path).expect("readable")).expect("has a segment");
    assert!(elf.sections.is_empty());
}

/// A perf map that is a FIFO, or leads elsewhere, is none.
#[test]
fn a_fifo_is_not_waited_for() {
    let directory = Directory::new();
    let path = directory.0.join("fifo");
    let made = Command::new("mkfifo").arg(&path).status();
    if !made.is_ok_and(|made| made.success()) {
        eprintln!("skipped: no mkfifo");
        return;
    }
    assert!(of_host(&path).is_err());
}
