use std::{borrow::Cow, fs, io, path::Path, time::Duration};

use proptest::prelude::*;

use super::super::samples::{Memory, events, header, inputs, record, replay, told, writer};
use super::super::{Ended, Reader, Room, Writer};
use crate::input::Input;

const AMPLE: u64 = 1 << 30;

fn with_end(mut inputs: Vec<Input<'static>>) -> Vec<Input<'static>> {
    inputs.push(Input::Snapshot(Duration::from_secs(111)));
    inputs
}

#[test]
fn what_was_taken_in_comes_out_again() {
    for flush in [false, true] {
        let (bytes, summary) = record(&inputs(20), AMPLE, flush);
        assert_eq!(summary.bytes, bytes.len() as u64);
        assert_eq!(summary.events, 100);
        assert_eq!(summary.room, Room::Left);
        let (read, ended) = replay(bytes).expect("whole");
        assert_eq!(told(&read), told(&with_end(inputs(20))));
        assert_eq!(ended, Ended::Complete);
    }
}

#[test]
fn large_inputs_are_split_and_nothing_is_lost() {
    let all = events(2_000);
    let input = Input::Events(Cow::Borrowed(&all));
    let (bytes, summary) = record(&[input.clone(), input], AMPLE, false);
    assert!(bytes.len() as u64 > 2 * 65_536, "more than a block");
    assert_eq!(summary.events, 20_000);
    let (read, _) = replay(bytes).expect("whole");
    let again: Vec<_> = read
        .iter()
        .filter_map(|input| match input {
            Input::Events(events) => Some(events.iter()),
            _ => None,
        })
        .flatten()
        .collect();
    let twice: Vec<_> = all.iter().chain(&all).collect();
    assert!(again == twice);
}

#[test]
fn a_recording_that_was_killed_has_all_up_to_the_last_flush() {
    let (mut writer, memory) = writer(AMPLE);
    let inputs = inputs(3);
    for input in &inputs {
        writer.write(input).expect("memory");
    }
    writer.flush().expect("memory");
    let bytes = memory.bytes();
    writer.write(&inputs[0]).expect("memory");
    drop(writer);
    assert_eq!(memory.bytes(), bytes, "nothing is half written");
    let at_byte = bytes.len() as u64;
    let (read, ended) = replay(bytes).expect("a header");
    assert_eq!(told(&read), told(&inputs));
    assert_eq!(ended, Ended::Cut { at_byte });
}

/// Compresses badly, as the worst case does.
fn noise(seed: u64, count: usize) -> Vec<crate::event::Event> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut noise = events(1 + count as u64 / 5);
    noise.truncate(count);
    for event in &mut noise {
        event.socket = next();
        event.owner.cgroup = next();
        event.owner.comm = (&next().to_le_bytes().map(|byte| byte | 1)).into();
        event.owner.start = (next() >> 32) as u32;
        event.owner.pid = (next() >> 32) as u32;
    }
    noise
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn it_is_never_longer_than_it_may_be_and_always_whole(
        most in 500_u64..200_000,
        batches in proptest::collection::vec((any::<u64>(), 1_usize..600, any::<bool>()), 1..12),
    ) {
        let (mut writer, memory) = writer(most);
        let mut written = 0;
        let mut full = false;
        for (seed, count, flush) in batches {
            let batch = noise(seed, count);
            match writer.write(&Input::Events(Cow::Borrowed(&batch))).expect("memory") {
                Room::Left => {
                    prop_assert!(!full, "room comes back");
                    written += count;
                }
                Room::Full => full = true,
            }
            if flush {
                writer.flush().expect("memory");
            }
            prop_assert!(memory.bytes().len() as u64 <= most);
        }
        let summary = writer.finish(Duration::from_secs(1_000)).expect("memory");
        let bytes = memory.bytes();
        prop_assert_eq!(summary.bytes, bytes.len() as u64);
        prop_assert!(summary.bytes <= most, "{} of {}", summary.bytes, most);
        prop_assert_eq!(summary.room == Room::Full, full);
        let (read, ended) = replay(bytes).expect("whole");
        prop_assert_eq!(ended, Ended::Complete);
        let count: usize = read.iter().map(|input| match input {
            Input::Events(events) => events.len(),
            _ => 0,
        }).sum();
        prop_assert!(count >= written, "all that it had room for, and of the last batch a part");
        prop_assert_eq!(summary.events, count as u64);
        // It does not claim to know what it had no room for.
        let shown = read.last().and_then(Input::time);
        prop_assert_eq!(shown == Some(Duration::from_secs(1_000)), !full);
    }
}

