//! A pool of bind() to port 0, TCP or UDP, that is empty or nearly; and binds to a number that failed,
//! which is another thing.

use crate::{
    attribution::snapshot::{BindPool, FailedCall, Failure},
    doctor::{
        Case, EXPLAINED, Remedy, Severity, Verdict,
        danger::{FULL, share},
        remedy::{inside, wider},
        words::{self, grouped, percent, ports, rate},
    },
    event::{Cause, Proto},
};

/// From here on it is critical, as in `portex check`.
const NEARLY_EMPTY: f64 = 0.95;

pub(super) fn judge(case: &Case) -> Vec<Verdict> {
    let pools = case.snapshot.bind_pools.iter();
    // Who never binds to port 0 needs no such pool: connections to many destinations fill it.
    let used = pools.filter(|pool| pool.bound > 0 || failures(pool) > 0);
    let short: Vec<&BindPool> = used.filter(|pool| is_short(pool)).collect();
    // What an address has not, a bind to any address has not either: that is told once.
    let is_told = |pool: &BindPool| {
        let mut same = short
            .iter()
            .filter(|other| (other.netns, other.proto) == (pool.netns, pool.proto));
        pool.src.is_unspecified()
            && failures(pool) == 0
            && same.any(|other| !other.src.is_unspecified())
    };
    let pools = short.iter().filter(|pool| !is_told(pool));
    let verdicts = pools.take(EXPLAINED).map(|pool| of_pool(case, pool));
    verdicts.chain(conflicts(case)).collect()
}

fn failures(pool: &BindPool) -> u64 {
    pool.failures.unwrap_or(0)
}

/// Ports that a bind cannot get, for sure.
fn taken(pool: &BindPool) -> u32 {
    if pool.exact {
        pool.capacity.saturating_sub(pool.free)
    } else {
        pool.used.min(pool.capacity)
    }
}

fn is_short(pool: &BindPool) -> bool {
    failures(pool) > 0 || share(taken(pool), pool.capacity) >= FULL
}

fn of_pool(case: &Case, pool: &BindPool) -> Verdict {
    let taken = taken(pool);
    let full = share(taken, pool.capacity);
    let failures = failures(pool);
    let empty = pool.exact && pool.free == 0;
    let severity = if empty || failures > 0 || full >= NEARLY_EMPTY {
        Severity::Critical
    } else {
        Severity::Warning
    };
    let proto = proto(pool.proto);
    let title = match (empty || failures > 0, pool.proto) {
        (true, Proto::Udp) => {
            "no port for a UDP socket: bind() fails with EADDRINUSE, connect() and send() with EAGAIN"
        }
        (true, Proto::Tcp) => "no port for bind() to port 0: EADDRINUSE",
        (false, Proto::Udp) => "UDP sockets have few ports left",
        (false, Proto::Tcp) => "bind() to port 0 has few ports left",
    };
    let mut evidence = vec![format!(
        "{proto}: {} of {} are in the way of a bind() to {} ({}), {} free",
        grouped(taken),
        ports(pool.capacity),
        pool.src,
        percent(full),
        grouped(pool.capacity.saturating_sub(taken))
    )];
    if pool.proto == Proto::Tcp {
        evidence.push(format!(
            "{} of them are held by explicit binds",
            grouped(pool.bound)
        ));
    }
    if !pool.owners.is_empty() {
        evidence.push(words::owners(&pool.owners));
    }
    if failures > 0 {
        evidence.push(format!(
            "{} calls got no port while watched, {} a second lately (events)",
            grouped(failures),
            rate(pool.failures_per_s.unwrap_or(0.0))
        ));
    }
    Verdict {
        severity,
        netns: Some(pool.netns),
        subject: format!("{proto} bind pool of {}", pool.src),
        title: title.to_owned(),
        evidence,
        meaning: meaning(pool.proto).to_owned(),
        remedies: remedies(case, pool, taken),
    }
}

