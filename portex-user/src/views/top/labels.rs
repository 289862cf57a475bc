//! What addresses, ports, namespaces and processes are called on the screen.

use std::{
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use rustc_hash::{FxHashMap, FxHashSet};

use crate::{
    attribution::snapshot::{Holder, Snapshot, Space},
    views::snapshot::names,
};

/// Names of ports, as `/etc/services` has them. Untrusted.
pub type Services = FxHashMap<u16, Box<str>>;

/// Most addresses whose names are remembered.
const HOSTS: usize = 4_096;
/// Most that are asked for at a time: fewer than may wait for an answer.
const ASKED: usize = 128;

/// The names that are known and shown. All texts that it gives are safe for a terminal and bounded.
#[derive(Debug, Default)]
pub(in crate::views::top) struct Labels {
    services: Services,
    services_shown: bool,
    hosts_shown: bool,
    /// By address; `None` while there is no answer, or when it has no name.
    hosts: FxHashMap<IpAddr, Option<Box<str>>>,
    /// Of these, those whose answer has not come.
    asked: FxHashSet<IpAddr>,
    /// By inode number.
    namespaces: FxHashMap<u32, Box<str>>,
}

impl Labels {
    /// With names of ports shown, and names of addresses if wanted.
    pub(in crate::views::top) fn new(services: &Services, hosts_shown: bool) -> Self {
        let named = services.iter();
        Self {
            services: named.map(|(port, name)| (*port, boxed(name))).collect(),
            services_shown: true,
            hosts_shown,
            ..Self::default()
        }
    }

    /// Learns the names of the namespaces.
    pub(in crate::views::top) fn learn(&mut self, snapshot: &Snapshot) {
        self.namespaces.clear();
        let named = snapshot.namespaces.iter();
        self.namespaces
            .extend(named.filter_map(|netns| Some((netns.inode, boxed(netns.name.as_deref()?)))));
    }

    /// Learns the name of an address that was asked for.
    pub(in crate::views::top) fn learn_host(&mut self, address: IpAddr, name: Option<&Arc<str>>) {
        self.asked.remove(&address);
        if let Some(known) = self.hosts.get_mut(&address) {
            *known = name.map(|name| boxed(name)).filter(|name| !name.is_empty());
        }
    }

    /// Which of these addresses are to be asked for now: each once, and not too many at a time.
    pub(in crate::views::top) fn unknown(&mut self, shown: &FxHashSet<IpAddr>) -> Vec<IpAddr> {
        let mut asked = Vec::new();
        if !self.hosts_shown {
            return asked;
        }
        if self.hosts.len() >= HOSTS {
            let waiting = &self.asked;
            self.hosts
                .retain(|address, _| waiting.contains(address) || shown.contains(address));
        }
        for &address in shown {
            let room = self.hosts.len() < HOSTS && self.asked.len() < ASKED;
            if room && !self.hosts.contains_key(&address) {
                self.hosts.insert(address, None);
                self.asked.insert(address);
                asked.push(address);
            }
        }
        asked
    }

    /// Shows ports by name or by number.
    pub(in crate::views::top) fn toggle_services(&mut self) {
        self.services_shown = !self.services_shown;
    }

    /// Shows addresses by name or by number.
    pub(in crate::views::top) fn toggle_hosts(&mut self) {
        self.hosts_shown = !self.hosts_shown;
    }

    /// Whether ports are shown by name, and addresses.
    pub(in crate::views::top) fn shown(&self) -> (bool, bool) {
        (self.services_shown, self.hosts_shown)
    }

    fn host(&self, address: IpAddr) -> Option<&str> {
        let known = self.hosts_shown.then(|| self.hosts.get(&address))??;
        known.as_deref()
    }

    fn service(&self, port: u16) -> Option<&str> {
        let known = self.services_shown.then(|| self.services.get(&port))??;
        Some(known)
    }

    /// A destination: `10.0.0.2:443`, `[::1]:https`, `db.example:5432`.
    pub(in crate::views::top) fn destination(&self, dst: IpAddr, port: u16) -> String {
        let mut text = String::new();
        self.put_destination(&mut text, dst, port);
        text
    }

    /// Appends a destination.
    pub(in crate::views::top) fn put_destination(&self, out: &mut String, dst: IpAddr, port: u16) {
        // Writing to a String cannot fail.
        let _ok = match (self.host(dst), self.service(port), dst) {
            (None, None, _) => write!(out, "{}", SocketAddr::new(dst, port)),
            (Some(host), None, _) => write!(out, "{host}:{port}"),
            (Some(host), Some(service), _) => write!(out, "{host}:{service}"),
            (None, Some(service), IpAddr::V4(address)) => write!(out, "{address}:{service}"),
            (None, Some(service), IpAddr::V6(address)) => write!(out, "[{address}]:{service}"),
        };
    }

    /// Whether a destination is not shown by its numbers.
    pub(in crate::views::top) fn names_destination(&self, dst: IpAddr, port: u16) -> bool {
        self.host(dst).is_some() || self.service(port).is_some()
    }

    /// The source of a space: see [`names::source`].
    #[expect(clippy::unused_self, reason = "sources may get names too")]
    pub(in crate::views::top) fn source(&self, space: &Space) -> String {
        names::source(space)
    }

    /// A namespace: its name, or its inode number.
    pub(in crate::views::top) fn netns(&self, inode: u32) -> String {
        self.netns_name(inode)
            .map_or_else(|| inode.to_string(), str::to_owned)
    }

    /// What people call a namespace.
    pub(in crate::views::top) fn netns_name(&self, inode: u32) -> Option<&str> {
        self.namespaces.get(&inode).map(|name| &**name)
    }

    /// A process: `nginx (12)`.
    pub(in crate::views::top) fn holder(holder: &Holder) -> String {
        names::holder(holder)
    }
}

fn boxed(name: &str) -> Box<str> {
    names::safe(name.as_bytes()).into_boxed_str()
}
