//! From the state to the picture of it.

use std::{cmp::Ordering, time::Duration};

use rustc_hash::FxHashMap;

use super::{
    State,
    binds::Namespace,
    capacity::Field,
    clock,
    processes::Shares,
    rows::Ground,
    scan::Ended,
    snapshot::{self, BindPool, Snapshot},
    space::Key,
};
use crate::ports::PortSet;

impl State {
    /// The picture at this moment.
    pub fn snapshot(&self, now: Duration) -> Snapshot {
        let time = now;
        let now = clock::nanos(now);
        let mut by_namespace: FxHashMap<u32, Vec<&Key>> = FxHashMap::default();
        for (key, _) in self
            .spaces
            .map
            .iter()
            .filter(|(_, space)| space.is_shown(now))
        {
            by_namespace.entry(key.netns).or_default().push(key);
        }
        let refusing = self.refused_binds.namespaces(now);
        for netns in self.namespaces.keys().copied().chain(refusing) {
            by_namespace.entry(netns).or_default();
        }
        let mut picture = Snapshot {
            time,
            watched: self
                .watched_from
                .map(|from| Duration::from_nanos(now.saturating_sub(from))),
            events: self.events,
            lost: self.lost,
            dropped: self.dropped(),
            hidden_namespaces: self.ended.map_or(0, |ended| ended.sight.hidden_namespaces),
            drift: self.drift,
            failures: self.failures.latest(&self.owners),
            ..Snapshot::default()
        };
        let mut shares = Shares::default();
        for (netns, keys) in by_namespace {
            self.add_namespace(netns, &keys, now, &mut shares, &mut picture);
        }
        picture.processes = self.processes(&shares, now);
        adopt_strays(&mut picture.spaces);
        picture.spaces.sort_unstable_by(by_danger);
        picture.bind_pools.sort_unstable_by(by_fill);
        picture
            .namespaces
            .sort_unstable_by_key(|namespace| namespace.inode);
        picture
    }

    fn add_namespace(
        &self,
        netns: u32,
        keys: &[&Key],
        now: u64,
        shares: &mut Shares,
        picture: &mut Snapshot,
    ) {
        let unseen = Namespace::default();
        let namespace = self.namespaces.get(&netns).unwrap_or(&unseen);
        let rules = &namespace.rules;
        let blocked = namespace.blocked();
        let sees_binds = self.ended.is_none_or(|ended| ended.sight.binds);
        let ground = Ground {
            namespace,
            field: Field::new(rules.range, &rules.reserved, &blocked),
            perhaps_blocked: (!sees_binds).then(|| self.perhaps_blocked(keys, namespace)),
            fresh: self
                .ended
                .is_some_and(|ended| self.is_fresh(&ended, namespace, now)),
        };
        let mut time_wait = namespace.accepted_time_wait;
        let rows_before = picture.spaces.len();
        for &key in keys {
            let Some(space) = self.spaces.map.get(key) else {
                continue;
            };
            time_wait += shares.add(key, space, rules.range);
            self.add_rows((key, space), &ground, now, &mut picture.spaces);
        }
        let room = self.limits.pools.saturating_sub(picture.bind_pools.len());
        let (mut pools, without_room) = self.pools(netns, (keys, now), &ground, room);
        picture.dropped += without_room as u64;
        let room = room.saturating_sub(pools.len());
        let (of_udp, without_room) = self.udp_pools(netns, &ground, now, room);
        picture.dropped += without_room as u64;
        pools.extend(of_udp);
        if picture.spaces.len() == rows_before && pools.is_empty() {
            return;
        }
        picture.bind_pools.extend(pools);
        picture.namespaces.push(snapshot::Namespace {
            inode: netns,
            name: namespace.name.clone(),
            range: rules.range,
            reserved: rules.reserved.count_in(rules.range),
            tw_reuse: rules.tw_reuse,
            time_wait,
            max_tw_buckets: rules.max_tw_buckets,
            time_wait_overflows: namespace.counters.time_wait_overflows,
            fin_timeout: rules.fin_timeout,
            autobind_reuse: rules.autobind_reuse,
        });
    }