fn proto(proto: Proto) -> &'static str {
    match proto {
        Proto::Tcp => "TCP",
        Proto::Udp => "UDP",
    }
}

fn meaning(proto: Proto) -> &'static str {
    match proto {
        Proto::Tcp => {
            "bind() to port 0 shares the range with connections, and needs a port that no socket of this \
             address has, whatever its destination; SO_REUSEADDR does not help"
        }
        Proto::Udp => {
            "a UDP port has no destination: each socket takes one for itself, and one that is not bound to \
             an address needs a port that is free on all addresses"
        }
    }
}

fn remedies(case: &Case, pool: &BindPool, taken: u32) -> Vec<Remedy> {
    let first = match pool.proto {
        Proto::Tcp => {
            "where the program binds an address before it connects, let it set IP_BIND_ADDRESS_NO_PORT: \
             then connect() takes the port, and per destination"
        }
        Proto::Udp => {
            "use one UDP socket for many peers or requests instead of one each, and close it when it is \
             done; a resolver that caches saves most of them"
        }
    };
    let mut remedies = vec![Remedy::to_do(
        first,
        "a change of the program or its settings",
    )];
    let host = case.host(pool.netns);
    let ranges = host.map(wider).unwrap_or_default();
    remedies.extend(ranges.first().zip(host).map(|(wider, host)| {
        let relieves = share(taken, wider.capacity) < FULL;
        Remedy::to_do(
            format!("a wider range: {}", ports(wider.capacity)),
            "services that start later with a fixed port in the new range may find it taken, unless it is \
             reserved",
        )
        .settings(host, &wider.settings())
        .fixes(relieves)
    }));
    remedies
}

/// Binds to a number that another socket has: one finding for each process and port.
fn conflicts(case: &Case) -> Vec<Verdict> {
    let is_conflict = |failure: &&Failure| {
        failure.cause == Cause::PortInUse && matches!(failure.call, FailedCall::Bind(_))
    };
    let mut groups: Vec<(&Failure, usize)> = Vec::new();
    for failure in case.snapshot.failures.iter().filter(is_conflict) {
        let same = |known: &Failure| {
            (known.netns, known.src, known.src_port, known.proto)
                == (failure.netns, failure.src, failure.src_port, failure.proto)
                && known.holder == failure.holder
        };
        match groups.iter_mut().find(|(known, _)| same(known)) {
            Some((_, count)) => *count += 1,
            None => groups.push((failure, 1)),
        }
    }
    groups
        .into_iter()
        .take(EXPLAINED)
        .map(|(failure, count)| conflict(case, failure, count))
        .collect()
}

fn conflict(case: &Case, failure: &Failure, count: usize) -> Verdict {
    let at = std::net::SocketAddr::new(failure.src, failure.src_port.unwrap_or(0));
    let who = words::who(&failure.holder);
    let proto = proto(failure.proto);
    let sockets = match failure.proto {
        Proto::Tcp => "ss -tanp",
        Proto::Udp => "ss -uanp",
    };
    let list = format!("{sockets} sport = :{}", at.port());
    let host = case.host(failure.netns);
    Verdict {
        severity: Severity::Notice,
        netns: Some(failure.netns),
        subject: format!("{proto} {at}"),
        title: format!("{who} wants a port that another socket has: a conflict, no exhaustion"),
        evidence: vec![format!(
            "{count} of the latest failures: {}() to {at} (events)",
            failure.call.name()
        )],
        meaning: "a bind() to a number fails when any socket or TIME_WAIT of that address has the port, and \
                  not both allow to share it; more ports in the range do not help"
            .to_owned(),
        remedies: vec![
            Remedy::to_do(
                "see who has it; if it was a connection's source port, reserve the port \
                 (ip_local_reserved_ports); if a TIME_WAIT, let the server set SO_REUSEADDR",
                "none: it only lists",
            )
            .command(host.and_then(|host| inside(host, &list))),
        ],
    }
}
