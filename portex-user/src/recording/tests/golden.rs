//! Recordings of each version of the format stay readable. To make that of a new version:
//! `PORTEX_GOLDEN=write cargo test -p portex golden`.

use std::{fs, path::PathBuf, time::Duration};

use super::super::samples::{header, inputs, record, replay, told};
use super::super::{Ended, Reader, VERSION};
use crate::input::Input;

fn path(version: u16) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join(format!("src/recording/testdata/version{version}.portex"))
}

#[test]
#[cfg_attr(target_endian = "big", ignore = "the committed one is little-endian")]
fn the_first_version_stays_readable() {
    let path = path(1);
    if VERSION == 1 && std::env::var_os("PORTEX_GOLDEN").is_some() {
        fs::write(&path, record(&inputs(2), 1 << 20, true).0).expect("written");
    }
    let reader = Reader::open(&path).expect("a header");
    assert_eq!(*reader.header(), header());
    let (read, ended) = replay(fs::read(&path).expect("there")).expect("whole");
    let mut expected = inputs(2);
    expected.push(Input::Snapshot(Duration::from_secs(111)));
    assert_eq!(told(&read), told(&expected));
    assert_eq!(ended, Ended::Complete);
}
