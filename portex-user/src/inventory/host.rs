//! Goes through the namespaces for what decides about ports beside the sockets: settings, counters,
//! addresses; and listeners, from a look.

use std::{fs, io, os::unix::fs::MetadataExt as _, thread};

use super::{
    Look, addresses, conntrack, counters,
    look::{Refused, not_read},
    machine,
    namespaces::{self, Entered, Namespaces},
    networks,
    processes::{self, Directory},
    rules,
};
use crate::{
    event::TcpState,
    found::Found,
    host::{Host, Listener},
    kernel::facts::Version,
    ports::PortSet,
};

/// Names of processes that run on a Kubernetes node, in its network.
const NODE_AGENTS: [&[u8]; 4] = [b"kubelet", b"kube-proxy", b"k3s-server", b"k3s-agent"];
/// Most listeners that are kept of a namespace.
const LISTENERS: usize = 4_096;

/// What a survey has come to.
#[derive(Debug, Default)]
pub struct Survey {
    /// Namespaces that could be looked into.
    pub hosts: Vec<Host>,
    /// Why others could not. May hold names of other processes' making: escape before printing.
    pub refusals: Vec<String>,
}

/// Tells of the namespace that is wanted, or of all that may be entered; the own one first. Listeners
/// only when asked for: it takes a look at all sockets. The calling thread's namespace stays as it is. Needs what [`super::look()`] needs.
pub fn survey(wanted: Option<u32>, listeners: bool) -> io::Result<Survey> {
    let mut survey = thread::scope(|scope| {
        let worker = thread::Builder::new()
            .name("portex-survey".to_owned())
            .spawn_scoped(scope, move || through(wanted))?;
        worker
            .join()
            .map_err(|_| io::Error::other("the thread that surveys has panicked"))
    })?;
    if listeners {
        add_listeners(&mut survey.hosts, wanted);
    }
    Ok(survey)
}

fn through(wanted: Option<u32>) -> Survey {
    let kernel = Version::parse(&rustix::system::uname().release().to_string_lossy());
    let mut namespaces = Namespaces::default();
    let mut agents = Vec::new();
    namespaces.look_at_files();
    for directory in processes::all().filter_map(|pid| Directory::open(pid).ok()) {
        namespaces.look_at(&directory);
        agents.extend(node_agent(&directory));
    }
    let own = namespaces::own().ok();
    let is_wanted = |inode: &u32| wanted.is_none_or(|only| only == *inode);
    let others = namespaces.inodes().filter(|&inode| Some(inode) != own);
    let usual_tw_buckets = machine::usual_tw_buckets();
    let mut hosts = Vec::new();
    let mut refusals = Vec::new();
    let mut refused = Refused::default();
    for inode in own.into_iter().chain(others).filter(is_wanted) {
        let is_own = own == Some(inode);
        if !is_own {
            match namespaces.enter(inode) {
                Entered::Yes => {}
                Entered::Gone => continue,
                Entered::Refused(error) => {
                    refused.add(error);
                    continue;
                }
            }
        }
        let rules = match rules::read(kernel) {
            Ok(rules) => rules,
            Err(error) => {
                refusals.push(not_read(inode, "its settings", &error));
                continue;
            }
        };
        let addresses = addresses::read();
        let agent = agents.iter().find(|(netns, _)| *netns == inode);
        hosts.push(Host {
            netns: inode,
            name: namespaces.name(inode),
            path: namespaces.paths(inode).find(|path| is_plain(path)).cloned(),
            own: is_own,
            lasting: is_of_machine(inode),
            udp: PortSet::default(),
            rules,
            timestamps: setting("tcp_timestamps").and_then(|value| value.try_into().ok()),
            unprivileged_from: setting("ip_unprivileged_port_start")
                .and_then(|port| port.try_into().ok())
                .unwrap_or(1_024),
            time_wait_overflows: counters::read().time_wait_overflows,
            time_waits: of_thread("sockstat").and_then(|text| time_waits(&text)),
            conntrack: conntrack::read(),
            addresses: addresses.known,
            addresses_unread: addresses.unread,
            networks: networks::read(),
            usual_tw_buckets,
            listeners: Vec::new(),
            node_agent: agent.map(|(_, name)| name.clone()),
        });
    }
    refusals.extend(refused.note());
    Survey { hosts, refusals }
}

