//! What was made up: nothing of it may end portex, or keep it busy.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::FileExt as _,
    path::PathBuf,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use proptest::prelude::*;

use super::program::{Directory, Running, compile};
use crate::{
    event::{BuildId, Capture},
    symbols::{
        MOST_FRAMES, Symbolizer,
        elf::{Elf, SHF_COMPRESSED},
        files::Files,
        image::{self, Image},
        maps::{self, FileId, MOST_MAPPINGS},
        names::Names,
        process::of_host,
        recent::Recent,
        unwinder::Unwinder,
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
    // Few sections, of which each is said to be long: up to 268 MB that no disk has.
    header[60] = 0;
    header[61] = 16;
    header[58..60].copy_from_slice(&[0xff, 0xff]);
    file.write_all_at(&header, 0).expect("has room");
    let elf = Elf::read(&of_host(&path).expect("readable")).expect("has a segment");
    assert!(elf.sections.is_empty());
    header[54..56].copy_from_slice(&[0xff, 0xff]);
    file.write_all_at(&header, 0).expect("has room");
    assert!(Elf::read(&of_host(&path).expect("readable")).is_none());
}

/// Rows of tables have the length that they have; sections that are of no use are not held.
#[test]
fn tables_are_as_the_format_has_them() {
    let directory = Directory::new();
    let sections = |elf: &[u8]| {
        let path = directory.0.join("elf");
        fs::write(&path, elf).expect("has room");
        let elf = Elf::read(&of_host(&path).expect("readable")).expect("an ELF file");
        elf.sections.len()
    };
    let mut elf = with_unwind_information(&common(0), 0);
    // Of three, one is of use.
    assert_eq!(sections(&elf), 1);
    // More room between them.
    elf.extend([0; 1_000]);
    elf[58] = 72;
    assert_eq!(sections(&elf), 0);
}

/// A CIE that does nothing, as often as said.
fn common(nothing: usize) -> Vec<u8> {
    let start = [0, 0, 0, 0, 1, b'z', b'R', 0, 1, 0x78, 16, 1, 0x1b];
    let length = u32::try_from(start.len() + nothing).expect("short");
    let mut section = length.to_le_bytes().to_vec();
    section.extend(start);
    section.resize(section.len() + nothing, 0);
    section
}

/// An ELF file with nothing but this in `.eh_frame`.
fn with_unwind_information(content: &[u8], flags: u64) -> Vec<u8> {
    const NAMES: &[u8] = b"\0.eh_frame\0.shstrtab\0";
    let size = u64::try_from(content.len()).expect("64 bits");
    let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0".to_vec();
    let sections = 64 + 56_u64;
    for number in [0, 64, sections] {
        elf.extend(number.to_le_bytes());
    }
    elf.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 3, 0, 2, 0]);
    // PT_LOAD, executable.
    elf.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    for number in [0, 0, 0, 4_096, 4_096, 4_096_u64] {
        elf.extend(number.to_le_bytes());
    }
    let at = sections + 3 * 64;
    elf.extend([0; 64]);
    let names = u64::try_from(NAMES.len()).expect("64 bits");
    for (name, kind, flags, at, size) in [
        (1_u32, 1_u32, flags, at + names, size),
        (11, 3, 0, at, names),
    ] {
        elf.extend(name.to_le_bytes());
        elf.extend(kind.to_le_bytes());
        for number in [flags, 0x2000, at, size, 0, 8, 0] {
            elf.extend(number.to_le_bytes());
        }
    }
    elf.extend(NAMES);
    elf.extend(content);
    elf
}

fn compressed(content: &[u8]) -> Vec<u8> {
    let mut section = [1_u64, content.len() as u64, 8]
        .map(u64::to_le_bytes)
        .concat();
    let mut encoder = flate2::write::ZlibEncoder::new(&mut section, flate2::Compression::fast());
    encoder.write_all(content).expect("has room");
    encoder.finish().expect("has room");
    section
}

/// Files of some kilobytes do not make portex hold what they could be.
#[test]
fn unwind_information_is_held_as_far_as_it_counts() {
    let directory = Directory::new();
    let size = |content: &[u8], flags| {
        let path = directory.0.join("file");
        fs::write(&path, with_unwind_information(content, flags)).expect("has room");
        let file = of_host(&path).expect("readable");
        let elf = Elf::read(&file).expect("an ELF file");
        Unwinder::new(&file, &elf).map(|unwinder| unwinder.size)
    };
    let least = size(&common(0), 0).expect("sound");
    let mut with_zeros = common(0);
    with_zeros.resize(1 << 20, 0);
    assert_eq!(size(&with_zeros, 0), Some(least));
    assert_eq!(size(&compressed(&with_zeros), SHF_COMPRESSED), Some(least));
    let more = size(&compressed(&common(1 << 20)), SHF_COMPRESSED);
    assert!(more.is_some_and(|more| more >= 1 << 20), "{more:?}");
    let most = compressed(&common(16 << 20));
    assert!(most.len() < 1 << 18);
    assert_eq!(size(&most, SHF_COMPRESSED), None);
}