    /// Without sight of the binds, any port that somebody holds may have been chosen by one.
    fn perhaps_blocked(&self, keys: &[&Key], namespace: &Namespace) -> PortSet {
        let mut ports = namespace.blocked();
        let spaces = keys.iter().filter_map(|key| self.spaces.map.get(*key));
        for &port in spaces.flat_map(|space| space.held.keys()) {
            if !namespace.rules.reserved.contains(port) {
                ports.insert(port);
            }
        }
        ports
    }

    /// Whether what the scan said of the binds, and the events since, can be relied on.
    fn is_fresh(&self, ended: &Ended, namespace: &Namespace, now: u64) -> bool {
        ended.sight.binds
            && namespace.scanned
            && !namespace.doubtful
            && ended.is_recent(now)
            && ended.lost == self.lost
            && ended.dropped == self.dropped()
    }
}

/// The sooner it is exhausted, the more connects fail, the fuller: the earlier.
fn by_danger(a: &snapshot::Space, b: &snapshot::Space) -> Ordering {
    // One that is full is, also while nobody connects.
    let end = |space: &snapshot::Space| match space.free {
        0 if space.exact => Duration::ZERO,
        _ => space.exhausts_in.unwrap_or(Duration::MAX),
    };
    let failures = |space: &snapshot::Space| space.rates.map_or(0.0, |rates| rates.failures);
    let name = |space: &snapshot::Space| {
        (
            space.netns,
            space.src,
            space.dst,
            space.dst_port,
            space.dev,
            space.range,
        )
    };
    end(a)
        .cmp(&end(b))
        .then_with(|| failures(b).total_cmp(&failures(a)))
        .then_with(|| b.fill.total_cmp(&a.fill))
        .then_with(|| b.used.cmp(&a.used))
        .then_with(|| name(a).cmp(&name(b)))
}

fn by_fill(a: &BindPool, b: &BindPool) -> Ordering {
    let left = |pool: &BindPool| f64::from(pool.free) / f64::from(pool.capacity.max(1));
    left(a)
        .total_cmp(&left(b))
        .then_with(|| (a.netns, a.proto, a.src).cmp(&(b.netns, b.proto, b.src)))
}

/// A failure whose source is not known any more counts for the only space that it can belong to.
fn adopt_strays(rows: &mut Vec<snapshot::Space>) {
    let is_stray = |row: &snapshot::Space| row.src.is_unspecified() && row.used == 0;
    if !rows.iter().any(is_stray) {
        return;
    }
    let toward = |row: &snapshot::Space| {
        (
            row.netns,
            row.dst,
            row.dst_port,
            row.dev,
            row.own_range,
            row.range,
        )
    };
    let (strays, mut kept): (Vec<_>, Vec<_>) = std::mem::take(rows).into_iter().partition(is_stray);
    let mut known: FxHashMap<_, Option<usize>> = FxHashMap::default();
    for (index, row) in kept.iter().enumerate() {
        known
            .entry(toward(row))
            .and_modify(|only| *only = None)
            .or_insert(Some(index));
    }
    let mut alone = Vec::new();
    for stray in strays {
        let only = known.get(&toward(&stray)).copied().flatten();
        match only.and_then(|index| kept.get_mut(index)) {
            Some(row) => add_failures(row, &stray),
            None => alone.push(stray),
        }
    }
    kept.append(&mut alone);
    *rows = kept;
}

fn add_failures(row: &mut snapshot::Space, stray: &snapshot::Space) {
    if let (Some(sum), Some(more)) = (&mut row.failures, stray.failures) {
        *sum += more;
    }
    if let (Some(sum), Some(more)) = (&mut row.rates, stray.rates) {
        sum.failures += more.failures;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::snapshot::samples;

    #[test]
    fn a_full_space_is_in_danger_also_while_nobody_connects() {
        let soon = samples::space();
        assert!(soon.exhausts_in.is_some() && soon.free > 0);
        let full = snapshot::Space {
            free: 0,
            fill: 1.0,
            exact: true,
            exhausts_in: None,
            ..soon.clone()
        };
        assert_eq!(by_danger(&full, &soon), Ordering::Less);
        let perhaps = snapshot::Space {
            exact: false,
            ..full
        };
        assert_eq!(by_danger(&perhaps, &soon), Ordering::Greater);
    }
}
