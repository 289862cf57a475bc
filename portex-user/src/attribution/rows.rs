//! From a space to its rows in the picture: what of each range is used, by whom, and until when.

use std::cmp::Reverse;

use super::{
    State,
    activity::Activity,
    binds::Namespace,
    capacity::{self, Field},
    clock,
    forecast::{Outlook, Returns},
    owners::OwnerId,
    prefix::Prefix,
    processes::ByOwner,
    rates::{Count, window},
    recycle::{Claim, Recycling},
    snapshot::{self, Holder, Rates},
    space::{Held, Key, Row, Space, Timestamps},
    spaces,
};
use crate::ports::{PortRange, PortSet};

/// A namespace, as all of its rows need it.
pub(super) struct Ground<'a> {
    pub(super) namespace: &'a Namespace,
    /// The ports of its range.
    pub(super) field: Field<'a>,
    /// Where binds cannot be seen: the ports that one may keep from connect(), none of them reserved.
    pub(super) perhaps_blocked: Option<PortSet>,
    /// What the latest scan says of it still holds.
    pub(super) fresh: bool,
}

/// What a row adds up.
#[derive(Default)]
struct Tally {
    used: u32,
    time_wait: u32,
    close_wait: u32,
    /// Chosen by bind() to port 0.
    bound: u32,
    recyclable: u32,
    /// Of the used, in B.
    used_in_b: u32,
    /// In R − B, and in the way.
    taken: u32,
    unsure: bool,
    /// Of the TIME_WAITs, with timestamps, and without.
    timestamps: (u32, u32),
    /// Ports, and of these in TIME_WAIT.
    owners: ByOwner<(u32, u32)>,
}

impl State {
    /// Adds the rows of a space.
    pub(super) fn add_rows(
        &self,
        (key, space): (&Key, &Space),
        ground: &Ground<'_>,
        now: u64,
        rows: &mut Vec<snapshot::Space>,
    ) {
        let ranges = shown_ranges(space, ground.namespace.rules.range, now);
        rows.extend(
            ranges
                .iter()
                .map(|ranged| self.row((key, space), ranged, ground, now)),
        );
    }

    /// The row of a range.
    fn row(
        &self,
        (key, space): (&Key, &Space),
        ranged: &Ranged<'_>,
        ground: &Ground<'_>,
        now: u64,
    ) -> snapshot::Space {
        let rules = &ground.namespace.rules;
        let range = ranged.range;
        let field = ground.field.of(range);
        let recycling = Recycling::new(rules, key);
        let prefix = self.spaces.prefix(key, space);
        let tally = prefix.tally(&field, &recycling, now);
        let in_use = |port: u16| {
            let held = prefix.held(port);
            held.is_some_and(|held| prefix.claim(held, false, &recycling, now) != Claim::Recyclable)
        };
        let likely = field.free(tally.taken, in_use);
        let free = match &ground.perhaps_blocked {
            Some(ports) => Field::new(range, &rules.reserved, ports).free(0, |_| false),
            None => likely,
        };
        // In which VRF the device is, if in any, is not known: what blocks and what holds ports may
        // be another there.
        let known = key.dev == 0;
        let activities = || ranged.rows.iter().map(|row| &row.activity);
        let watched = self.watched_from;
        let exhausts_in = watched.and_then(|from| {
            let mut outlook = outlook(&tally, space, range, rules.range, (from, now));
            outlook.free = f64::from(likely.ports);
            outlook.keeps = recycling.keeps(tally.timestamps.0 > tally.timestamps.1);
            let returns = || prefix.returns(&field, &recycling, now);
            outlook.exhausts_in(returns)
        });
        snapshot::Space {
            netns: key.netns,
            src: key.src.ip(),
            dst: key.dst.ip(),
            dst_port: key.dst_port,
            dev: key.dev,
            range,
            own_range: ranged.own,
            capacity: field.capacity,
            used: tally.used,
            time_wait: tally.time_wait,
            close_wait: tally.close_wait,
            bound: tally.bound,
            recyclable: tally.recyclable,
            blocked: field.in_b.saturating_sub(tally.used_in_b),
            free: free.ports,
            exact: ground.fresh && known && free.exact && !tally.unsure,
            fill: fill(free.ports, field.capacity),
            rates: watched.map(|from| {
                let rates = activities().map(|activity| activity.flow.rates(from, now));
                rates.fold(Rates::default(), Rates::and)
            }),
            failures: watched.map(|_| activities().map(|activity| activity.failures).sum()),
            exhausts_in,
            need: watched.and_then(|from| {
                let needs = activities().filter_map(|activity| need(activity, from, now));
                needs.reduce(|a, b| a + b)
            }),
            hold: Activity::hold_of(activities()),
            search: Activity::search_of(activities()),
            owners: self.owners_of(tally.owners.all()),
        }
    }

