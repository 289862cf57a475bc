//! What the kernel lists in `/proc/net` of a namespace: the truth about `TIME_WAIT`.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::netns::NetNs;

/// State numbers as `/proc/net/tcp` writes them.
const FIN_WAIT2: &str = "05";
const TIME_WAIT: &str = "06";
const LISTEN: &str = "0A";
/// The timer column of a socket that only holds its port any more (`get_timewait4_sock`).
const TIMEWAIT_TIMER: &str = "03";

/// A socket or minisocket that holds a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// Without the mapping of IPv4.
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    /// `TIME_WAIT`, or `FIN_WAIT2` without a socket.
    pub(crate) time_wait: bool,
    /// It waits for connections.
    pub(crate) listens: bool,
}

impl Held {
    /// Whether it may have been accepted at this one.
    pub(crate) fn may_be_from(&self, listener: &Self) -> bool {
        let at = listener.local;
        let is_there = at.ip().is_unspecified() || at.ip() == self.local.ip();
        listener.listens && at.port() == self.local.port() && is_there
    }
}

/// All that the kernel lists for a namespace.
pub(crate) fn held(netns: &NetNs) -> Result<Vec<Held>> {
    let mut all = Vec::new();
    for file in ["tcp", "tcp6"] {
        all.extend(netns.proc_net(file)?.lines().skip(1).filter_map(row));
    }
    Ok(all)
}

/// The same for IPv4 only, in the namespace of a process.
pub(crate) fn held_around(pid: u32) -> Result<Vec<Held>> {
    let path = format!("/proc/{pid}/net/tcp");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    Ok(text.lines().skip(1).filter_map(row).collect())
}

/// How many ports are held by such, and how many of them in `TIME_WAIT`.
pub(crate) fn ports(rows: &[Held], such: impl Fn(&Held) -> bool) -> Result<(u32, u32)> {
    let mut all = BTreeSet::new();
    let mut time_waits = BTreeSet::new();
    for held in rows.iter().filter(|held| such(held)) {
        all.insert(held.local.port());
        if held.time_wait {
            time_waits.insert(held.local.port());
        }
    }
    Ok((all.len().try_into()?, time_waits.len().try_into()?))
}

/// The local addresses held in `TIME_WAIT`, or in `FIN_WAIT2` without a socket, towards a port.
pub(crate) fn time_waits(netns: &NetNs, dst_port: u16) -> Result<BTreeSet<SocketAddr>> {
    let rows = held(netns)?.into_iter();
    Ok(rows
        .filter(|held| held.time_wait && held.remote.port() == dst_port)
        .map(|held| held.local)
        .collect())
}

fn row(line: &str) -> Option<Held> {
    let mut columns = line.split_whitespace().skip(1);
    let local = address(columns.next()?)?;
    let remote = address(columns.next()?)?;
    let state = columns.next()?;
    let timer = columns.nth(1)?.split(':').next()?;
    let time_wait = (state == TIME_WAIT || state == FIN_WAIT2) && timer == TIMEWAIT_TIMER;
    Some(Held {
        local,
        remote,
        time_wait,
        listens: state == LISTEN,
    })
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
    Some(SocketAddr::new(ip.to_canonical(), port))
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
    use super::{address, row};

    #[test]
    fn only_minisocks_are_time_waits() {
        let line = "  0: 0100007F:9C40 0100007F:1388 06 00000000:00000000 03:000016AB 0 0 0 0 3";
        let held = row(line).unwrap();
        assert_eq!(held.local, "127.0.0.1:40000".parse().unwrap());
        assert_eq!(held.remote, "127.0.0.1:5000".parse().unwrap());
        assert!(held.time_wait);
        let full = "  0: 0100007F:9C40 0100007F:1388 05 00000000:00000000 00:00000000 0 0 0 0 3";
        assert!(!row(full).unwrap().time_wait);
    }

    #[test]
    fn both_families_are_read() {
        let text = "00000000000000000000000001000000:0007";
        assert_eq!(address(text), "[::1]:7".parse().ok());
        assert_eq!(address("nonsense"), None);
    }
}
