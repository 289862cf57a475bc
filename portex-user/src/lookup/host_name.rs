//! Names of hosts, from the resolver of the system (getnameinfo(3)).

use std::{net::IpAddr, sync::Arc};

/// Longest name and longest part of one (RFC 1035, 2.3.4).
const LONGEST: usize = 253;
const LONGEST_PART: usize = 63;

/// What an address is called. May take many seconds.
pub(super) fn of(address: IpAddr) -> Option<Arc<str>> {
    plausible(&dns_lookup::lookup_addr(&address).ok()?)
}

/// The name, if it can be one: whoever owns the address can have anything sent. A name that reads as
/// an address, its own or another one, says nothing or lies.
fn plausible(name: &str) -> Option<Arc<str>> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let fits = name.len() <= LONGEST && name.split('.').all(is_part);
    (fits && name.parse::<IpAddr>().is_err()).then(|| name.into())
}

/// Underscores are in no host name by the standard, but in many names.
fn is_part(part: &str) -> bool {
    let fits = (1..=LONGEST_PART).contains(&part.len()) && !part.starts_with('-');
    let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    fits && part.bytes().all(known)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_hosts_are_kept() {
        for name in [
            "localhost",
            "db-1.example.com",
            "_x.a_b.net",
            "3com.com",
            "10.0.0.1.nip.io",
        ] {
            assert_eq!(plausible(name).as_deref(), Some(name));
        }
        assert_eq!(plausible("a.example.").as_deref(), Some("a.example"));
        let longest = [
            "x".repeat(63),
            "y".repeat(63),
            "z".repeat(63),
            "a".repeat(61),
        ]
        .join(".");
        assert_eq!(plausible(&longest).as_deref(), Some(longest.as_str()));
    }

    #[test]
    fn what_can_be_none_is_not() {
        let long = "x.".repeat(127);
        let part = "x".repeat(64);
        for name in [
            "",
            ".",
            "..",
            "a..b",
            "-a.b",
            "a b",
            "a\n",
            "\u{1b}[2J.com",
            "caf\u{e9}.fr",
            "10.0.0.1",
            "10.0.0.1.",
            "::1",
            "fe80::1%eth0",
            &format!("{long}xx"),
            &part,
        ] {
            assert_eq!(plausible(name), None, "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_a_harmless_name(text in ".{0,300}", ascii in "[a-z0-9_.-]{0,300}") {
            for text in [text, ascii] {
                if let Some(name) = plausible(&text) {
                    prop_assert!(name.len() <= LONGEST && text.starts_with(&*name));
                    prop_assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)));
                }
            }
        }
    }
}
