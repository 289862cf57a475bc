//! What bind() to port 0 can still get, per local address (`inet_csk_find_open_port`).

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    State,
    address::Address,
    binds::Namespace,
    capacity::Field,
    owners::Process,
    pool_owners::{self, PoolOwners},
    rows::Ground,
    snapshot::{BindPool, Owner},
    space::Key,
};
use crate::{event::Proto, ports::PortSet};

/// The ports of one namespace that are held, by who is in whose way (`inet_rcv_saddr_equal`).
#[derive(Default)]
struct Sockets {
    by_address: FxHashMap<Address, PortSet>,
    /// Held by any socket at all.
    any: PortSet,
    /// Held for every address: by a socket without address that takes both families.
    both: PortSet,
    /// Held for every IPv4 address.
    v4: PortSet,
    /// Held by an IPv6 address: perhaps of an IPv6-only socket, which cannot be told.
    by_v6: PortSet,
    /// Held by `::` of an IPv6-only socket.
    only_v6: PortSet,
    on_device: bool,
}

impl State {
    /// The pools of a namespace, the fullest first: of each local address that has a space or a bound
    /// socket, or that refused a bind. At most `room` of them; and how many more there are.
    pub(super) fn pools(
        &self,
        netns: u32,
        (keys, now): (&[&Key], u64),
        ground: &Ground<'_>,
        room: usize,
    ) -> (Vec<BindPool>, usize) {
        let namespace = ground.namespace;
        let rules = &namespace.rules;
        let nothing = PortSet::default();
        let field = Field::new(rules.range, &rules.reserved, &nothing);
        let mut sockets = self.sockets(keys, namespace, &field, room);
        let refused = self.refused_binds.addresses(netns, Proto::Tcp, now);
        let refused: Vec<Address> = refused.collect();
        for &address in &refused {
            sockets.open(address, room);
        }
        let sight = self.ended.map(|ended| ended.sight).unwrap_or_default();
        if !sight.bound_sockets {
            // Somebody unseen may be bound to these, nobody knows where: perhaps everywhere.
            let blocked = || namespace.blocked();
            let ports = ground.perhaps_blocked.clone().unwrap_or_else(blocked);
            let ports = ports.iter().filter(|&port| field.contains(port)).collect();
            sockets.any.extend_from(&ports);
            sockets.both.extend_from(&ports);
        }
        let known = ground.fresh
            && sight.bound_sockets
            && !rules.autobind_reuse
            && !namespace.in_vrf
            && !sockets.on_device;
        let mut pools: Vec<(BindPool, PortSet)> = sockets
            .by_address
            .keys()
            .map(|&address| {
                let (busy, sure) = sockets.in_the_way(address);
                let used = busy.count_in(rules.range);
                let bound = namespace
                    .blocked
                    .iter()
                    .filter(|&&port| busy.contains(port));
                let bound = u32::try_from(bound.count()).unwrap_or(u32::MAX);
                let free = field.free(used, |port| busy.contains(port));
                let pool = BindPool {
                    netns,
                    proto: Proto::Tcp,
                    src: address.ip(),
                    range: rules.range,
                    capacity: field.capacity,
                    used,
                    bound,
                    free: free.ports,
                    exact: known && sure && free.exact,
                    failures: None,
                    failures_per_s: None,
                    owners: Vec::new(),
                };
                (self.with_refused(pool, address, now), busy)
            })
            .collect();
        pools.sort_unstable_by_key(|(pool, _)| (pool.free, pool.src));
        for (pool, busy) in pools.iter_mut().take(pool_owners::POOLS) {
            pool.owners = self.owners_of_pool(pool.src.into(), busy, keys, namespace);
        }
        let more = addresses(keys, namespace, &refused).saturating_sub(pools.len());
        (pools.into_iter().map(|(pool, _)| pool).collect(), more)
    }

