//! What the kernel tells of this process's maps in `/proc/self/fdinfo` (`bpf_map_show_fdinfo`).

use std::{collections::BTreeMap, fs};

/// A map's id, and the memory that the kernel counts for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Map {
    id: u32,
    bytes: u64,
}

/// Memory of all maps that this process has open, in bytes; `None` where that cannot be read.
pub(super) fn map_bytes() -> Option<u64> {
    let files = fs::read_dir("/proc/self/fdinfo").ok()?;
    // One that is closed meanwhile is none.
    let texts = files.filter_map(|file| fs::read_to_string(file.ok()?.path()).ok());
    let maps: BTreeMap<u32, u64> = texts
        .filter_map(|text| map(&text))
        .map(|map| (map.id, map.bytes))
        .collect();
    (!maps.is_empty()).then(|| maps.values().sum())
}

/// Of a map; of another file `None`. A program has `memlock` too, but no id of a map.
fn map(fdinfo: &str) -> Option<Map> {
    let value = |name: &str| {
        let line = |line: &str| {
            Some(
                line.strip_prefix(name)?
                    .strip_prefix(':')?
                    .trim()
                    .to_owned(),
            )
        };
        fdinfo.lines().find_map(line)
    };
    Some(Map {
        id: value("map_id")?.parse().ok()?,
        bytes: value("memlock")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_told_from_other_files() {
        let text = "pos:\t0\nflags:\t02000002\nmnt_id:\t16\nino:\t2061\nmap_type:\t1\nkey_size:\t8\nvalue_size:\t104\n\
                    max_entries:\t262144\nmap_flags:\t0x0\nmap_extra:\t0x0\nmemlock:\t48235520\nmap_id:\t41\nfrozen:\t0\n";
        let expected = Map {
            id: 41,
            bytes: 48_235_520,
        };
        assert_eq!(map(text), Some(expected));
        let program = "pos:\t0\nprog_type:\t17\nprog_jited:\t1\nmemlock:\t4096\nprog_id:\t12\nrun_time_ns:\t0\n";
        assert_eq!(map(program), None);
        assert_eq!(map("pos:\t0\nflags:\t02\n"), None);
        assert_eq!(map("memlock:\tmany\nmap_id:\t41\n"), None);
    }
}
