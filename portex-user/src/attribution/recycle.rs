//! Which TIME_WAITs a connect() takes over (`tcp_twsk_unique`).

use super::{
    clock::{self, MILLISECOND, SECOND, TIME_WAIT},
    space::{Held, Key, Phase, Timestamps},
};
use crate::found::Rules;

/// What comes about sooner than this makes `exact` a promise that cannot be kept.
const SOON: u64 = 3 * SECOND / 2;

/// How a held port stands in the way of the next connect().
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// A connection holds it.
    Live,
    /// A TIME_WAIT holds it.
    TimeWait,
    /// A TIME_WAIT holds it, or not any more within a moment, or nobody knows.
    Unsure,
    /// A TIME_WAIT holds it, and a connect() takes it over.
    Recyclable,
}

/// The rule for the TIME_WAITs of one space.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recycling {
    allowed: bool,
    /// Whether a FIN_WAIT2 minisocket may perhaps be taken over too.
    fin_wait2: bool,
    /// Age from which it may be, and from which it is sure to be taken over, in nanoseconds.
    may: u64,
    must: u64,
}

impl Recycling {
    pub(super) fn new(rules: &Rules, key: &Key) -> Self {
        let must = clock::nanos(rules.tw_reuse_delay);
        let coarse = if rules.tw_reuse_coarse { SECOND } else { 0 };
        Self {
            allowed: match rules.tw_reuse {
                0 => false,
                2 => key.is_loopback(),
                _ => true,
            },
            fin_wait2: rules.tw_reuse_fin_wait2,
            // Whole seconds: the next one may begin at once.
            may: must.saturating_sub(coarse),
            must: must.saturating_add(coarse),
        }
    }

    fn applies(&self, held: &Held) -> bool {
        self.allowed && (self.fin_wait2 || held.phase != Phase::FinWait2)
    }

    /// How such a port stands in the way; `blocked`: its bucket is not connect's own.
    pub(super) fn claim(&self, held: &Held, blocked: bool, now: u64) -> Claim {
        if !held.phase.is_time_wait() {
            return Claim::Live;
        }
        if held.expires_not_before() < now.saturating_add(SOON) {
            return Claim::Unsure;
        }
        if blocked || !self.applies(held) || held.timestamps == Timestamps::No {
            return Claim::TimeWait;
        }
        let age = now.saturating_sub(held.at);
        let oldest = age.saturating_add(u64::from(held.early) * MILLISECOND);
        let sure = held.timestamps == Timestamps::Yes && held.phase == Phase::TimeWait;
        if sure && age > self.must {
            Claim::Recyclable
        } else if oldest.saturating_add(SOON) < self.may && held.phase == Phase::TimeWait {
            Claim::TimeWait
        } else {
            Claim::Unsure
        }
    }

    /// When the port of a TIME_WAIT can be had again.
    pub(super) fn returns(&self, held: &Held, blocked: bool) -> u64 {
        let sure = held.timestamps == Timestamps::Yes && held.phase == Phase::TimeWait;
        if !blocked && self.applies(held) && sure {
            held.expires().min(held.at.saturating_add(self.must))
        } else {
            held.expires()
        }
    }

    /// How long a TIME_WAIT that begins now keeps its port, in seconds, if its peer sends timestamps.
    pub(super) fn keeps(&self, timestamps: bool) -> f64 {
        let life = clock::nanos(TIME_WAIT);
        let keeps = if self.allowed && timestamps {
            self.must.min(life)
        } else {
            life
        };
        clock::seconds(keeps.max(MILLISECOND))
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, time::Duration};

    use super::*;
    use crate::attribution::{binds::Namespace, owners::OwnerId, space::Chosen};

    const START: u64 = 1_000 * SECOND;

    fn rules(tw_reuse: u8, coarse: bool) -> Rules {
        Rules {
            tw_reuse,
            tw_reuse_coarse: coarse,
            tw_reuse_delay: Duration::from_secs(1),
            ..Namespace::default().rules
        }
    }

    fn key(src: [u8; 4]) -> Key {
        Key {
            netns: 1,
            dev: 0,
            src: Ipv4Addr::from(src).into(),
            dst: Ipv4Addr::new(10, 0, 0, 2).into(),
            dst_port: 443,
        }
    }

    fn time_wait(phase: Phase, timestamps: Timestamps) -> Held {
        Held {
            socket: 1,
            at: START,
            life: 60_000,
            early: 0,
            owner: OwnerId::UNKNOWN,
            phase,
            timestamps,
            chosen: Chosen::Search,
            close_wait: false,
            row: 0,
            scan: 0,
        }
    }

    fn claim(rules: &Rules, src: [u8; 4], held: &Held, age_ms: u64) -> Claim {
        let now = START + age_ms * MILLISECOND;
        Recycling::new(rules, &key(src)).claim(held, false, now)
    }

    #[test]
    fn only_with_timestamps_and_where_the_setting_allows_it() {
        let yes = time_wait(Phase::TimeWait, Timestamps::Yes);
        let no = time_wait(Phase::TimeWait, Timestamps::No);
        let unknown = time_wait(Phase::TimeWait, Timestamps::Unknown);
        let (near, far) = ([127, 0, 0, 1], [10, 0, 0, 1]);
        assert_eq!(
            claim(&rules(2, false), near, &yes, 5_000),
            Claim::Recyclable
        );
        assert_eq!(claim(&rules(2, false), far, &yes, 5_000), Claim::TimeWait);
        assert_eq!(claim(&rules(1, false), far, &yes, 5_000), Claim::Recyclable);
        assert_eq!(claim(&rules(0, false), near, &yes, 5_000), Claim::TimeWait);
        assert_eq!(claim(&rules(1, false), far, &no, 5_000), Claim::TimeWait);
        assert_eq!(claim(&rules(1, false), far, &unknown, 5_000), Claim::Unsure);
    }

    #[test]
    fn in_fin_wait2_perhaps_on_old_kernels_else_not() {
        let held = time_wait(Phase::FinWait2, Timestamps::Yes);
        let old = Rules {
            tw_reuse_fin_wait2: true,
            ..rules(1, true)
        };
        assert_eq!(
            claim(&rules(1, false), [10, 0, 0, 1], &held, 5_000),
            Claim::TimeWait
        );
        assert_eq!(claim(&old, [10, 0, 0, 1], &held, 5_000), Claim::Unsure);
    }

    #[test]
    fn around_the_moment_nothing_is_promised() {
        let held = time_wait(Phase::TimeWait, Timestamps::Yes);
        let late = Rules {
            tw_reuse_delay: Duration::from_secs(10),
            ..rules(1, false)
        };
        let at = |age| claim(&late, [10, 0, 0, 1], &held, age);
        assert_eq!(at(8_000), Claim::TimeWait);
        assert_eq!(at(9_000), Claim::Unsure);
        assert_eq!(at(10_001), Claim::Recyclable);
        assert_eq!(at(59_000), Claim::Unsure, "it ends within a moment");
        assert_eq!(
            claim(&rules(1, true), [10, 0, 0, 1], &held, 1_500),
            Claim::Unsure
        );
    }

    #[test]
    fn a_blocked_port_is_never_taken_over() {
        let held = time_wait(Phase::TimeWait, Timestamps::Yes);
        let recycling = Recycling::new(&rules(1, false), &key([10, 0, 0, 1]));
        assert_eq!(
            recycling.claim(&held, true, START + 9 * SECOND),
            Claim::TimeWait
        );
        assert_eq!(recycling.returns(&held, true), START + 60 * SECOND);
        assert_eq!(recycling.returns(&held, false), START + SECOND);
    }
}