    fn owners_of(&self, mut shares: Vec<(OwnerId, (u32, u32))>) -> Vec<snapshot::Owner> {
        shares.sort_unstable_by_key(|&(id, (ports, _))| (Reverse(ports), id));
        let owner = |(id, (ports, time_wait))| snapshot::Owner {
            holder: self.holder_of(id),
            ports,
            time_wait,
        };
        shares.into_iter().map(owner).collect()
    }

    pub(super) fn holder_of(&self, owner: OwnerId) -> Holder {
        self.owners
            .get(owner)
            .map_or_else(Holder::unknown, super::owners::Process::holder)
    }
}

impl Prefix<'_> {
    fn tally(&self, field: &Field<'_>, recycling: &Recycling, now: u64) -> Tally {
        let mut tally = Tally::default();
        for (port, held) in self.iter().filter(|(port, _)| field.contains(*port)) {
            let blocked = field.is_blocked(port);
            let claim = self.claim((port, held), blocked, recycling, now);
            tally.add(held, claim, blocked);
        }
        tally
    }

    fn returns(&self, field: &Field<'_>, recycling: &Recycling, now: u64) -> Returns {
        let mut returns = Returns::default();
        for (port, held) in self.iter().filter(|(port, _)| field.contains(*port)) {
            let blocked = field.is_blocked(port);
            let claim = self.claim((port, held), blocked, recycling, now);
            if held.phase.is_time_wait() && claim != Claim::Recyclable {
                let after = recycling.returns(held, blocked).saturating_sub(now);
                returns.add(1.0, clock::seconds(after));
            }
        }
        returns
    }
}

impl Tally {
    fn add(&mut self, held: &Held, claim: Claim, blocked: bool) {
        let time_wait = u32::from(held.phase.is_time_wait());
        self.used += 1;
        self.time_wait += time_wait;
        self.close_wait += u32::from(held.close_wait);
        self.bound += u32::from(held.chosen.by_bind());
        self.recyclable += u32::from(claim == Claim::Recyclable);
        self.used_in_b += u32::from(blocked);
        self.taken += u32::from(!blocked && claim != Claim::Recyclable);
        self.unsure |= !blocked && claim == Claim::Unsure;
        let share = self.owners.of(held.owner);
        share.0 += 1;
        share.1 += time_wait;
        match held.timestamps {
            Timestamps::Yes => self.timestamps.0 += 1,
            Timestamps::No => self.timestamps.1 += 1,
            Timestamps::Unknown => {}
        }
    }
}

/// A range of a space.
pub(super) struct Ranged<'a> {
    pub(super) range: PortRange,
    /// Whether it is one of the sockets' own.
    pub(super) own: bool,
    /// What has come down to it.
    rows: Vec<&'a Row>,
}

/// The ranges of a space that are in a picture of this moment: first that of the namespace.
pub(super) fn shown_ranges(space: &Space, namespace: PortRange, now: u64) -> Vec<Ranged<'_>> {
    let is_shown =
        |row: &&Row| row.activity.failures > 0 || row.touched.saturating_add(spaces::IDLE) >= now;
    let mut ranges = vec![Ranged {
        range: namespace,
        own: false,
        rows: space.rows.first().into_iter().collect(),
    }];
    for row in space.rows.iter().skip(1).filter(is_shown) {
        let range = range_of(row, namespace);
        // Bounds that do not count can make two ranges one.
        match ranges.iter_mut().find(|known| known.range == range) {
            Some(same) => same.rows.push(row),
            None => ranges.push(Ranged {
                range,
                own: true,
                rows: vec![row],
            }),
        }
    }
    ranges
}

fn range_of(row: &Row, namespace: PortRange) -> PortRange {
    row.own
        .map_or(namespace, |(lo, hi)| namespace.narrowed(lo, hi))
}

/// What goes on in a range, whoever takes ports from it.
fn outlook(
    tally: &Tally,
    space: &Space,
    range: PortRange,
    namespace: PortRange,
    (from, now): (u64, u64),
) -> Outlook {
    let mut outlook = Outlook {
        live: f64::from(tally.used - tally.time_wait),
        counted_over: clock::seconds(window(from, now)),
        ..Outlook::default()
    };
    for row in &space.rows {
        let share = capacity::share(range_of(row, namespace), range);
        let rate = |count| share * row.activity.flow.per_second(count, from, now);
        outlook.arrivals += rate(Count::Connect) + rate(Count::Failure);
        outlook.into_time_wait += rate(Count::TimeWait);
        outlook.direct += rate(Count::Direct);
    }
    outlook
}

/// Little's law: ports in use in the long run. Before the first release, a TIME_WAIT is taken to last.
fn need(activity: &Activity, from: u64, now: u64) -> Option<f64> {
    let connects = activity.flow.per_second(Count::Connect, from, now);
    let to_come = || Some(activity.live.get()? + clock::TIME_WAIT.as_secs_f64());
    Some(connects * activity.hold.get().or_else(to_come)?)
}

fn fill(free: u32, capacity: u32) -> f64 {
    if capacity == 0 {
        return 1.0;
    }
    1.0 - f64::from(free.min(capacity)) / f64::from(capacity)
}
