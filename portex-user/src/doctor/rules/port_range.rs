//! A port range that is narrower than it could be where ports run out, or tiny.

use crate::{
    attribution::snapshot::Space,
    doctor::{
        Case, Danger, Remedy, Severity, Verdict,
        danger::{relieved, taken},
        remedy::{Wider, wider},
        words::{self, grouped, ports, rate, route},
    },
    host::Host,
};

/// So few ports allow less than 17 connects a second to one destination: nobody wants that.
const TINY: u32 = 1_000;

pub(super) fn judge(case: &Case) -> Vec<Verdict> {
    let worst = case.worst_by_namespace();
    case.hosts
        .iter()
        .filter_map(|host| {
            let worst = worst
                .iter()
                .find(|(space, _)| space.netns == host.netns && !space.own_range);
            of_host(host, worst.copied())
        })
        .collect()
}

fn of_host(host: &Host, worst: Option<(&Space, Danger)>) -> Option<Verdict> {
    let range = host.rules.range;
    let capacity = range.size() - host.rules.reserved.count_in(range);
    let tiny = range.size() < TINY;
    let wider = wider(host);
    if wider.is_empty() || worst.is_none() && !tiny {
        return None;
    }
    let mut evidence = vec![format!(
        "ip_local_port_range = {range}: {}, {} of them not reserved",
        ports(range.size()),
        grouped(capacity)
    )];
    if range.size() % 2 == 1 {
        evidence.push("an odd number of ports: the kernel's search leaves one out".to_owned());
    }
    if let Some((space, _)) = worst {
        evidence.push(format!("{}: {}", route(space), words::fill(space)));
    }
    let per_second = f64::from(capacity) / 60.0;
    Some(Verdict {
        severity: worst.map_or(Severity::Notice, |(_, danger)| {
            danger.severity().min(Severity::Warning)
        }),
        netns: Some(host.netns),
        subject: "net.ipv4.ip_local_port_range".to_owned(),
        title: if tiny {
            "the port range is tiny".to_owned()
        } else {
            "ports run out, and the port range could be wider".to_owned()
        },
        evidence,
        meaning: format!(
            "with 60 s of TIME_WAIT, {} connects/s to one destination use the range up; a wider one \
             postpones that, and cures what is short of it",
            rate(per_second)
        ),
        remedies: wider
            .iter()
            .map(|wider| remedy(host, wider, worst))
            .collect(),
    })
}

fn remedy(host: &Host, wider: &Wider, worst: Option<(&Space, Danger)>) -> Remedy {
    let reserved = match wider.newly_reserved {
        0 => String::new(),
        1 => " (and reserve the one at which somebody listens)".to_owned(),
        count => format!(
            " (and reserve the {} at which somebody listens)",
            ports(count)
        ),
    };
    let text = format!(
        "use {}: {} for connections{reserved}",
        wider.range,
        ports(wider.capacity)
    );
    let risk = if wider.range.lo >= 10_000 {
        "services that start later with a fixed port in the new range may find it taken, unless it is \
         reserved"
    } else {
        "more services have fixed ports below 10000 (databases, proxies, metrics): whoever starts later \
         may find his port taken, unless it is reserved"
    };
    let relieves = worst.is_none_or(|(space, _)| relieved(space, taken(space), wider.capacity));
    Remedy::to_do(text, risk)
        .settings(host, &wider.settings())
        .fixes(relieves)
}
