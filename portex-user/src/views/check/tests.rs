use std::{collections::BTreeMap, sync::Arc, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::{escape, views::snapshot::samples};

const USUAL: Thresholds = Thresholds {
    warn: 0.8,
    crit: 0.95,
};

/// With one space of so many ports, and nothing else.
fn with_space(capacity: u32, free: u32) -> Snapshot {
    Snapshot {
        spaces: vec![Space {
            capacity,
            free,
            exhausts_in: None,
            ..samples::space()
        }],
        processes: Vec::new(),
        bind_pools: Vec::new(),
        ..samples::snapshot()
    }
}

/// A metric, read back by the guidelines.
#[derive(Debug, PartialEq)]
struct Metric {
    value: f64,
    unit: String,
    warn: Option<(f64, f64)>,
    crit: Option<(f64, f64)>,
    min: Option<f64>,
    max: Option<f64>,
}

impl Metric {
    /// Whether a value is outside of a range of good ones.
    fn outside(&self, range: Option<(f64, f64)>) -> bool {
        range.is_some_and(|(lo, hi)| self.value < lo || self.value > hi)
    }

    fn status(&self) -> Status {
        if self.outside(self.crit) {
            Status::Critical
        } else if self.outside(self.warn) {
            Status::Warning
        } else {
            Status::Ok
        }
    }
}

/// `10` is 0 to 10, `10:` is 10 and more, `~:10` is 10 and less, `5:10` is what it says.
fn range(text: &str) -> Option<(f64, f64)> {
    let number = |text: &str| text.parse::<f64>().expect("a number");
    let bound = |text: &str, else_: f64| if text.is_empty() { else_ } else { number(text) };
    match text.split_once(':') {
        None if text.is_empty() => None,
        None => Some((0.0, number(text))),
        Some(("~", hi)) => Some((f64::NEG_INFINITY, bound(hi, f64::INFINITY))),
        Some((lo, hi)) => Some((number(lo), bound(hi, f64::INFINITY))),
    }
}

/// What stands before the performance data, and those.
fn read(line: &str) -> (&str, BTreeMap<&str, Metric>) {
    let (text, data) = line.split_once('|').expect("performance data");
    assert!(!data.contains('|') && !line.contains('\n'), "{line}");
    let metrics = data.split_whitespace().map(|metric| {
        let (label, rest) = metric.split_once('=').expect("a label");
        let mut parts = rest.split(';');
        let measured = parts.next().expect("a value");
        let digits = measured.trim_end_matches(|c: char| !c.is_ascii_digit());
        let mut next = || parts.next().filter(|part| !part.is_empty());
        let metric = Metric {
            value: digits.parse().expect("a number"),
            unit: measured[digits.len()..].to_owned(),
            warn: next().and_then(range),
            crit: next().and_then(range),
            min: next().map(|part| part.parse().expect("a number")),
            max: next().map(|part| part.parse().expect("a number")),
        };
        (label, metric)
    });
    let metrics = metrics.collect();
    (text.trim_end(), metrics)
}

#[test]
fn enough_ports_are_ok() {
    let mut snapshot = samples::snapshot();
    snapshot.spaces = vec![samples::roomy()];
    let (status, line) = check(&snapshot, &USUAL);
    assert_eq!((status, status.code()), (Status::Ok, 0));
    assert_eq!(
        line,
        "PORTEX OK - fullest space 10.0.0.1 -> 10.0.0.3:80 (host): 12.0% of 28232 ports, 24844 free \
         | space_fill=12.0%;80;95;0;100 space_free=24844;5647:;1412:;0;28232 \
         pool_fill=50.0%;80;95;0;100 pool_free=14116;5647:;1412:;0;28232 time_wait=27000;;;0 \
         failures=0;;0;0 bind_failures=0;;0;0"
    );
}

#[test]
fn a_space_at_a_threshold_is_beyond_it() {
    let status = |free| check(&with_space(100, free), &USUAL).0;
    assert_eq!(status(21), Status::Ok);
    assert_eq!(status(20), Status::Warning);
    assert_eq!(status(6), Status::Warning);
    assert_eq!(status(5), Status::Critical);
    assert_eq!(status(0), Status::Critical);
    assert_eq!((Status::Warning.code(), Status::Critical.code()), (1, 2));
    // The binary 0.07 is a little more than seven hundredths.
    let seven = Thresholds {
        warn: 0.07,
        crit: 0.95,
    };
    assert_eq!(check(&with_space(100, 93), &seven).0, Status::Warning);
    assert_eq!(check(&with_space(100, 94), &seven).0, Status::Ok);
}

#[test]
fn a_critical_threshold_below_the_warning_goes_before_it() {
    let turned = Thresholds {
        warn: 0.9,
        crit: 0.5,
    };
    assert_eq!(check(&with_space(100, 40), &turned).0, Status::Critical);
    assert_eq!(check(&with_space(100, 51), &turned).0, Status::Ok);
}

#[test]
fn a_full_pool_is_an_alarm_too() {
    let mut snapshot = samples::snapshot();
    snapshot.spaces = vec![samples::roomy()];
    snapshot.bind_pools[0].free = 1;
    snapshot.bind_pools[0].exact = false;
    let (status, line) = check(&snapshot, &USUAL);
    assert_eq!(status, Status::Critical);
    let (text, metrics) = read(&line);
    assert!(
        text.ends_with(
            "; bind pool tcp 10.0.0.1 (host): 99.9% of 28232 ports, 1 free (lower bound), most held by nginx (12)"
        ),
        "{text}"
    );
    assert_eq!(metrics["pool_free"].status(), Status::Critical);
    assert_eq!(metrics["space_free"].status(), Status::Ok);
}

#[test]
fn the_fullest_space_is_judged_wherever_it_stands() {
    let mut snapshot = samples::snapshot();
    snapshot.spaces = vec![samples::roomy(), samples::space(), samples::roomy()];
    let (status, line) = check(&snapshot, &USUAL);
    assert_eq!(status, Status::Critical);
    let (text, metrics) = read(&line);
    assert_eq!(
        text,
        "PORTEX CRITICAL - fullest space 10.0.0.1 -> 10.0.0.2:443 (host): 98.8% of 28232 ports, \
         312 free, the next connect() fails in 14s at this rate"
    );
    assert!((metrics["space_fill"].value - 98.8).abs() < 1e-9);
    assert_eq!(metrics["space_fill"].unit, "%");
    assert_eq!(metrics["space_fill"].warn, Some((0.0, 80.0)));
    assert_eq!(metrics["space_free"].min, Some(0.0));
    assert_eq!(metrics["space_free"].max, Some(28_232.0));
}

#[test]
fn a_connect_without_a_port_is_critical_and_names_the_process() {
    let mut snapshot = samples::snapshot();
    let failing = |failures| Space {
        failures: Some(failures),
        ..samples::roomy()
    };
    snapshot.spaces = vec![failing(3)];
    snapshot.processes[0].failures = Some(3);
    let (status, line) = check(&snapshot, &USUAL);
    assert_eq!(status, Status::Critical);
    let (text, metrics) = read(&line);
    assert!(
        text.starts_with(
            "PORTEX CRITICAL - 3 connect() got no port: 10.0.0.1 -> 10.0.0.3:80 (host), nginx (12); \
             fullest space "
        ),
        "{text}"
    );
    assert_eq!(metrics["failures"].status(), Status::Critical);
    assert_eq!(metrics["space_free"].status(), Status::Ok);
    let other = Space {
        dst_port: 81,
        ..failing(5)
    };
    snapshot.spaces.push(other);
    let (_, line) = check(&snapshot, &USUAL);
    let most = "8 connect() got no port, most: 10.0.0.1 -> 10.0.0.3:81 (host), nginx (12)";
    assert!(line.contains(most), "{line}");
    // A process of another namespace did not do it.
    snapshot.processes[0].netns += 1;
    let (_, line) = check(&snapshot, &USUAL);
    assert!(line.contains(":81 (host); "), "{line}");
}

#[test]
fn a_pool_of_udp_is_judged_like_any_and_named() {
    let mut snapshot = samples::snapshot();
    snapshot.spaces = vec![samples::roomy()];
    let tcp = snapshot.bind_pools.clone();
    snapshot.bind_pools.push(BindPool {
        failures: Some(0),
        ..samples::udp_pool()
    });
    let (status, line) = check(&snapshot, &USUAL);
    assert_eq!(status, Status::Critical);
    let pool = "; bind pool udp 0.0.0.0 (host): 96.0% of 28232 ports, 1129 free, most held by unbound (53)";
    assert!(line.contains(pool), "{line}");
    let (_, metrics) = read(&line);
    assert_eq!(metrics["udp_pool_free"].status(), Status::Critical);
    // That of TCP is told apart from it.
    assert_eq!(metrics["pool_free"].status(), Status::Ok);
    snapshot.bind_pools = tcp;
    assert_eq!(check(&snapshot, &USUAL).0, Status::Ok);
}

#[test]
fn a_bind_without_a_port_is_critical_and_names_pool_and_process() {
    let mut snapshot = samples::snapshot();
    snapshot.spaces = vec![samples::roomy()];
    let pool = BindPool {
        free: 28_000,
        used: 232,
        ..samples::udp_pool()
    };
    snapshot.bind_pools = vec![pool.clone()];
    snapshot.failures = vec![samples::udp_failure(), samples::failure()];
    let (status, line) = check(&snapshot, &USUAL);
    assert_eq!(status, Status::Critical, "also when there are ports again");
    let told = "CRITICAL - 5 binds got no port: udp 0.0.0.0 (host), unbound (53); fullest space";
    assert!(line.contains(told), "{line}");
    let (_, metrics) = read(&line);
    assert_eq!(metrics["bind_failures"].status(), Status::Critical);
    assert_eq!(metrics["failures"].status(), Status::Ok);
    // One of TCP that nobody bound from counts as well once it has refused.
    snapshot.bind_pools.push(BindPool {
        failures: Some(7),
        bound: 0,
        ..samples::pool()
    });
    let (_, line) = check(&snapshot, &USUAL);
    assert!(
        line.contains("12 binds got no port, most: tcp 10.0.0.1 (host); "),
        "{line}"
    );
}

#[test]
fn whose_binds_failed_is_not_named_for_connects() {
    let mut snapshot = samples::snapshot();
    snapshot.spaces = vec![samples::exhausted()];
    snapshot.processes[0].failures = Some(500);
    snapshot.bind_pools = vec![samples::udp_pool()];
    let (_, line) = check(&snapshot, &USUAL);
    let nobody = "17 connect() got no port: 10.0.0.1 -> 10.0.0.2:443 (host); 5 binds";
    assert!(line.contains(nobody), "{line}");
    snapshot.failures = vec![samples::failure()];
    let (_, line) = check(&snapshot, &USUAL);
    assert!(line.contains(":443 (host), nginx (12); 5 binds"), "{line}");
}

#[test]
fn nobody_connected() {
    let (status, line) = check(&Snapshot::default(), &USUAL);
    assert_eq!(status, Status::Ok);
    assert_eq!(
        line,
        "PORTEX OK - no outbound connections | time_wait=0;;;0"
    );
    let watched = Snapshot {
        watched: Some(Duration::from_secs(1)),
        ..Snapshot::default()
    };
    let (_, line) = check(&watched, &USUAL);
    assert!(
        line.ends_with(" failures=0;;0;0 bind_failures=0;;0;0"),
        "{line}"
    );
}

#[test]
fn what_nobody_watched_is_no_metric() {
    let snapshot = samples::unwatched(samples::snapshot());
    let (_, line) = check(&snapshot, &USUAL);
    let (_, metrics) = read(&line);
    assert!(!metrics.contains_key("failures"), "{line}");
    assert!(metrics.contains_key("space_free"));
}

#[test]
fn losses_are_told() {
    let mut snapshot = samples::snapshot();
    snapshot.lost = 12;
    snapshot.watched = Some(Duration::from_secs(1));
    let (_, line) = check(&snapshot, &USUAL);
    assert!(line.contains("; events lost: 12 |"), "{line}");
}

#[test]
fn what_could_not_be_looked_into_is_unknown_unless_it_is_bad_already() {
    let mut snapshot = samples::snapshot();
    snapshot.spaces.clear();
    snapshot.bind_pools.clear();
    snapshot.hidden_namespaces = 3;
    let (status, line) = check(&snapshot, &USUAL);
    assert_eq!(status, Status::Unknown);
    assert!(line.contains("could not be looked into: 3 |"), "{line}");
    let mut bad = with_space(100, 0);
    bad.hidden_namespaces = 3;
    assert_eq!(check(&bad, &USUAL).0, Status::Critical);
}

#[test]
fn a_lower_bound_is_called_so() {
    let mut snapshot = with_space(100, 50);
    snapshot.spaces[0].exact = false;
    let (status, line) = check(&snapshot, &USUAL);
    assert_eq!(status, Status::Ok);
    assert!(line.contains("50 free (lower bound) |"), "{line}");
}

#[test]
fn thresholds_that_are_no_shares_are_unknown() {
    for (warn, crit) in [(80.0, 0.95), (0.8, f64::NAN), (-0.1, 0.5)] {
        let (status, line) = check(&samples::snapshot(), &Thresholds { warn, crit });
        assert_eq!((status, status.code()), (Status::Unknown, 3));
        assert!(line.starts_with("PORTEX UNKNOWN - "), "{line}");
    }
}

#[test]
fn a_problem_is_one_line() {
    assert_eq!(
        unknown("cannot load: EPERM\n  what to do: run as root | \u{1b}[2J"),
        r"PORTEX UNKNOWN - cannot load: EPERM what to do: run as root \u{7c} \u{1b}[2J"
    );
    assert!(unknown(&"long ".repeat(1_000)).chars().count() < 1_000);
}

proptest! {
    /// The monitor comes to the same answer from the performance data.
    #[test]
    fn performance_data_say_what_the_status_says(
        capacity in 0..65_536_u32,
        part in 0.0..=1.0_f64,
        warn in 0..=1_000_u32,
        crit in 0..=1_000_u32,
    ) {
        let thresholds = Thresholds {
            warn: f64::from(warn) / 1_000.0,
            crit: f64::from(crit) / 1_000.0,
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of it")]
        let free = (f64::from(capacity) * part) as u32;
        let (status, line) = check(&with_space(capacity, free), &thresholds);
        let (text, metrics) = read(&line);
        prop_assert_eq!(metrics["space_free"].status(), status, "{}", line);
        let name = format!("PORTEX {} - ", status.name());
        prop_assert!(text.starts_with(&name));
        // In whole numbers: taken / capacity >= crit / 1000.
        let beyond = |limit: u32| u64::from(capacity - free) * 1_000 >= u64::from(capacity * limit);
        let expected = match (beyond(crit), beyond(warn)) {
            (true, _) => Status::Critical,
            (false, true) => Status::Warning,
            (false, false) => Status::Ok,
        };
        prop_assert_eq!(status, expected);
    }

    #[test]
    fn names_cannot_break_the_line(
        name in any::<String>(),
        mut comm in proptest::collection::vec(any::<u8>(), 0..16),
    ) {
        let mut snapshot = samples::snapshot();
        snapshot.namespaces[0].name = Some(Arc::from(format!("|\n{name}")));
        snapshot.spaces = vec![samples::exhausted()];
        comm.push(b'|');
        snapshot.processes[0].holder.comm = comm;
        snapshot.processes[0].failures = Some(17);
        let (_, line) = check(&snapshot, &USUAL);
        prop_assert!(!line.chars().any(escape::is_unsafe), "{:?}", line);
        let (_, metrics) = read(&line);
        prop_assert!((metrics["failures"].value - 17.0).abs() < 1e-9);
    }
}
