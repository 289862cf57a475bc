//! Reserved ports that take a large part of the range.

use crate::{
    attribution::snapshot::Space,
    doctor::{
        Case, Remedy, Severity, Verdict,
        danger::{FULL, relieved, share, taken},
        remedy::{list, reserved_with_all, to_reserve},
        words::{grouped, percent, ports, route},
    },
    host::Host,
    ports::PortSet,
};

/// From this share of the range on they are worth a look.
const MUCH: f64 = 0.1;
/// The same, where a space is endangered.
const SOME: f64 = 0.01;

pub(super) fn judge(case: &Case) -> Vec<Verdict> {
    let worst = case.worst_by_namespace();
    let of_namespace = |netns| {
        let mut spaces = worst.iter().map(|(space, _)| *space);
        spaces.find(|space| space.netns == netns && !space.own_range)
    };
    case.hosts
        .iter()
        .filter_map(|host| of_host(host, of_namespace(host.netns)))
        .collect()
}

/// `worst`: the most endangered space of the namespace.
fn of_host(host: &Host, worst: Option<&Space>) -> Option<Verdict> {
    let range = host.rules.range;
    let reserved = &host.rules.reserved;
    let count = reserved.count_in(range);
    let of_range = share(count, range.size());
    let threshold = if worst.is_some() { SOME } else { MUCH };
    if count == 0 || of_range < threshold {
        return None;
    }
    let listened = to_reserve(host, range);
    // connect() and bind() to port 0 give no reserved port: who has one has asked for it by number.
    let mut keep: PortSet = reserved
        .iter()
        .filter(|&port| !range.contains(port) || listened.contains(port) || host.udp.contains(port))
        .collect();
    let kept = keep.count_in(range);
    if kept < count {
        // What other findings have reserved stays so.
        let all = reserved_with_all(host);
        let others = all.iter().filter(|&port| !reserved.contains(port));
        keep.extend_from(&others.collect());
    }
    let stays = keep.count_in(range);
    let mut evidence = vec![
        format!(
            "{} of the {} of {range} are reserved ({})",
            grouped(count),
            ports(range.size()),
            percent(of_range)
        ),
        format!("ip_local_reserved_ports = {}", shortened(&list(reserved))),
    ];
    if kept > 0 {
        evidence.push(format!(
            "TCP listeners or UDP sockets have {} of them (sock_diag)",
            grouped(kept)
        ));
    }
    let capacity = range.size() - stays;
    let serious = if of_range >= MUCH {
        Severity::Warning
    } else {
        Severity::Notice
    };
    let severity = match worst {
        Some(space) => {
            evidence.push(format!(
                "{} has {} left of {}",
                route(space),
                grouped(space.free),
                ports(space.capacity)
            ));
            serious
        }
        None => Severity::Notice,
    };
    let relieves = worst.is_none_or(|space| relieved(space, taken(space), capacity));
    let rest = share(stays, range.size());
    let fixes = rest < MUCH && (relieves || rest < SOME);
    let mut remedies = vec![];
    if kept < count {
        remedies.push(
            Remedy::to_do(
                format!(
                    "give back the {} that no TCP listener and no UDP socket has",
                    ports(count - kept)
                ),
                "a service that is not running now may need one of them: find out first who reserved them \
                 (grep -r ip_local_reserved_ports /etc/sysctl.d /etc/sysctl.conf). Other commands here \
                 that set this list keep them reserved: run this one last",
            )
            .settings(host, &[("net.ipv4.ip_local_reserved_ports", list(&keep))])
            .fixes(fixes),
        );
    }
    Some(Verdict {
        severity,
        netns: Some(host.netns),
        subject: "net.ipv4.ip_local_reserved_ports".to_owned(),
        title: format!(
            "reserved ports take {} of the port range",
            percent(of_range)
        ),
        evidence,
        meaning: format!(
            "neither connect() nor bind() to port 0 gets a reserved port, whatever the destination: each \
             destination has {} instead of {}, and is endangered from {} on",
            grouped(range.size() - count),
            grouped(range.size()),
            percent(FULL)
        ),
        remedies,
    })
}

fn shortened(list: &str) -> String {
    const MOST: usize = 120;
    if list.len() <= MOST {
        return list.to_owned();
    }
    let cut: String = list.chars().take(MOST).collect();
    format!("{cut}...")
}