#[test]
fn all_unwind_information_together_is_bounded() {
    const MOST: u64 = 1 << 20;
    let directory = Directory::new();
    let mut files = Files::with_most_unwind(MOST);
    let mut insert = |inode, size| {
        let id = FileId { device: 1, inode };
        let path = PathBuf::from(format!("{}/{inode}", directory.0.display()));
        fs::write(&path, with_unwind_information(&common(size), 0)).expect("has room");
        let path: Arc<str> = Arc::from(path.to_string_lossy());
        files.insert(id, of_host(&*path).expect("readable"), path);
        let has = files.unwinder(id).is_some();
        let sum = files.unwind_size();
        assert!(sum <= MOST, "{sum} bytes after file {inode}");
        has
    };
    assert!(insert(0, 100));
    for inode in 1..40 {
        // Each larger than the one before: those from some on have no room.
        let size = 200_000 + 1_000 * usize::try_from(inode).expect("64 bits");
        let has = insert(inode, size);
        assert!(has || inode > 3, "{inode}");
    }
    assert!(!insert(40, 2 << 20));
    let id = |inode| FileId { device: 1, inode };
    assert!(files.unwinder(id(0)).is_some(), "the small one stays");
    assert!(files.unwind_size() > MOST / 2, "not all is given up");
    let held = files.get(id(40)).expect("is held");
    assert!(held.gave_up());
    assert!(files.unwinder(id(40)).is_none(), "not read again at once");
}

/// Lines of executable mappings of as many files.
fn lines(count: usize, name: &str) -> String {
    let line = |number: usize| {
        let start = 0x1000 + number * 0x2000;
        format!(
            "{start:x}-{:x} r-xp 0 1:1 {} /{name}",
            start + 0x1000,
            number + 1
        )
    };
    (0..count).map(|number| line(number) + "\n").collect()
}

#[test]
fn mappings_of_a_process_are_bounded_and_share_their_paths() {
    let maps = maps::parse(lines(20_000, "app").as_bytes());
    assert_eq!(maps.len(), MOST_MAPPINGS);
    assert!(maps.iter().all(|it| Arc::ptr_eq(&it.path, &maps[0].path)));
    assert_eq!(
        maps::size(&maps),
        (size_of_val(maps.as_slice()) + 16 + "/app".len()) as u64
    );
    // Paths of which each is another one, and grows as it is no UTF-8.
    let mut text = Vec::new();
    for (number, line) in lines(5_000, "").lines().enumerate() {
        text.extend(line.as_bytes());
        text.extend([0xff; 1_000]);
        text.extend(format!("{number}\n").as_bytes());
    }
    let maps = maps::parse(&text);
    assert_eq!(maps.len(), 5_000);
    assert!(maps[0].path.len() > 3_000);
    assert_eq!(&*maps[4_999].path, "");
    assert!(maps::size(&maps) < 5 << 20);
}

#[test]
fn mappings_of_all_processes_together_are_bounded() {
    let now = Instant::now();
    let small = maps::parse(lines(10, "small").as_bytes());
    let large = maps::parse(lines(1_000, "large").as_bytes());
    let most = 5 * maps::size(&large);
    let mut images = Recent::new(100);
    let image = |maps: &[maps::Mapping]| {
        let mut image = Image::unknown(b"", Arc::from("nothing"), now);
        image.add(maps.iter().cloned());
        image
    };
    images.insert(0, image(&small));
    for process in 1..20 {
        images.insert(process, image(&large));
        image::shed(&mut images, most);
        let all = images.iter_mut();
        let sum: u64 = all.map(|(_, image)| maps::size(&image.maps)).sum();
        assert!(sum <= most, "{sum} bytes after {process}");
    }
    let of_small = images.get(&0).expect("is there");
    assert_eq!(of_small.maps, small);
    let mut all = images.iter_mut();
    let (_, shed) = all.find(|(_, image)| image.maps.is_empty()).expect("some");
    let why = shed.gone.as_deref().expect("is told");
    assert!(why.contains("given up"), "{why}");
    assert!(shed.may_be_read(now + Duration::from_secs(1)));
}

/// An exec is told from a change of mappings.
#[test]
fn another_program_is_told_from_more_code() {
    let now = Instant::now();
    let image = |text: &str| {
        let mut image = Image::unknown(b"", Arc::from(""), now);
        image.add(maps::parse(text.as_bytes()));
        image
    };
    let text = lines(3, "app");
    let changes = [
        (text.clone(), image::Change::None),
        (lines(4, "app"), image::Change::Some),
        (text.replace("1:1", "1:2"), image::Change::All),
    ];
    for (new, expected) in changes {
        let new = image(&new);
        assert_eq!(image(&text).renew(Ok(new), b"", now), expected);
    }
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
