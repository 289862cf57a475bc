//! A process that lets bind() choose the port before it connects.

use crate::{
    attribution::snapshot::Process,
    doctor::{
        Case, EXPLAINED, Remedy, Severity, Verdict,
        danger::share,
        words::{grouped, name, percent, ports, who},
    },
};

/// From so many ports on, or this share of the range, it is worth a look.
const MANY: u32 = 100;
const SOME: f64 = 0.05;
/// From this share of the range on, something should be done.
const MUCH: f64 = 0.2;

pub(super) fn judge(case: &Case) -> Vec<Verdict> {
    let processes = case.snapshot.processes.iter();
    processes
        .filter_map(|process| of_process(case, process))
        .take(EXPLAINED)
        .collect()
}

fn of_process(case: &Case, process: &Process) -> Option<Verdict> {
    let bound = process.bound;
    let rules = &case.host(process.netns)?.rules;
    let capacity = rules.range.size() - rules.reserved.count_in(rules.range);
    let of_range = share(bound, capacity);
    if bound == 0 || bound < MANY && of_range < SOME {
        return None;
    }
    let mut endangered = case.endangered();
    let is_short = endangered.any(|(space, _)| space.netns == process.netns);
    let who = who(&process.holder);
    let mut evidence = vec![format!(
        "{} of {} of {} are held by connections of {who} whose port bind() had chosen ({})",
        grouped(bound),
        ports(capacity),
        rules.range,
        percent(of_range)
    )];
    evidence.extend(process.top.map(|top| {
        let most = std::net::SocketAddr::new(top.dst, top.dst_port);
        format!("most of its ports, {}, go to {most}", grouped(top.ports))
    }));
    Some(Verdict {
        severity: if is_short || of_range >= MUCH {
            Severity::Warning
        } else {
            Severity::Notice
        },
        netns: Some(process.netns),
        subject: who.clone(),
        title: format!(
            "{who} binds before it connects: {} taken from all destinations",
            ports(bound)
        ),
        evidence,
        meaning: "a port that bind() chose is passed over by every connect() of this namespace, whatever \
                  its addresses and its destination, TIME_WAIT included: all destinations share one pool, \
                  and no TIME_WAIT of such a socket is taken over"
            .to_owned(),
        remedies: remedies(&process.holder.comm),
    })
}

fn remedies(comm: &[u8]) -> Vec<Remedy> {
    let comm = name(comm);
    let hint = match comm.as_str() {
        "nginx" => "; nginx with proxy_bind does so by itself, unless it is old: update it",
        "haproxy" => {
            "; haproxy does so by itself for a source line without a port range: remove the range"
        }
        "curl" => "; for curl: no --local-port, and --interface only where it is needed",
        _ => "",
    };
    vec![
        Remedy::to_do(
            format!(
                "set the socket option IP_BIND_ADDRESS_NO_PORT before bind() with port 0: then connect() \
                 chooses the port, per destination{hint}"
            ),
            "a change of the program or its settings; getsockname() tells the port after connect() only",
        ),
        Remedy::to_do(
            "or do not bind at all: the route chooses the source address (ip route ... src ADDRESS)",
            "connections may come from another address than peers allow",
        ),
    ]
}
