//! Connection tracking of the namespace that this thread is in (nf_conntrack-sysctl.rst,
//! `nf_conntrack_standalone.c`).

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::host::{Conntrack, ConntrackCounters};

/// How full its table is, and what was refused; `None` where the kernel tracks no connections.
pub(super) fn read() -> Option<Conntrack> {
    let number = |name: &str| -> Option<u64> {
        let text = fs::read_to_string(format!("/proc/sys/net/netfilter/{name}")).ok()?;
        text.trim().parse().ok()
    };
    let max_is_own = fs::metadata("/proc/sys/net/netfilter/nf_conntrack_max")
        .is_ok_and(|file| file.permissions().mode() & 0o200 != 0);
    let counters = fs::read_to_string("/proc/thread-self/net/stat/nf_conntrack").ok();
    Some(Conntrack {
        count: number("nf_conntrack_count")?,
        max: number("nf_conntrack_max")?,
        max_is_own,
        counters: counters.and_then(|text| parse(&text)),
    })
}

/// A line of names, then a line of hexadecimal numbers for each CPU (`ct_cpu_seq_show`). `None` when a
/// name is not there.
fn parse(text: &str) -> Option<ConntrackCounters> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next()?.split_ascii_whitespace().collect();
    let place = |name| names.iter().position(|other| *other == name);
    let (insert_failed, drop, early_drop) = (
        place("insert_failed")?,
        place("drop")?,
        place("early_drop")?,
    );
    let mut sum = ConntrackCounters::default();
    for line in lines {
        let values: Vec<&str> = line.split_ascii_whitespace().collect();
        let value = |at: usize| {
            let text = values.get(at)?;
            u64::from_str_radix(text, 16).ok()
        };
        for (total, at) in [
            (&mut sum.insert_failed, insert_failed),
            (&mut sum.drop, drop),
            (&mut sum.early_drop, early_drop),
        ] {
            *total = total.saturating_add(value(at).unwrap_or(0));
        }
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "entries  clashres found insert insert_failed drop early_drop icmp_error\n\
        00000010  00000000 00000000 00000000 0000000a 00000001 00000002 00000000\n\
        00000010  00000000 00000000 00000000 00000010 00000003 00000000 00000000\n";

    #[test]
    fn counters_are_summed_over_the_cpus() {
        let expected = ConntrackCounters {
            insert_failed: 26,
            drop: 4,
            early_drop: 2,
        };
        assert_eq!(parse(TEXT), Some(expected));
    }

    #[test]
    fn what_is_not_there_is_not_guessed() {
        assert_eq!(parse(""), None);
        assert_eq!(parse(&TEXT.replace("insert_failed", "other")), None);
        let cut = parse("insert_failed drop early_drop\n0000000f").expect("names");
        assert_eq!((cut.insert_failed, cut.drop), (15, 0));
        let odd = parse("insert_failed drop early_drop\nzz -1 ffffffffffffffffff");
        assert_eq!(odd, Some(ConntrackCounters::default()));
    }
}
