use std::time::Duration;

use proptest::prelude::*;

use super::super::samples::{inputs, reader, record, replay, told};
use super::super::{Ended, ReadError, header::FRAME_HEAD};

fn whole() -> Vec<u8> {
    record(&inputs(4), 1 << 20, true).0
}

fn opened(bytes: &[u8]) -> ReadError {
    replay(bytes.to_vec()).expect_err("not a recording")
}

#[test]
fn the_frame_begins_as_the_reader_expects() {
    assert_eq!(whole()[12..19], FRAME_HEAD);
}

#[test]
fn where_it_was_made_is_read_again() {
    let mut reader = reader(whole()).expect("a header");
    assert_eq!(*reader.header(), super::super::samples::header());
    assert_eq!(reader.header().started(), Duration::from_secs(99));
    while reader.next().expect("whole").is_some() {}
    assert_eq!(reader.elapsed(), Duration::from_secs(12));
    assert_eq!(reader.complaint(), None);
    assert!(reader.next().expect("still over").is_none());
}

#[test]
fn other_files_are_told_apart() {
    assert!(matches!(opened(b""), ReadError::Empty(_)));
    assert!(matches!(opened(b"{\"time\":1}\n"), ReadError::Foreign(_)));
    assert!(matches!(opened(&[0; 4_096]), ReadError::Foreign(_)));
    let mut newer = whole();
    newer[8] = 3;
    assert!(matches!(
        opened(&newer),
        ReadError::Version { found: 3, .. }
    ));
    assert!(opened(&newer).to_string().ends_with("a newer portex"));
    newer[8] = 1;
    assert!(opened(&newer).to_string().ends_with("that made it"));
    let mut swapped = whole();
    swapped[10] ^= b'l' ^ b'b';
    assert!(matches!(opened(&swapped), ReadError::ByteOrder(_)));
    let mut otherwise = whole();
    otherwise[16] ^= 1;
    assert!(matches!(opened(&otherwise), ReadError::Damaged { .. }));
}

#[test]
fn cut_anywhere_it_is_read_up_to_there() {
    let bytes = whole();
    let all = told(&replay(bytes.clone()).expect("whole").0);
    let mut most = 0;
    for length in 0..bytes.len() {
        match replay(bytes[..length].to_vec()) {
            Ok((inputs, Ended::Cut { at_byte })) => {
                assert_eq!(at_byte, length as u64);
                let read = told(&inputs);
                assert!(all.starts_with(&read), "{length}: something else");
                assert!(read.len() >= most, "{length}: less than before");
                most = read.len();
            }
            // Only the frame's end is missing.
            Ok((inputs, Ended::Complete)) => {
                assert!(length + 4 >= bytes.len(), "{length}");
                most = inputs.len();
            }
            Err(ReadError::Empty(_)) => assert_eq!(most, 0, "{length}"),
            Err(error) => panic!("{length}: {error}"),
        }
    }
    assert_eq!(most, all.len());
}

#[test]
fn what_stands_behind_the_frame_s_end_is_damage() {
    // Without the end mark, a frame that ends early and goes on.
    let (_, memory) = super::super::samples::writer(1 << 20);
    let mut bytes = memory.bytes();
    bytes.extend([0; 4]);
    assert!(matches!(replay(bytes.clone()), Ok((_, Ended::Cut { .. }))));
    bytes.extend(b"more");
    assert!(matches!(opened(&bytes), ReadError::Damaged { .. }));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_flipped_bit_does_no_harm(at in 0_usize..100_000, bit in 0_u8..8) {
        let mut bytes = whole();
        let all = told(&replay(bytes.clone()).expect("whole").0);
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        let Ok(mut reader) = reader(bytes) else {
            return Ok(());
        };
        let mut read = Vec::new();
        while let Ok(Some(input)) = reader.next() {
            read.push(input);
        }
        let read = told(&read);
        // What came before it is as it was.
        prop_assert!(all.starts_with(&read), "{} of {}", read.len(), all.len());
    }

    #[test]
    fn any_bytes_behind_a_prefix_end_in_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let mut file = whole()[..19].to_vec();
        file.extend(bytes);
        let _answer = replay(file);
    }

    #[test]
    fn any_entries_end_in_an_answer(
        entries in proptest::collection::vec((0_u8..12, proptest::collection::vec(any::<u8>(), 0..300), any::<bool>()), 1..20),
    ) {
        use std::io::Write as _;
        use super::super::header::{frame, prefix};
        let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(frame(), Vec::new());
        let mut put = |kind: u8, length: u32, bytes: &[u8]| {
            encoder.write_all(&[kind]).expect("memory");
            encoder.write_all(&length.to_le_bytes()).expect("memory");
            encoder.write_all(bytes).expect("memory");
        };
        let header = postcard::to_stdvec(&super::super::samples::header()).expect("a header");
        put(1, u32::try_from(header.len()).expect("small"), &header);
        for (kind, bytes, honest) in entries {
            let length = u32::try_from(bytes.len()).expect("small");
            put(kind, if honest { length } else { length ^ 0x00ff_ffff }, &bytes);
        }
        let mut file = prefix().to_vec();
        file.extend(encoder.finish().expect("memory"));
        let _answer = replay(file);
    }
}

