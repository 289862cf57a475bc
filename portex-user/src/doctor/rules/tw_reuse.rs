//! `tcp_tw_reuse`: what its value does here, where it matters.

use crate::{
    attribution::snapshot::Space,
    doctor::{
        Case, Remedy, Severity, Verdict,
        danger::share,
        words::{grouped, route},
    },
    host::Host,
};

/// From this share of a space's ports on, its TIME_WAITs matter.
const MANY: f64 = 0.2;

pub(super) fn judge(case: &Case) -> Vec<Verdict> {
    let worst = case.worst_by_namespace();
    case.hosts
        .iter()
        .filter_map(|host| {
            let worst = worst.iter().find(|(space, _)| space.netns == host.netns);
            of_host(host, worst.map(|(space, _)| *space))
        })
        .collect()
}

fn of_host(host: &Host, worst: Option<&Space>) -> Option<Verdict> {
    let waiting = worst.filter(|space| share(space.time_wait, space.capacity) >= MANY);
    let value = host.rules.tw_reuse;
    let without_timestamps = host.timestamps == Some(0);
    let timestamps = || {
        Remedy::to_do(
            "switch timestamps on; new connections have them, on both sides if the peer has them too",
            "12 bytes in each segment; they are the default, and also protect from wrapped sequence \
             numbers (RFC 7323)",
        )
        .settings(host, &[("net.ipv4.tcp_timestamps", "1".to_owned())])
        .fixes(value == 1 || waiting.is_none())
    };
    let reuse = || {
        let on_loopback = waiting.is_some_and(|space| space.src.is_loopback());
        Remedy::to_do(
            "let connect() take over TIME_WAITs that are a second old and have timestamps",
            "small: timestamps tell old segments from new ones (RFC 6191). Behind a NAT or load balancer \
             that shares one address among hosts, a server may ignore such a SYN",
        )
        .settings(host, &[("net.ipv4.tcp_tw_reuse", "1".to_owned())])
        .fixes(!without_timestamps || on_loopback)
    };
    let (title, remedies) = match (value, without_timestamps, waiting) {
        (1, true, _) => (
            "tcp_tw_reuse is 1 and of no use: timestamps are off",
            vec![timestamps()],
        ),
        (1, false, _) | (_, _, None) => return None,
        (0, true, Some(_)) => (
            "tcp_tw_reuse is 0, and timestamps are off: no TIME_WAIT is taken over",
            vec![timestamps().fixes(false), reuse().fixes(false)],
        ),
        (0, false, Some(_)) => (
            "tcp_tw_reuse is 0: no TIME_WAIT is taken over",
            vec![reuse()],
        ),
        (_, true, Some(_)) => (
            "tcp_tw_reuse is 2, and timestamps are off: no TIME_WAIT is taken over",
            vec![timestamps().fixes(false), reuse().fixes(false)],
        ),
        (_, false, Some(space)) if space.src.is_loopback() => return None,
        (_, false, Some(_)) => (
            "tcp_tw_reuse is 2: TIME_WAITs are taken over on the loopback only",
            vec![reuse()],
        ),
    };
    let mut evidence = vec![format!(
        "tcp_tw_reuse = {value}, tcp_timestamps = {}",
        host.timestamps
            .map_or_else(|| "unknown".to_owned(), |value| value.to_string())
    )];
    evidence.extend(waiting.map(|space| {
        format!(
            "{}: {} TIME_WAITs, {} of which may be taken over now",
            route(space),
            grouped(space.time_wait),
            grouped(space.recyclable)
        )
    }));
    Some(Verdict {
        severity: Severity::Notice,
        netns: Some(host.netns),
        subject: "net.ipv4.tcp_tw_reuse".to_owned(),
        title: title.to_owned(),
        evidence,
        meaning: "0: never; 1: connect() may take over a TIME_WAIT of the same addresses once it is a second \
                  old, if its peer sent timestamps; 2 (default): the same on the loopback only. It does \
                  not change how long a TIME_WAIT lasts, and does nothing for accepting sides"
            .to_owned(),
        remedies,
    })
}
