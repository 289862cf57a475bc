//! Recordings of each version of the format stay readable. That of a new version is made when it is
//! missing; those that are there are never written again.

use std::{fs, path::PathBuf, time::Duration};

use super::super::samples::{header, inputs, record, replay, told, variants};
use super::super::{Ended, Reader, VERSION};
use crate::input::Input;

fn path(version: u16) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join(format!("src/recording/testdata/version{version}.portex"))
}

/// What is in it. Of another version, what that could say.
fn content() -> Vec<Input<'static>> {
    let mut content = inputs(2);
    content.extend(variants());
    content
}

#[test]
#[cfg_attr(target_endian = "big", ignore = "the committed one is little-endian")]
fn the_first_published_version_stays_readable() {
    let path = path(2);
    if VERSION == 2 && !path.exists() {
        fs::write(&path, record(&content(), 1 << 20, true).0).expect("written");
        panic!("{} was missing and is made: keep it", path.display());
    }
    let reader = Reader::open(&path).expect("a header");
    assert_eq!(*reader.header(), header());
    let (read, ended) = replay(fs::read(&path).expect("there")).expect("whole");
    let mut expected = content();
    expected.push(Input::Snapshot(Duration::from_secs(111)));
    assert_eq!(told(&read), told(&expected));
    assert_eq!(ended, Ended::Complete);
}
