//! What the kernel lists in `/proc/net` of a namespace: the truth about `TIME_WAIT`.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::netns::NetNs;

/// State numbers as `/proc/net/tcp` writes them.
const FIN_WAIT2: &str = "05";
const TIME_WAIT: &str = "06";
/// The timer column of a socket that only holds its port any more (`get_timewait4_sock`).
const TIMEWAIT_TIMER: &str = "03";

/// The local addresses held in `TIME_WAIT`, or in `FIN_WAIT2` without a socket, towards a port.
fn time_waits(netns: &NetNs, dst_port: u16) -> Result<BTreeSet<SocketAddr>> {
    let mut held = BTreeSet::new();
    for file in ["tcp", "tcp6"] {
        let text = netns.proc_net(file)?;
        held.extend(
            text.lines()
                .skip(1)
                .filter_map(|line| time_wait(line, dst_port)),
        );
    }
    Ok(held)
}

fn time_wait(line: &str, dst_port: u16) -> Option<SocketAddr> {
    let mut columns = line.split_whitespace().skip(1);
    let local = address(columns.next()?)?;
    let remote = address(columns.next()?)?;
    let state = columns.next()?;
    let timer = columns.nth(1)?.split(':').next()?;
    let held = (state == TIME_WAIT || state == FIN_WAIT2) && timer == TIMEWAIT_TIMER;
    (held && remote.port() == dst_port).then_some(local)
}

/// `0100007F:1388`: the address as words of the machine's own byte order, then the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (words, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        let digits = words.get(at * 8..at * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    let ip = if words.len() == 8 {
        IpAddr::from(word(0)?)
    } else {
        let bytes = [word(0)?, word(1)?, word(2)?, word(3)?].concat();
        IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?)
    };
    Some(SocketAddr::new(ip, port))
}

/// Waits until so many are held in `TIME_WAIT` towards a port, and lists their local addresses.
pub(crate) fn wait_for_time_wait(
    netns: &NetNs,
    dst_port: u16,
    count: usize,
    limit: Duration,
) -> Result<BTreeSet<SocketAddr>> {
    let end = Instant::now() + limit;
    loop {
        let held = time_waits(netns, dst_port)?;
        if held.len() == count {
            return Ok(held);
        }
        if Instant::now() > end {
            let listed = netns.proc_net("tcp")? + &netns.proc_net("tcp6")?;
            bail!(
                "the kernel lists {} ports in TIME_WAIT, not {count}:\n{listed}",
                held.len()
            );
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A counter of the namespace, such as `TWRecycled`, from `/proc/net/netstat`.
pub(crate) fn counter(netns: &NetNs, name: &str) -> Result<u64> {
    let text = netns.proc_net("netstat")?;
    let lines: Vec<&str> = text.lines().collect();
    lines
        .chunks(2)
        .filter_map(|pair| pair.first().zip(pair.get(1)))
        .flat_map(|(names, values)| names.split_whitespace().zip(values.split_whitespace()))
        .find(|(found, _)| *found == name)
        .and_then(|(_, value)| value.parse().ok())
        .with_context(|| format!("no counter {name} in /proc/net/netstat"))
}

#[cfg(test)]
mod tests {
    use super::{address, time_wait};

    #[test]
    fn only_minisocks_towards_the_port_count() {
        let line = "  0: 0100007F:9C40 0100007F:1388 06 00000000:00000000 03:000016AB 0 0 0 0 3";
        assert_eq!(time_wait(line, 5000), "127.0.0.1:40000".parse().ok());
        assert_eq!(time_wait(line, 5001), None);
        let full = "  0: 0100007F:9C40 0100007F:1388 05 00000000:00000000 00:00000000 0 0 0 0 3";
        assert_eq!(time_wait(full, 5000), None);
    }

    #[test]
    fn both_families_are_read() {
        let text = "00000000000000000000000001000000:0007";
        assert_eq!(address(text), "[::1]:7".parse().ok());
        assert_eq!(address("nonsense"), None);
    }
}