#[test]
fn a_time_beyond_all_bounds_is_damage() {
    use crate::input::Input;
    for at in [(1 << 60) + 1, u64::MAX] {
        let input = Input::Watch(Duration::from_nanos(at));
        let (bytes, _) = record(&[input], 1 << 20, false);
        assert!(matches!(opened(&bytes), ReadError::Damaged { .. }), "{at}");
    }
}

#[test]
fn an_entry_beyond_all_bounds_is_refused_before_it_is_read() {
    use super::super::header::{frame, prefix};
    use std::io::Write as _;
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(frame(), Vec::new());
    encoder
        .write_all(&[1, 0xff, 0xff, 0xff, 0xff])
        .expect("memory");
    let mut file = prefix().to_vec();
    file.extend(encoder.finish().expect("memory"));
    assert!(matches!(opened(&file), ReadError::Damaged { .. }));
}

#[test]
fn values_beyond_all_bounds_are_damage() {
    use crate::{
        event::{Kind, Release, samples},
        found::Found,
        input::Input,
    };
    let far = Duration::from_nanos((1 << 60) + 1);
    let event = |kind| {
        let event = crate::event::Event {
            kind,
            ..samples::connect()
        };
        Input::Events(vec![event].into())
    };
    let released = |held, time_wait| Kind::Released {
        held,
        time_wait,
        reason: Release::Expired,
    };
    let mut named = inputs(0);
    let long = "x".repeat(4_097);
    let namespace = named.iter_mut().find_map(|input| match input {
        Input::Found(found) => found.to_mut().iter_mut().find_map(|found| match found {
            Found::Namespace(namespace) => Some(namespace),
            _ => None,
        }),
        _ => None,
    });
    namespace.expect("one").name = Some(long.as_str().into());
    let one = |input| vec![input];
    for inputs in [
        one(event(released(far, None))),
        one(event(released(Duration::ZERO, Some(far)))),
        one(event(Kind::Connect {
            bound: false,
            by_number: false,
            search: Some(far),
            restrictions: crate::event::Restrictions::default(),
        })),
        one(Input::Cgroup {
            id: 1,
            path: Some(long.as_str().into()),
        }),
        named,
    ] {
        let (bytes, _) = record(&inputs, 1 << 20, false);
        assert!(
            matches!(opened(&bytes), ReadError::Damaged { .. }),
            "{inputs:?}"
        );
    }
}

#[test]
fn a_scan_finds_no_more_namespaces_than_there_can_be() {
    use crate::{found::Found, input::Input};
    let namespace = inputs(0).into_iter().find_map(|input| match input {
        Input::Found(found) => found
            .iter()
            .find(|found| matches!(found, Found::Namespace(_)))
            .cloned(),
        _ => None,
    });
    let many: Vec<Found> = vec![namespace.expect("one"); 9_000];
    let begins = || Input::ScanBegins(Duration::from_secs(100));
    let found = || Input::Found(many.clone().into());
    let (two_scans, _) = record(&[begins(), found(), begins(), found()], 1 << 30, false);
    assert!(replay(two_scans).is_ok());
    let (one_scan, _) = record(&[begins(), found(), found()], 1 << 30, false);
    assert!(matches!(opened(&one_scan), ReadError::Damaged { .. }));
}
