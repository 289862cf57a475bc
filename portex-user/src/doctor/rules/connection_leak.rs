//! A space that connections fill which nobody closes.

use std::net::SocketAddr;

use crate::{
    attribution::snapshot::Space,
    doctor::{
        Case, Remedy, Verdict,
        danger::{share, taken},
        remedy::inside,
        words::{evidence, percent, route, who},
    },
};

/// From this share of what is taken on, live connections are the cause.
const MOST: f64 = 0.5;
/// Fewer releases than this share of the connects: they pile up.
const FEW: f64 = 0.5;
/// From this share on, one process holds them.
const ONE_OWNER: f64 = 0.5;

pub(super) fn judge(case: &Case) -> Vec<Verdict> {
    let mut found = Vec::new();
    for (space, danger) in case.endangered() {
        let Some(title) = suspicion(space) else {
            continue;
        };
        found.push(Verdict {
            severity: danger.severity(),
            netns: Some(space.netns),
            subject: route(space),
            title,
            evidence: evidence(space),
            meaning: "live connections hold their ports until somebody closes them: no sysctl ends them. \
                      Either the work needs that many at a time, or the program forgets them"
                .to_owned(),
            remedies: remedies(case, space),
        });
    }
    found
}

/// What is suspicious of its live connections, where they are why it is full. Those in CLOSE_WAIT have a
/// rule of their own.
pub(super) fn suspicion(space: &Space) -> Option<String> {
    let others = space.time_wait.saturating_add(space.close_wait);
    let live = space.used.saturating_sub(others);
    let of_taken = share(live, taken(space).max(1));
    if of_taken < MOST {
        return None;
    }
    let owner = space
        .owners
        .iter()
        .max_by_key(|owner| owner.ports.saturating_sub(owner.time_wait));
    let owner = owner.filter(|owner| {
        let holds = owner.ports.saturating_sub(owner.time_wait);
        owner.holder.pid.is_some() && share(holds, live) >= ONE_OWNER
    });
    let name = owner.map(|owner| who(&owner.holder));
    // What is full cannot grow: then it shows by what it holds.
    if let Some(rates) = space.rates
        && rates.connects > 0.0
    {
        let grows = rates.releases < rates.connects * FEW;
        let name = name.unwrap_or_else(|| "several processes".to_owned());
        return grows.then(|| {
            format!("connections pile up: {name} opens them and closes less than half as many")
        });
    }
    name.map(|name| {
        let held = percent(of_taken);
        format!("{name} holds most of it: live connections have {held} of the ports that are taken")
    })
}

fn remedies(case: &Case, space: &Space) -> Vec<Remedy> {
    // Brackets mean something to a shell.
    let quote = if space.dst.is_ipv6() { "'" } else { "" };
    let to = SocketAddr::new(space.dst, space.dst_port);
    let list = format!("ss -tnpo state established dst {quote}{to}{quote}");
    let mut remedies = vec![
        Remedy::to_do(
            "look at which connections are old and idle; then close them in the program when it is done \
             with them, and give its pool a limit and an idle timeout",
            "none: it only lists",
        )
        .command(case.host(space.netns).and_then(|host| inside(host, &list))),
    ];
    let owner = space.owners.iter().find(|owner| owner.holder.pid.is_some());
    remedies.extend(owner.map(|owner| {
        Remedy::to_do(
            format!(
                "until that is mended, a restart of {} gives its ports back",
                who(&owner.holder)
            ),
            "it ends all of its connections, those in use too",
        )
    }));
    remedies
}