/// The namespace of a process that runs on a Kubernetes node, and its name.
fn node_agent(directory: &Directory) -> Option<(u32, String)> {
    let comm = directory.read("comm").ok()?;
    let comm = comm.trim_ascii_end();
    let is_agent = NODE_AGENTS.contains(&comm);
    let netns = || directory.link("ns/net", "net").ok().flatten();
    is_agent
        .then(|| Some((netns()?, String::from_utf8_lossy(comm).into_owned())))
        .flatten()
}

/// Whether files in `/etc/sysctl.d` are for this namespace: it is that of process 1, and process 1 is the
/// machine's, not a container's (the inode of the first pid namespace never differs: `PROC_PID_INIT_INO`).
fn is_of_machine(inode: u32) -> bool {
    const FIRST_PID_NAMESPACE: u64 = 0xEFFF_FFFC;
    let number = |path: &str| fs::metadata(path).ok().map(|file| file.ino());
    number("/proc/self/ns/pid") == Some(FIRST_PID_NAMESPACE)
        && number("/proc/1/ns/net") == Some(inode.into())
}

/// A path that a shell takes as it is, and that is worth showing.
fn is_plain(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-:@".contains(&byte);
    path.starts_with('/') && path.len() <= 200 && path.bytes().all(plain)
}

fn of_thread(name: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/thread-self/net/{name}")).ok()
}

/// A number of `net.ipv4`.
fn setting(name: &str) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).ok()?;
    text.trim().parse().ok()
}

/// `TCP: inuse 3 orphan 0 tw 5 ...`.
fn time_waits(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let mut words = line.split_ascii_whitespace();
    words.find(|word| *word == "tw")?;
    words.next()?.parse().ok()
}

fn add_listeners(hosts: &mut [Host], netns: Option<u32>) {
    let everything = Look {
        netns,
        owners: true,
    };
    let _report = super::look(&everything, &mut |batch| {
        for found in batch {
            if let Found::UdpSocket(socket) = &found {
                let host = hosts.iter_mut().find(|host| host.netns == socket.netns);
                if let Some(host) = host {
                    host.udp.insert(socket.port);
                }
            }
            let Found::Socket(socket) = found else {
                continue;
            };
            if socket.state != TcpState::Listen {
                continue;
            }
            let tuple = socket.tuple;
            let host = hosts.iter_mut().find(|host| host.netns == tuple.netns);
            if let Some(host) = host.filter(|host| host.listeners.len() < LISTENERS) {
                host.listeners.push(Listener {
                    port: tuple.src_port,
                    address: tuple.src,
                    process: socket
                        .process
                        .map(|process| (process.comm.clone(), process.pid)),
                });
            }
        }
    });
    for host in hosts {
        host.listeners.sort_unstable();
        host.listeners.dedup();
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_own_namespace_is_told_with_its_listeners() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let own = namespaces::own().expect("readable");
        let survey = survey(Some(own), true).expect("a thread");
        let [host] = survey.hosts.as_slice() else {
            panic!("one namespace: {survey:?}");
        };
        assert!(survey.refusals.is_empty(), "{survey:?}");
        assert!(host.knows_addresses(true) && host.knows_addresses(false));
        assert!(host.own && host.netns == own);
        assert!(host.unprivileged_from <= host.rules.range.lo);
        assert!(host.time_wait_overflows.is_some() && host.time_waits.is_some());
        let mine = host.listeners.iter().find(|found| found.port == port);
        let process = mine.and_then(|found| found.process.as_ref());
        assert_eq!(process.map(|(_, pid)| *pid), Some(std::process::id()));
    }

    #[test]
    fn time_waits_are_found_by_name() {
        assert_eq!(time_waits("TCP: inuse 3 orphan 0 tw 5 alloc 4"), Some(5));
        assert_eq!(time_waits("UDP: inuse 3"), None);
    }

    #[test]
    fn paths_that_a_shell_would_read_otherwise_are_not_shown() {
        assert!(is_plain("/run/netns/blue-1") && is_plain("/proc/12/ns/net"));
        for path in [
            "/run/netns/a b",
            "/run/netns/$(x)",
            "/run/netns/é",
            "relative",
            "/a\n",
        ] {
            assert!(!is_plain(path), "{path:?}");
        }
    }
}
