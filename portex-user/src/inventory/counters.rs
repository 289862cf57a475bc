//! What the kernel counts in the namespace that this thread is in.

use std::fs;

use crate::found::Counters;

/// Reads them; what cannot be read is not known.
pub(super) fn read() -> Counters {
    let netstat = fs::read_to_string("/proc/thread-self/net/netstat").unwrap_or_default();
    Counters {
        time_wait_overflows: number(&netstat, "TcpExt:", "TCPTimeWaitOverflow"),
    }
}

/// A counter of `/proc/net/netstat`: one line of names, one of numbers, each after the name of the
/// group (`netstat_seq_show`).
fn number(text: &str, group: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(group));
    let (names, numbers) = (lines.next()?, lines.next()?);
    let place = names
        .split_ascii_whitespace()
        .position(|word| word == name)?;
    numbers.split_ascii_whitespace().nth(place)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_found_by_its_name() {
        let text = "TcpExt: A TCPTimeWaitOverflow B\nTcpExt: 1 7 2\nIpExt: A\nIpExt: 5\n";
        let of = |group, name| number(text, group, name);
        assert_eq!(of("TcpExt:", "TCPTimeWaitOverflow"), Some(7));
        assert_eq!(of("IpExt:", "A"), Some(5));
        assert_eq!(of("TcpExt:", "C"), None);
        assert_eq!(of("Other:", "A"), None);
        assert_eq!(number("TcpExt: A\n", "TcpExt:", "A"), None);
    }

    #[test]
    fn this_namespace_counts() {
        assert!(read().time_wait_overflows.is_some());
    }
}
