//! Names of TCP ports, from `/etc/services` (services(5)).

use std::{
    fs::File,
    io::{self, Read as _},
};

use rustc_hash::FxHashMap;

/// What is read of the file, in bytes: Debian's has 13 KiB, all that IANA knows has less than 1 MiB.
const MOST: u64 = 1 << 20;
/// Longest name: the longest of IANA's have 15 characters (RFC 6335, 5.1).
const LONGEST: usize = 32;

/// The names of TCP ports by number, the first of several; none where the file is missing. Printable
/// ASCII of at most 32 characters.
pub fn read() -> FxHashMap<u16, Box<str>> {
    parse(&beginning("/etc/services").unwrap_or_default())
}

fn beginning(path: &str) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(MOST).read_to_end(&mut text)?;
    Ok(text)
}

/// Lines such as `https 443/tcp alias # comment`.
fn parse(text: &[u8]) -> FxHashMap<u16, Box<str>> {
    let mut names = FxHashMap::default();
    for line in text.split(|&byte| byte == b'\n') {
        if let Some((port, name)) = service(line) {
            names.entry(port).or_insert_with(|| name.into());
        }
    }
    names
}

fn service(line: &[u8]) -> Option<(u16, &str)> {
    let line = line.split(|&byte| byte == b'#').next()?;
    let mut fields = line
        .split(u8::is_ascii_whitespace)
        .filter(|field| !field.is_empty());
    let name = fields.next()?;
    let port = str::from_utf8(fields.next()?).ok()?.strip_suffix("/tcp")?;
    let fits = name.len() <= LONGEST && name.iter().all(u8::is_ascii_graphic);
    let name = str::from_utf8(name).ok().filter(|_| fits)?;
    Some((port.parse().ok()?, name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tcp_services_are_read() {
        let text = b"# comment\n\nssh\t22/tcp\t# SSH\ndomain 53/udp\ndomain  53/tcp\n\
            http 80/tcp www # web\nother 80/tcp\n#no 1/tcp\n odd 7/tcp\nlast 9/tcp";
        let names = parse(text);
        let name = |port| names.get(&port).map(AsRef::as_ref);
        assert_eq!(name(22), Some("ssh"));
        assert_eq!(name(53), Some("domain"));
        assert_eq!(name(80), Some("http"));
        assert_eq!(name(7), Some("odd"));
        assert_eq!(name(9), Some("last"));
        assert_eq!(names.len(), 5);
    }

    #[test]
    fn what_is_no_service_is_left_out() {
        let long = format!("{} 1/tcp\n", "x".repeat(33));
        for text in [
            "x",
            "x 1",
            "x 1/udp",
            "x 65536/tcp",
            "x -1/tcp",
            "x a/tcp",
            "x /tcp",
            "\u{1b}[2J 1/tcp",
            "caf\u{e9} 1/tcp",
            &long,
        ] {
            assert!(parse(text.as_bytes()).is_empty(), "{text:?}");
        }
        assert!(parse(b"\xff 1/tcp").is_empty());
    }

    #[test]
    fn without_the_file_there_are_none() {
        assert!(beginning("/nonexistent/services").is_err());
        assert!(parse(&[]).is_empty());
    }

    #[test]
    fn a_file_without_end_is_read_to_the_most() {
        let zeros = beginning("/dev/zero").expect("readable");
        assert_eq!(zeros.len() as u64, MOST);
        assert!(parse(&zeros).is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_give_short_printable_names(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            for name in parse(&text).values() {
                prop_assert!(name.len() <= LONGEST && name.bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }
}
