//! Whether a namespace has any TCP socket at all. A dump walks the tables of all namespaces
//! together, so an empty namespace costs as much as a full one, and a host may have a thousand.

use std::fs;

/// Whether the namespace that this thread is in has no TCP socket, for sure.
///
/// Three counters must be 0: sockets of any kind that processes made, as one that is only bound is
/// in no other counter; TCP sockets in the tables, which are the kernel's own then; minisockets. A
/// socket of the kernel between its bind() and connect() is missed.
pub(super) fn is_empty() -> bool {
    let read = |name: &str| fs::read_to_string(format!("/proc/thread-self/net/{name}"));
    // Without IPv6 there is no second file.
    read("sockstat").is_ok_and(|text| says_none(&text, &read("sockstat6").unwrap_or_default()))
}

fn says_none(v4: &str, v6: &str) -> bool {
    number(v4, "sockets:", "used") == Some(0)
        && number(v4, "TCP:", "inuse") == Some(0)
        && number(v4, "TCP:", "tw") == Some(0)
        && (v6.is_empty() || number(v6, "TCP6:", "inuse") == Some(0))
}

/// A number in lines such as `TCP: inuse 3 orphan 0 tw 5 alloc 4 mem 1`.
fn number(text: &str, line: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|text| text.strip_prefix(line))?;
    let mut words = line.split_ascii_whitespace();
    words.find(|&word| word == name)?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: &str =
        "sockets: used 0\nTCP: inuse 0 orphan 0 tw 0 alloc 7 mem 1\nUDP: inuse 0 mem 0\n";
    const V6: &str = "TCP6: inuse 0\nUDP6: inuse 0\n";

    #[test]
    fn all_counters_must_be_zero() {
        assert!(says_none(V4, V6));
        assert!(says_none(V4, ""), "without IPv6");
        for one in ["used 1", "inuse 1", "tw 1"] {
            let zero = one.replace('1', "0");
            assert!(!says_none(&V4.replacen(&zero, one, 1), V6), "{one}");
        }
        assert!(!says_none(V4, &V6.replacen("inuse 0", "inuse 2", 1)));
    }

    #[test]
    fn what_is_not_told_is_not_zero() {
        assert!(!says_none("", ""));
        assert!(!says_none(&V4.replace("tw", "timewait"), V6));
        assert!(!says_none(V4, "UDP6: inuse 0\n"));
    }
}
