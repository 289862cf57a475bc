//! What the memory of the machine makes of settings.

use std::fs;

/// A hash bucket of established connections for each so many KiB (`tcp_init`, net/ipv4/tcp.c).
const KIB_OF_A_BUCKET: u64 = 128;

/// `tcp_max_tw_buckets` as the kernel sets it by itself, at most; `None` where `/proc/meminfo` cannot be
/// read.
pub(super) fn usual_tw_buckets() -> Option<u32> {
    of_memory(&fs::read_to_string("/proc/meminfo").ok()?)
}

/// Half of the number of buckets, which is the next power of two. The kernel counts memory that it has
/// taken for itself since, so that it may set more.
fn of_memory(text: &str) -> Option<u32> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    let buckets = (kib / KIB_OF_A_BUCKET).checked_next_power_of_two()?;
    (buckets / 2).try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_bucket_for_each_128_kib_halved() {
        let of = |kib: u32| of_memory(&format!("MemTotal:  {kib} kB\nMemFree: 1 kB\n"));
        assert_eq!(of(480_000), Some(2_048));
        assert_eq!(of(1_000_000), Some(4_096));
        assert_eq!(of(240_000), Some(1_024));
        assert_eq!(of_memory("MemFree: 3 kB"), None);
        assert!(usual_tw_buckets().is_some());
    }
}
