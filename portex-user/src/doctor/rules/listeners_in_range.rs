//! Ports within the range that somebody expects to be his: of listeners, of Kubernetes services.

use crate::{
    doctor::{
        Case, Remedy, Severity, Verdict,
        danger::share,
        remedy::{NODE_PORTS, list, reserved_with_all, to_reserve},
        words,
    },
    host::{Host, Listener},
    ports::PortSet,
};

/// Listeners that are named one by one.
const NAMED: usize = 8;
/// From this share of the range on, listeners are worth knowing of: fewer are those of any host, most
/// of which got their port from bind() to port 0.
const MANY: f64 = 0.01;

pub(super) fn judge(case: &Case) -> Vec<Verdict> {
    let worst = case.worst_by_namespace();
    let endangered = |host: &Host| worst.iter().any(|(space, _)| space.netns == host.netns);
    case.hosts
        .iter()
        .filter_map(|host| of_host(host, endangered(host)))
        .collect()
}

fn of_host(host: &Host, endangered: bool) -> Option<Verdict> {
    let range = host.rules.range;
    let reserved = &host.rules.reserved;
    let wanted = to_reserve(host, range);
    let exposed: PortSet = wanted
        .iter()
        .filter(|&port| !reserved.contains(port))
        .collect();
    if exposed.is_empty() {
        return None;
    }
    let in_range = |listener: &&Listener| exposed.contains(listener.port);
    let listeners: Vec<&Listener> = host.listeners.iter().filter(in_range).collect();
    let services = host.node_agent.is_some() && exposed.count_in(NODE_PORTS) > 0;
    let mut evidence = vec![format!(
        "ip_local_port_range {range}, of which {} reserved",
        words::grouped(reserved.count_in(range))
    )];
    evidence.extend(listeners.iter().take(NAMED).map(|listener| told(listener)));
    if let Some(more) = listeners.len().checked_sub(NAMED).filter(|more| *more > 0) {
        evidence.push(format!("and {more} more listeners (sock_diag)"));
    }
    if let (true, Some(agent)) = (services, &host.node_agent) {
        evidence.push(format!(
            "{} runs here: {} of the NodePorts {NODE_PORTS} are in the range",
            words::name(agent.as_bytes()),
            words::grouped(exposed.count_in(NODE_PORTS))
        ));
    }
    let (severity, title) = if services {
        (
            Severity::Warning,
            "ports of Kubernetes services (NodePorts) lie in the port range of connections",
        )
    } else {
        let many = share(exposed.count_in(range), range.size()) >= MANY;
        let severity = if many || endangered {
            Severity::Notice
        } else {
            Severity::Info
        };
        (
            severity,
            "services listen within the port range of connections",
        )
    };
    let all = reserved_with_all(host);
    let reserve = Remedy::to_do(
        "reserve these ports, where services have them by number: connect() and bind() to port 0 pass \
         them over, a bind() by number still gets them. The list is good for a wider range too: ports \
         below this one that are in use are in it",
        format!(
            "connections have {} fewer; a listener that got its port from bind() to port 0 will have \
             another one next time and needs no reservation",
            words::ports(exposed.count_in(range))
        ),
    );
    Some(Verdict {
        severity,
        netns: Some(host.netns),
        subject: "net.ipv4.ip_local_reserved_ports".to_owned(),
        title: title.to_owned(),
        evidence,
        meaning: "a connection may take such a port while its service is down, and the service cannot \
                  start again (EADDRINUSE) until the connection and its TIME_WAIT are over; and each \
                  listener takes its port from all destinations"
            .to_owned(),
        remedies: vec![
            reserve
                .settings(host, &[("net.ipv4.ip_local_reserved_ports", list(&all))])
                .fixes(true),
        ],
    })
}

fn told(listener: &Listener) -> String {
    let at = std::net::SocketAddr::new(listener.address, listener.port);
    match &listener.process {
        Some((comm, pid)) => format!("{} ({pid}) listens at {at} (sock_diag)", words::name(comm)),
        None => format!("somebody listens at {at} (sock_diag)"),
    }
}
