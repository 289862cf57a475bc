//! Connections that the peer has closed and the process has not.

use crate::{
    attribution::snapshot::{Process, Space},
    doctor::{
        Case, EXPLAINED, Remedy, Severity, Verdict,
        danger::{share, taken},
        remedy::inside,
        words::{evidence, grouped, percent, route, who},
    },
};

/// From this share of what is taken on, CLOSE_WAIT is the cause, or one of two.
const MUCH: f64 = 0.25;
/// A process has a few at any time, between the peer's close and its own; so many are forgotten.
const MANY: u32 = 100;

pub(super) fn judge(case: &Case) -> Vec<Verdict> {
    let mut found = Vec::new();
    let mut told: Vec<(u32, Option<u32>)> = Vec::new();
    for (space, danger) in case.endangered() {
        if !explains(space) {
            continue;
        }
        let of_taken = share(space.close_wait, taken(space).max(1));
        let process = most_of(case, space);
        told.extend(process.map(|process| (process.netns, process.holder.pid)));
        let name = process.map_or_else(|| "a process".to_owned(), |process| who(&process.holder));
        let mut figures = vec![format!(
            "{} connections in CLOSE_WAIT, {} of the ports that are taken (sock_diag)",
            grouped(space.close_wait),
            percent(of_taken)
        )];
        figures.extend(evidence(space));
        found.push(Verdict {
            severity: danger.severity(),
            netns: Some(space.netns),
            subject: route(space),
            title: format!("{name} does not close connections that the peer has closed"),
            evidence: figures,
            meaning: MEANING.to_owned(),
            remedies: remedies(case, space.netns, &name),
        });
    }
    let processes = case.snapshot.processes.iter();
    let forgetful = processes.filter(|process| {
        process.close_wait >= MANY && !told.contains(&(process.netns, process.holder.pid))
    });
    found.extend(
        forgetful
            .take(EXPLAINED)
            .map(|process| of_process(case, process)),
    );
    found
}

/// Whether CLOSE_WAIT is why a space is full.
pub(super) fn explains(space: &Space) -> bool {
    share(space.close_wait, taken(space).max(1)) >= MUCH
}

const MEANING: &str = "CLOSE_WAIT has no timeout: such a connection keeps its port until the process calls \
                       close() or ends. It is a bug of the program, often in how it handles errors or \
                       empties a pool";

fn of_process(case: &Case, process: &Process) -> Verdict {
    let name = who(&process.holder);
    Verdict {
        severity: Severity::Notice,
        netns: Some(process.netns),
        subject: name.clone(),
        title: format!("{name} does not close connections that the peer has closed"),
        evidence: vec![format!(
            "{} of its {} connections are in CLOSE_WAIT (sock_diag)",
            grouped(process.close_wait),
            grouped(process.ports)
        )],
        meaning: MEANING.to_owned(),
        remedies: remedies(case, process.netns, &name),
    }
}

/// The owner of ports of a space that has most such connections, wherever they go.
fn most_of<'a>(case: &'a Case, space: &Space) -> Option<&'a Process> {
    let processes = case.snapshot.processes.iter();
    let owners = processes.filter(|process| {
        process.netns == space.netns
            && process.holder.pid.is_some()
            && process.close_wait > 0
            && space
                .owners
                .iter()
                .any(|owner| owner.holder == process.holder)
    });
    owners.max_by_key(|process| process.close_wait)
}

fn remedies(case: &Case, netns: u32, name: &str) -> Vec<Remedy> {
    let list = case
        .host(netns)
        .and_then(|host| inside(host, "ss -tnpo state close-wait"));
    vec![
        Remedy::to_do(
            "see which they are, and close them in the program once a read returns 0 or an error",
            "none: it only lists",
        )
        .command(list),
        Remedy::to_do(
            format!("until that is mended, a restart of {name} gives its ports back"),
            "it ends all of its connections, those in use too",
        ),
    ]
}