    /// Who holds the ports that are busy for an address.
    fn owners_of_pool(
        &self,
        address: Address,
        busy: &PortSet,
        keys: &[&Key],
        namespace: &Namespace,
    ) -> Vec<Owner> {
        let meets =
            |other: Address| address.is_unspecified() || other.is_unspecified() || other == address;
        let mut owners = PoolOwners::default();
        let spaces = keys.iter().filter(|key| meets(key.src));
        for space in spaces.filter_map(|key| self.spaces.map.get(*key)) {
            for (&port, held) in space.held.iter().filter(|(port, _)| busy.contains(**port)) {
                let who = self.owners.get(held.owner).map(Process::who);
                owners.add(port, held.phase.is_time_wait(), who, || {
                    self.holder_of(held.owner)
                });
            }
        }
        for (endpoint, process) in &namespace.endpoints {
            if meets(endpoint.address) && busy.contains(endpoint.port) {
                let process = process.as_deref();
                owners.add(endpoint.port, false, pool_owners::who(process), || {
                    pool_owners::holder(process)
                });
            }
        }
        owners.most()
    }

    fn sockets(
        &self,
        keys: &[&Key],
        namespace: &Namespace,
        field: &Field<'_>,
        room: usize,
    ) -> Sockets {
        let mut sockets = Sockets::default();
        for endpoint in namespace.endpoints.keys() {
            if field.contains(endpoint.port) {
                let port = std::iter::once(endpoint.port);
                sockets.add(endpoint.address, port, endpoint.v6only, room);
                sockets.on_device |= namespace.device_ports.contains(&endpoint.port);
            }
        }
        for key in keys {
            let Some(space) = self.spaces.map.get(*key) else {
                continue;
            };
            sockets.on_device |= key.dev != 0 && !space.held.is_empty();
            let ports = space.held.keys().copied();
            let ports = ports.filter(|&port| field.contains(port));
            sockets.add(key.src, ports, false, room);
        }
        sockets
    }
}

impl Sockets {
    /// A pool of its own for an address, if there is room for one more.
    fn open(&mut self, address: Address, room: usize) {
        if self.by_address.len() < room {
            self.by_address.entry(address).or_default();
        }
    }

    /// Adds ports that are held by sockets of one kind.
    fn add(
        &mut self,
        address: Address,
        held: impl Iterator<Item = u16>,
        v6only: bool,
        room: usize,
    ) {
        self.open(address, room);
        let mut of_address = self.by_address.get_mut(&address);
        let mut of_family = match (address.is_unspecified(), address.is_v4()) {
            (true, true) => Some(&mut self.v4),
            (true, false) if v6only => Some(&mut self.only_v6),
            (true, false) => Some(&mut self.both),
            (false, false) => Some(&mut self.by_v6),
            (false, true) => None,
        };
        for port in held {
            self.any.insert(port);
            for ports in of_address.iter_mut().chain(&mut of_family) {
                ports.insert(port);
            }
        }
    }

    /// The ports that a bind to the address cannot get, and whether that is beyond doubt.
    fn in_the_way(&self, address: Address) -> (PortSet, bool) {
        if address.is_unspecified() {
            // One that is IPv6 only leaves IPv4 alone.
            let doubt = address.is_v4() && !(self.by_v6.is_empty() && self.only_v6.is_empty());
            return (self.any.clone(), !doubt);
        }
        let mut busy = self.by_address.get(&address).cloned().unwrap_or_default();
        busy.extend_from(&self.both);
        if address.is_v4() {
            busy.extend_from(&self.v4);
            return (busy, true);
        }
        busy.extend_from(&self.only_v6);
        busy.extend_from(&self.v4);
        // Whether `0.0.0.0` is in the way of an IPv6 address differs between kernels.
        (busy, self.v4.is_empty())
    }
}

/// Addresses of a namespace that could have a pool.
fn addresses(keys: &[&Key], namespace: &Namespace, refused: &[Address]) -> usize {
    let mut addresses: FxHashSet<Address> = keys.iter().map(|key| key.src).collect();
    let range = namespace.rules.range;
    addresses.extend(refused);
    let bound = namespace.endpoints.keys();
    addresses.extend(
        bound
            .filter(|endpoint| range.contains(endpoint.port))
            .map(|endpoint| endpoint.address),
    );
    addresses.len()
}
