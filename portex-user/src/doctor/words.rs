//! Figures and names in sentences. Names stay as they are: who shows them escapes them.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use super::danger::{share, taken};
use crate::attribution::snapshot::{Holder, Owner, Space};

/// A name is kept to this many characters.
const LONGEST: usize = 40;
/// Owners that are named one by one.
const NAMED: usize = 3;

/// With its thousands set apart: `27,920`.
pub(super) fn grouped(count: impl Into<u64>) -> String {
    let digits = count.into().to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// In per cent, rounded down, so that 100 says that nothing is left.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", (share * 1e3 + 1e-6).floor() / 10.0)
}

/// Per second: whole from ten on.
pub(super) fn rate(per_second: f64) -> String {
    if per_second < 10.0 {
        format!("{per_second:.1}")
    } else {
        format!("{per_second:.0}")
    }
}

/// A time for people: `850 us`, `12 ms`, `14 s`, `3 min 20 s`, `2 h`.
pub(super) fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    match time.as_micros() {
        micros @ 0..1_000 => format!("{micros} us"),
        micros @ 1_000..1_000_000 => format!("{} ms", micros / 1_000),
        1_000_000..60_000_000 => format!("{seconds} s"),
        _ if seconds < 3_600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h", seconds / 3_600),
    }
}

/// `one port`, `27,920 ports`.
pub(super) fn ports(count: impl Into<u64>) -> String {
    match count.into() {
        1 => "1 port".to_owned(),
        count => format!("{} ports", grouped(count)),
    }
}

/// Text of another process, of bounded length.
pub(super) fn name(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().take(LONGEST).collect()
}

/// A process by name and id: `nginx (12)`.
pub(super) fn who(holder: &Holder) -> String {
    match holder.pid {
        Some(pid) => format!("{} ({pid})", name(&holder.comm)),
        None => "an unknown process".to_owned(),
    }
}

/// From where to where: `10.0.0.1 -> 10.0.0.2:443`, with device and range where they are its own.
pub(super) fn route(space: &Space) -> String {
    let device = match space.dev {
        0 => String::new(),
        index => format!("%{index}"),
    };
    let source = match (space.src, space.own_range) {
        (address, false) => format!("{address}{device}"),
        (IpAddr::V4(address), true) => format!("{address}{device}:{}", space.range),
        (IpAddr::V6(address), true) => format!("[{address}{device}]:{}", space.range),
    };
    format!("{source} -> {}", SocketAddr::new(space.dst, space.dst_port))
}

/// How full a space is, and from what that is known.
pub(super) fn fill(space: &Space) -> String {
    let taken = taken(space);
    let known = if space.exact {
        "exact, from sock_diag and the kernel's bind buckets"
    } else {
        "at least, from sock_diag"
    };
    format!(
        "{} of {} taken ({}), {} free ({known})",
        grouped(taken),
        ports(space.capacity),
        percent(share(taken, space.capacity)),
        grouped(space.capacity.saturating_sub(taken)),
    )
}

/// What takes them.
pub(super) fn takers(space: &Space) -> String {
    let live = space.used.saturating_sub(space.time_wait);
    let recyclable = match space.recyclable {
        0 => String::new(),
        count => format!(" ({} of them may be reused now)", grouped(count)),
    };
    let close_wait = match space.close_wait {
        0 => String::new(),
        count => format!(" ({} of them in CLOSE_WAIT)", grouped(count)),
    };
    format!(
        "{} by live connections{close_wait}, {} by TIME_WAIT{recyclable}, {} by explicit binds of others",
        grouped(live),
        grouped(space.time_wait),
        grouped(space.blocked)
    )
}

/// What flows, where it was watched.
pub(super) fn flow(space: &Space) -> Option<String> {
    let rates = space.rates?;
    let failed = match space.failures {
        None | Some(0) => String::new(),
        Some(count) => format!(", {} connect() got no port", grouped(count)),
    };
    let forecast = match space.exhausts_in {
        Some(at) if space.free > 0 => format!(", the next connect() fails in {}", time(at)),
        _ => String::new(),
    };
    Some(format!(
        "{} connects/s, {} ports released/s{failed}{forecast} (events)",
        rate(rates.connects),
        rate(rates.releases)
    ))
}

/// Who holds them.
pub(super) fn owners(owners: &[Owner]) -> String {
    let named: Vec<String> = owners
        .iter()
        .take(NAMED)
        .map(|owner| match owner.holder.pid {
            Some(_) => format!("{} {}", who(&owner.holder), grouped(owner.ports)),
            None => format!("unknown {}", grouped(owner.ports)),
        })
        .collect();
    let more = match owners.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("held by {}{more}", named.join(", "))
}

/// The evidence that every finding about a space has.
pub(super) fn evidence(space: &Space) -> Vec<String> {
    let held = (!space.owners.is_empty()).then(|| owners(&space.owners));
    [Some(fill(space)), Some(takers(space)), held, flow(space)]
        .into_iter()
        .flatten()
        .collect()
}