#[test]
fn a_size_without_room_for_a_header_is_refused() {
    let out = Box::new(Memory::default());
    assert!(Writer::start(out, "memory".into(), &header(), 100).is_err());
}

/// Takes so many bytes.
struct Disk(usize);

impl io::Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_told_with_the_name_of_the_file_and_nothing_more_is_tried() {
    let mut writer =
        Writer::start(Box::new(Disk(1_000)), "disk".into(), &header(), AMPLE).expect("room");
    let input = &inputs(2_000)[5];
    let error = writer.write(input).expect_err("full");
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert!(error.to_string().contains("disk"), "{error}");
    assert!(writer.flush().is_err());
    assert!(writer.finish(Duration::ZERO).is_err());
}

fn create(path: &Path, force: bool) -> anyhow::Result<Writer> {
    Writer::create(path, &header(), AMPLE, force)
}

#[test]
fn one_that_is_full_ends_with_the_last_event_that_it_has() {
    let batch = noise(7, 2_000);
    let (mut writer, memory) = writer(60_000);
    let room = writer.write(&Input::Events(Cow::Borrowed(&batch)));
    assert_eq!(room.expect("memory"), Room::Full);
    let summary = writer.finish(Duration::from_secs(1_000)).expect("memory");
    let (read, _) = replay(memory.bytes()).expect("whole");
    let mut events = read
        .iter()
        .rev()
        .filter(|input| matches!(input, Input::Events(_)));
    let last = events.next().and_then(Input::time);
    assert_eq!(read.last().and_then(Input::time), last);
    assert_eq!(Some(summary.at), last);
    assert!(summary.events > 0);
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).expect("there").permissions().mode() & 0o777
}

/// An empty directory for a test.
fn directory(name: &str) -> std::path::PathBuf {
    let directory = std::env::temp_dir().join(format!("portex-{name}-{}", std::process::id()));
    let _leftover = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).expect("a directory");
    directory
}

#[test]
fn only_a_regular_file_is_replaced_and_only_when_told_to() {
    let directory = directory("record");
    let file = directory.join("file");
    drop(create(&file, true).expect("a new one"));
    assert_eq!(mode(&file), 0o600);
    let error = create(&file, false).err().expect("it exists").to_string();
    assert!(error.contains("--force"), "{error}");
    fs::write(&file, [b'x'; 10_000]).expect("written");
    drop(create(&file, true).expect("replaced"));
    assert!(fs::metadata(&file).expect("there").len() < 10_000);
    let link = directory.join("link");
    std::os::unix::fs::symlink(&file, &link).expect("a link");
    assert!(create(&link, true).is_err(), "through a link");
    assert!(create(&directory, true).is_err(), "a directory");
    fs::remove_dir_all(&directory).expect("removed");
}

#[test]
fn a_recording_is_never_written_into_what_others_can_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = directory("replaced");
    let (file, other) = (directory.join("file"), directory.join("other"));
    fs::write(&file, "readable").expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).expect("changed");
    fs::hard_link(&file, &other).expect("a second link");
    drop(create(&file, true).expect("replaced"));
    assert_eq!(mode(&file), 0o600);
    assert_eq!(fs::read(&other).expect("there"), b"readable");
    assert!(Reader::open(&file).is_ok());
    let names = fs::read_dir(&directory).expect("there").count();
    assert_eq!(names, 2, "nothing is left beside them");
    fs::remove_dir_all(&directory).expect("removed");
}
