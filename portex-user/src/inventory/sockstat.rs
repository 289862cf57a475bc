//! Whether a namespace has any socket of TCP or UDP at all. A dump walks the tables of all namespaces
//! together, so an empty namespace costs as much as a full one, and a host may have a thousand.

use std::fs;

/// What the namespace that this thread is in has none of, for sure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Empty {
    /// Sockets of TCP.
    ///
    /// Three counters must be 0: sockets of any kind that processes made, as one that is only bound is
    /// in no other counter; TCP sockets in the tables, which are the kernel's own then; minisockets.
    /// A socket of the kernel between its bind() and connect() is missed.
    pub(super) tcp: bool,
    /// Sockets of UDP that have a port: each of them is counted (`udp_lib_get_port`).
    pub(super) udp: bool,
}

/// Reads the counters.
pub(super) fn empty() -> Empty {
    let read = |name: &str| fs::read_to_string(format!("/proc/thread-self/net/{name}"));
    // Without IPv6 there is no second file.
    let v6 = read("sockstat6").unwrap_or_default();
    read("sockstat").map_or_else(|_| Empty::default(), |v4| says(&v4, &v6))
}

fn says(v4: &str, v6: &str) -> Empty {
    let none = |line: &str, line6: &str| {
        number(v4, line, "inuse") == Some(0)
            && (v6.is_empty() || number(v6, line6, "inuse") == Some(0))
    };
    Empty {
        tcp: number(v4, "sockets:", "used") == Some(0)
            && number(v4, "TCP:", "tw") == Some(0)
            && none("TCP:", "TCP6:"),
        udp: none("UDP:", "UDP6:"),
    }
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
        let none = Empty {
            tcp: true,
            udp: true,
        };
        assert_eq!(says(V4, V6), none);
        assert_eq!(says(V4, ""), none, "without IPv6");
        for one in ["used 1", "TCP: inuse 1", "tw 1"] {
            let zero = one.replace('1', "0");
            assert!(!says(&V4.replacen(&zero, one, 1), V6).tcp, "{one}");
        }
        assert!(!says(V4, &V6.replacen("TCP6: inuse 0", "TCP6: inuse 2", 1)).tcp);
    }

    #[test]
    fn udp_counts_apart() {
        let only_tcp = Empty {
            tcp: true,
            udp: false,
        };
        assert_eq!(
            says(&V4.replace("UDP: inuse 0", "UDP: inuse 1"), V6),
            only_tcp
        );
        assert_eq!(
            says(V4, &V6.replace("UDP6: inuse 0", "UDP6: inuse 1")),
            only_tcp
        );
        assert!(says(&V4.replace("used 0", "used 1"), V6).udp);
    }

    #[test]
    fn what_is_not_told_is_not_zero() {
        assert_eq!(says("", ""), Empty::default());
        assert!(!says(&V4.replace("tw", "timewait"), V6).tcp);
        assert!(!says(V4, "UDP6: inuse 0\n").tcp);
        assert!(!says(V4, "TCP6: inuse 0\n").udp);
    }
}
