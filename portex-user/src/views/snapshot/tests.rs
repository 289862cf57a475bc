use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::{
    attribution::snapshot::{Drift, FailedCall, Failure, Namespace, Owner, Snapshot, Space},
    cost::{KernelCost, OwnCost},
    escape,
    event::{BindCall, Cause, Proto},
    fields,
    ports::PortRange,
    views::Style,
};

fn shown(snapshot: &Snapshot, width: usize, rows: Option<usize>, color: bool) -> String {
    let tables = Tables {
        style: Style {
            color,
            zone: TimeZone::UTC,
        },
        width,
        rows,
    };
    let mut out = Vec::new();
    text(&mut out, snapshot, &samples::about(), &tables).expect("writes to memory");
    String::from_utf8(out).expect("text is UTF-8")
}

/// At the width of a common terminal and at that of a narrow one.
fn screens(snapshot: &Snapshot) -> String {
    let at = |width: usize| {
        let ruler = "=".repeat(width);
        format!("{ruler}\n{}", shown(snapshot, width, Some(3), false))
    };
    format!("{}{}", at(100), at(80))
}

fn parsed(snapshot: &Snapshot, about: &About<'_>) -> Value {
    let mut out = Vec::new();
    json(&mut out, snapshot, about).expect("writes to memory");
    let line = String::from_utf8(out).expect("JSON is UTF-8");
    assert_eq!(line.matches('\n').count(), 1);
    assert!(line.ends_with('\n'));
    assert!(!line.trim_end().chars().any(escape::is_unsafe), "{line}");
    serde_json::from_str(&line).expect("valid JSON")
}

/// Of different causes, calls and endpoints, six of them.
fn failures() -> Vec<Failure> {
    let six = Ipv6Addr::new(0x2001, 0xdb8, 1, 2, 3, 4, 5, 6);
    let bound = Failure {
        time: Duration::from_secs(90),
        netns: 4_026_532_999,
        src: six.into(),
        src_port: Some(40_000),
        dst: six.into(),
        dev: 3,
        cause: Cause::TupleInUse,
        ..samples::failure()
    };
    let nowhere = Failure {
        time: Duration::from_secs(80),
        src: Ipv4Addr::UNSPECIFIED.into(),
        cause: Cause::NoSourceAddress,
        search: None,
        ..samples::failure()
    };
    let odd = Failure {
        time: Duration::from_secs(79),
        errno: 200,
        cause: Cause::Unknown,
        src_port: Some(7),
        ..nowhere.clone()
    };
    let taken = Failure {
        time: Duration::from_secs(78),
        call: FailedCall::Bind(BindCall::Listen),
        src: six.into(),
        src_port: Some(8_080),
        errno: 98,
        cause: Cause::PortInUse,
        ..samples::udp_failure()
    };
    let taken = Failure {
        proto: Proto::Tcp,
        ..taken
    };
    vec![
        samples::failure(),
        samples::udp_failure(),
        bound,
        nowhere,
        odd,
        taken,
    ]
}

/// A second namespace, without a name, with all that makes a line long.
fn busy() -> Snapshot {
    let nameless = Namespace {
        inode: 4_026_532_999,
        name: None,
        ..samples::host()
    };
    let six = |end: u16| IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 1, 2, 3, 4, 5, end));
    let v6 = Space {
        netns: nameless.inode,
        src: six(0xaaaa),
        dst: six(0xbbbb),
        dst_port: 65_535,
        dev: 3,
        ..samples::space()
    };
    let own = Space {
        range: PortRange {
            lo: 40_000,
            hi: 40_009,
        },
        own_range: true,
        capacity: 10,
        used: 8,
        blocked: 0,
        free: 2,
        exact: false,
        fill: 0.8,
        exhausts_in: None,
        ..samples::space()
    };
    let mut snapshot = samples::snapshot();
    snapshot.namespaces.push(nameless);
    snapshot.spaces = vec![
        samples::exhausted(),
        v6,
        own,
        samples::roomy(),
        samples::roomy(),
    ];
    let mut process = samples::process();
    process.failures = Some(17);
    process.holder.comm = b"a-very-long-nam".to_vec();
    snapshot.processes.push(process);
    snapshot.bind_pools.insert(0, samples::udp_pool());
    let mut nobody = samples::process();
    nobody.holder = samples::nobody();
    nobody.top = None;
    snapshot.processes.push(nobody);
    let mut any = samples::pool();
    any.src = Ipv6Addr::UNSPECIFIED.into();
    any.exact = false;
    snapshot.bind_pools.push(any);
    snapshot.failures = failures();
    snapshot.lost = 12;
    snapshot.dropped = 3;
    snapshot.drift = Some(Drift {
        missed: 5,
        stale: 2,
        changed: 1,
    });
    snapshot
}

#[test]
fn nothing_there() {
    insta::assert_snapshot!(screens(&samples::unwatched(Snapshot::default())));
}

#[test]
fn one_of_each() {
    insta::assert_snapshot!(screens(&samples::snapshot()));
}

#[test]
fn not_watched() {
    let mut snapshot = samples::unwatched(busy());
    snapshot.failures.clear();
    insta::assert_snapshot!(screens(&snapshot));
}

#[test]
fn watched_and_busy() {
    insta::assert_snapshot!(screens(&busy()));
}

#[test]
fn the_worst_is_said_in_a_sentence() {
    let sentence = |space: Space| {
        let mut snapshot = samples::snapshot();
        snapshot.spaces = vec![space];
        let shown = shown(&snapshot, usize::MAX, None, false);
        shown.lines().nth(1).expect("a second line").to_owned()
    };
    let inexact = |space| Space {
        exact: false,
        ..space
    };
    assert_eq!(
        sentence(samples::space()),
        "10.0.0.1 -> 10.0.0.2:443 has 312 of 28232 ports left (98 % full); at this rate the next \
         connect() fails in 14s"
    );
    assert_eq!(
        sentence(inexact(samples::roomy())),
        "10.0.0.1 -> 10.0.0.3:80 has at least 24844 of 28232 ports left (at most 12 % full); at \
         this rate it does not run out"
    );
    let none = Space {
        failures: Some(0),
        ..samples::exhausted()
    };
    assert_eq!(
        sentence(none.clone()),
        "10.0.0.1 -> 10.0.0.2:443 has none of 28232 ports left: the next connect() fails"
    );
    assert_eq!(
        sentence(inexact(none)),
        "10.0.0.1 -> 10.0.0.2:443 may have none of 28232 ports left"
    );
    assert_eq!(sentence(samples::exhausted()), "17 connect() got no port");
}

#[test]
fn rows_beyond_the_most_are_counted() {
    let mut snapshot = samples::snapshot();
    snapshot.spaces = vec![samples::space(); 332];
    let rows = |text: &str| text.matches(" 10.0.0.1 10.0.0.2:443 ").count();
    let some = shown(&snapshot, 120, Some(ROWS), false);
    assert!(
        some.contains("\n… and 312 more (--all shows them)\n"),
        "{some}"
    );
    assert_eq!(rows(&some), ROWS, "{some}");
    let all = shown(&snapshot, 120, None, false);
    assert!(!all.contains("more"), "{all}");
    assert_eq!(rows(&all), 332);
}

#[test]
fn colours_stand_where_it_is_bad_and_nowhere_else() {
    let mut snapshot = busy();
    snapshot.spaces = vec![samples::exhausted(), samples::roomy()];
    let colored = shown(&snapshot, 120, None, true);
    assert!(colored.contains("\x1b[31m100.0%\x1b[0m"), "{colored:?}");
    assert!(
        colored.contains("\x1b[31m17\x1b[0m"),
        "failed connects: {colored:?}"
    );
    assert!(!colored.contains("m12.0%"), "{colored:?}");
    let plain = colored.replace("\x1b[31m", "").replace("\x1b[0m", "");
    assert_eq!(plain, shown(&snapshot, 120, None, false));
    snapshot.spaces[1].fill = 0.8;
    let colored = shown(&snapshot, 120, None, true);
    assert!(colored.contains("\x1b[33m80.0%\x1b[0m"), "{colored:?}");
}

#[test]
fn a_hundred_per_cent_says_that_nothing_is_left() {
    assert_eq!(numbers::percent(27_920.0 / 28_232.0), "98.8%");
    assert_eq!(numbers::percent(0.999_99), "99.9%");
    assert_eq!(numbers::percent(0.3), "30.0%");
    assert_eq!(numbers::percent(numbers::share(0, 0)), "100.0%");
    assert_eq!(numbers::percent(numbers::share(10, 11)), "0.0%");
}

#[test]
fn rates_are_short() {
    let shown: Vec<String> = [0.0, 3.44, 9.96, 462.0, 9_999.0, 12_345.0, 2.5e6]
        .into_iter()
        .map(numbers::rate)
        .collect();
    assert_eq!(shown, ["0.0", "3.4", "10", "462", "9999", "12k", "2.5M"]);
}

#[test]
fn counts_are_short() {
    let shown: Vec<String> = [0, 99_999, 100_000, 1_234_567, 45_000_000_000, u64::MAX]
        .into_iter()
        .map(numbers::count)
        .collect();
    assert_eq!(shown, ["0", "99999", "100k", "1.2M", "45G", "18446744T"]);
    let grouped = [0, 999, 1_000, 27_920, 1_234_567].map(numbers::grouped);
    assert_eq!(grouped, ["0", "999", "1,000", "27,920", "1,234,567"]);
}

#[test]
fn times_ahead_are_brief() {
    let brief = |seconds| numbers::brief(Duration::from_secs(seconds));
    assert_eq!(numbers::brief(Duration::from_millis(999)), "<1s");
    assert_eq!((brief(59), brief(200)), ("59s".into(), "3m20s".into()));
    assert_eq!(
        (brief(7_500), brief(260_000)),
        ("2h05m".into(), "3d".into())
    );
}

#[test]
fn the_end_stays_visible_when_text_is_cut() {
    let address = "[2001:db8:1:2:3:4:5:bbbb]:65535";
    assert_eq!(names::fit(address, 21), "[2001:db8:…bbb]:65535");
    assert_eq!(names::fit(address, 31), address);
    assert_eq!(
        (names::fit("ab", 1), names::fit("ab", 0)),
        ("…".into(), String::new())
    );
}

#[test]
fn wide_characters_are_not_cut_in_half() {
    assert_eq!(names::fit("日本語の名前", 4), "…前");
    assert_eq!(names::fit("日本語の名前", 5), "日…前");
    assert_eq!(names::fit("日本語の名前", 6), "日…前");
    assert_eq!(names::fit("日本語の名前", 12), "日本語の名前");
    assert_eq!(names::width("日本🦀"), 6);
    for columns in 0..14 {
        let cut = names::fit("a日b本🦀c語", columns);
        assert!(names::width(&cut) <= columns, "{columns}: {cut}");
    }
}

#[test]
fn combining_characters_are_bounded_and_stay_with_their_character() {
    let pile = format!("a{}b", "\u{301}".repeat(1_000));
    assert_eq!(names::width(&pile), 2);
    assert_eq!(names::fit(&pile, 10), "a\u{301}\u{301}b");
    assert_eq!(names::fit("abcd\u{301}\u{301}f", 3), "a…f");
    assert_eq!(names::fit("abcd\u{301}e\u{301}f", 4), "a…e\u{301}f");
    assert!(names::safe("\u{301}".repeat(500).as_bytes()).len() < 10);
}

#[test]
fn wide_and_hostile_names_stay_in_their_place() {
    let mut snapshot = samples::snapshot();
    let evil = "\u{1b}[2J|\u{202e}\n\u{9b}1m";
    snapshot.namespaces[0].name = Some(Arc::from(evil));
    snapshot.processes[0].holder.comm = b"\xff\x1b]0;x\x07|\n".to_vec();
    snapshot.spaces[0].owners = vec![Owner {
        holder: snapshot.processes[0].holder.clone(),
        ports: 1,
        time_wait: 0,
    }];
    let mut wide = samples::process();
    wide.holder.comm = "日本語".as_bytes().to_vec();
    snapshot.processes.push(wide);
    snapshot.failures = vec![samples::failure()];
    snapshot.failures[0].holder = snapshot.processes[0].holder.clone();
    insta::assert_snapshot!(screens(&snapshot));
    let back = parsed(&snapshot, &samples::about());
    assert_eq!(back["spaces"][0]["netns_name"], evil);
    assert_eq!(back["processes"][0]["comm"], "\u{fffd}\u{1b}]0;x\u{7}|\n");
}

/// A field's name, and whether its value is right.
type Rule = (&'static str, fn(&Value) -> bool);

fn holds(object: &Value, fields: &[Rule]) {
    for (name, is) in fields {
        let value = object
            .get(name)
            .unwrap_or_else(|| panic!("no {name}: {object}"));
        assert!(is(value), "{name}: {value}");
    }
}

/// Every field of the contract, with a test of its type.
#[test]
fn json_is_the_contract() {
    let snapshot = parsed(&samples::snapshot(), &samples::about());
    holds(
        &snapshot,
        &[
            ("time", |v| *v == "2026-01-02T03:04:05.000000006Z"),
            ("kernel", |v| *v == "6.18.44"),
            ("attach", |v| *v == "tracepoint"),
            ("uptime_s", |v| *v == 5.5),
            ("watched_s", |v| *v == 5.0),
            ("events", |v| *v == 12_345),
            ("lost", Value::is_u64),
            ("dropped_samples", Value::is_u64),
            ("namespaces", Value::is_array),
        ],
    );
    let space = &snapshot["spaces"][0];
    holds(
        space,
        &[
            ("netns", |v| *v == 4_026_531_840_u32),
            ("netns_name", |v| *v == "host"),
            ("proto", |v| *v == "tcp"),
            ("src", |v| *v == "10.0.0.1"),
            ("dst", |v| *v == "10.0.0.2"),
            ("dst_port", |v| *v == 443),
            ("range", |v| *v == serde_json::json!([32_768, 60_999])),
            ("capacity", |v| *v == 28_232),
            ("used", |v| *v == 27_900),
            ("time_wait", |v| *v == 27_000),
            ("close_wait", |v| *v == 7),
            ("bound", |v| *v == 2),
            ("recyclable", |v| *v == 0),
            ("blocked", |v| *v == 20),
            ("free", |v| *v == 312),
            ("exact", |v| *v == true),
            ("fill", |v| {
                v.as_f64()
                    .is_some_and(|fill| (0.988..0.989).contains(&fill))
            }),
            ("connects_per_s", |v| *v == 462.5),
            ("connects_per_s_smoothed", |v| *v == 450.0),
            ("releases_per_s", |v| *v == 440.25),
            ("failures", |v| *v == 0),
            ("failures_per_s", |v| *v == 0.0),
            ("exhausts_in_s", |v| *v == 14.04),
            ("need", |v| *v == 27_750.0),
            ("search_p99_ns", |v| *v == 8_000),
            ("hold_p50_ms", |v| *v == 60_250.0),
        ],
    );
    let owner = serde_json::json!({
        "pid": 12, "comm": "nginx", "cgroup": "/system.slice/nginx.service",
        "ports": 27_800, "time_wait": 26_900,
    });
    let unknown = serde_json::json!({
        "pid": null, "comm": "unknown", "cgroup": null, "ports": 100, "time_wait": 100,
    });
    assert_eq!(space["owners"], serde_json::json!([owner, unknown]));
    holds(
        &snapshot["processes"][0],
        &[
            ("pid", |v| *v == 12),
            ("comm", |v| *v == "nginx"),
            ("cgroup", |v| *v == "/system.slice/nginx.service"),
            ("netns", |v| *v == 4_026_531_840_u32),
            ("ports", |v| *v == 27_800),
            ("time_wait", |v| *v == 26_900),
            ("close_wait", |v| *v == 8),
            ("bound", |v| *v == 3),
            ("connects_per_s", |v| *v == 462.5),
            ("failures", |v| *v == 0),
            ("failures_per_s", |v| *v == 0.0),
            ("search_p50_ns", |v| *v == 4_000),
            ("search_p99_ns", |v| *v == 8_000),
            ("top", |v| {
                *v == serde_json::json!({"dst": "10.0.0.2", "dst_port": 443, "ports": 27_700})
            }),
        ],
    );
}

/// The same, of pools and namespaces.
#[test]
fn json_is_the_contract_for_pools_and_namespaces() {
    let snapshot = parsed(&samples::snapshot(), &samples::about());
    holds(
        &snapshot["bind_pools"][0],
        &[
            ("netns", |v| *v == 4_026_531_840_u32),
            ("proto", |v| *v == "tcp"),
            ("src", |v| *v == "10.0.0.1"),
            ("range", |v| *v == serde_json::json!([32_768, 60_999])),
            ("capacity", |v| *v == 28_232),
            ("used", |v| *v == 14_116),
            ("bound", |v| *v == 300),
            ("free", |v| *v == 14_116),
            ("exact", |v| *v == true),
            ("failures", |v| *v == 0),
            ("failures_per_s", |v| *v == 0.0),
        ],
    );
    let owner = serde_json::json!({
        "pid": 12, "comm": "nginx", "cgroup": "/system.slice/nginx.service",
        "ports": 14_000, "time_wait": 100,
    });
    assert_eq!(
        snapshot["bind_pools"][0]["owners"],
        serde_json::json!([owner])
    );
    holds(
        &snapshot["namespaces"][0],
        &[
            ("netns", |v| *v == 4_026_531_840_u32),
            ("max_tw_buckets", |v| *v == 65_536),
            ("time_wait_overflows", |v| *v == 3),
            ("fin_timeout_s", |v| *v == 60.0),
            ("autobind_reuse", |v| *v == false),
        ],
    );
}

/// The latest failures in an object of which these are in the snapshot.
fn told(failures: Vec<Failure>) -> Value {
    let snapshot = Snapshot {
        failures,
        ..samples::snapshot()
    };
    parsed(&snapshot, &samples::about())["latest_failures"].take()
}

#[test]
fn failures_are_told_one_by_one_in_json() {
    let told = told(failures());
    let first = serde_json::json!({
        "time": "2026-01-02T03:04:04.998500006Z", "proto": "tcp", "call": "connect",
        "netns": 4_026_531_840_u32, "netns_name": "host",
        "pid": 12, "tid": 13, "comm": "nginx", "cgroup": "/system.slice/nginx.service",
        "src": "10.0.0.1", "src_port": null, "dst": "10.0.0.2", "dst_port": 443, "dev": 0,
        "errno": "EADDRNOTAVAIL", "cause": "range_exhausted", "search_ns": 250_000,
    });
    assert_eq!(told[0], first);
    let second = serde_json::json!({
        "time": "2026-01-02T03:04:03.000000006Z", "proto": "udp", "call": "autobind",
        "netns": 4_026_531_840_u32, "netns_name": "host",
        "pid": 53, "tid": 53, "comm": "unbound", "cgroup": null,
        "src": "0.0.0.0", "src_port": null, "dst": null, "dst_port": null, "dev": 0,
        "errno": "EAGAIN", "cause": "pool_exhausted", "search_ns": null,
    });
    assert_eq!(told[1], second);
    assert_eq!(told[2]["src_port"], 40_000);
    assert_eq!(told[2]["dev"], 3);
    assert_eq!(told[3]["src"], "0.0.0.0");
    assert_eq!(told[3]["search_ns"], Value::Null);
    assert_eq!(told[4]["errno"], "E200");
    assert_eq!(told[5]["call"], "listen");
    assert_eq!(told[5]["src_port"], 8_080);
}

#[test]
fn of_many_failures_the_latest_hundred_are_in_json_and_the_latest_ten_in_text() {
    let mut snapshot = samples::snapshot();
    snapshot.failures = vec![samples::failure(); 512];
    let told = parsed(&snapshot, &samples::about());
    let told = told["latest_failures"].as_array().map(Vec::len);
    assert_eq!(told, Some(100));
    let rows = |most| {
        shown(&snapshot, 120, most, false)
            .matches("03:04:04.998")
            .count()
    };
    assert_eq!((rows(Some(ROWS)), rows(Some(3)), rows(None)), (10, 3, 512));
    assert!(shown(&snapshot, 120, Some(ROWS), false).contains("… and 502 more"));
}

#[test]
fn a_failure_outside_of_all_calendars_is_told_all_the_same() {
    let failure = Failure {
        time: Duration::MAX,
        ..samples::failure()
    };
    assert_eq!(
        told(vec![failure])[0]["time"],
        "2026-01-02T03:04:05.000000006Z"
    );
}

#[test]
fn what_nobody_watched_is_null_in_json() {
    let about = About {
        attach: None,
        own_cost: None,
        ..samples::about()
    };
    let snapshot = parsed(&samples::unwatched(samples::snapshot()), &about);
    let nulls = |object: &Value, names: &[&str]| {
        for name in names {
            assert_eq!(object.get(name), Some(&Value::Null), "{name}");
        }
    };
    nulls(&snapshot, &["attach", "watched_s", "own_cost", "drift"]);
    nulls(&snapshot, &["events", "latest_failures"]);
    let flow = [
        "connects_per_s",
        "failures",
        "failures_per_s",
        "search_p99_ns",
        "hold_p99_ms",
    ];
    nulls(&snapshot["spaces"][0], &flow);
    nulls(&snapshot["spaces"][0], &["exhausts_in_s", "need"]);
    nulls(&snapshot["processes"][0], &flow);
    nulls(&snapshot["bind_pools"][0], &["failures", "failures_per_s"]);
}

#[test]
fn own_cost_tells_what_is_known() {
    let told = |cost: OwnCost| {
        let about = About {
            own_cost: Some(cost),
            ..samples::about()
        };
        parsed(&samples::snapshot(), &about)["own_cost"].clone()
    };
    let all = told(samples::about().own_cost.expect("measured"));
    let expected = serde_json::json!({
        "cpu": 0.012,
        "rss_bytes": 37_900_000,
        "kernel_cpu": 0.0285,
        "kernel_runs_per_s": 300_000.5,
        "kernel_ns_per_run": 95.0,
        "kernel_map_bytes": 52_428_800,
    });
    assert_eq!(all, expected);
    let nothing = told(OwnCost::default());
    let object = nothing.as_object().expect("an object");
    assert_eq!(object.len(), 6);
    assert!(object.values().all(Value::is_null), "{nothing}");
    let idle = told(OwnCost {
        kernel: Some(KernelCost {
            cpu: 0.0,
            runs_per_s: 0.0,
            ns_per_run: None,
        }),
        ..OwnCost::default()
    });
    assert_eq!(idle["kernel_cpu"], 0.0);
    assert_eq!(idle["kernel_runs_per_s"], 0.0);
    assert!(idle["kernel_ns_per_run"].is_null(), "{idle}");
    assert_eq!(
        fields::help(fields::OWN_COST).lines().count(),
        fields::OWN_COST.len()
    );
}

#[test]
fn help_names_every_column() {
    for help in [
        fields::help(fields::SPACES),
        fields::help(fields::PROCESSES),
        fields::help(fields::FAILURES),
        fields::help(fields::BIND_POOLS),
    ] {
        // Heading and meaning stand apart, also for the longest heading.
        assert!(
            help.lines().all(|line| line.trim_start().contains(' ')),
            "{help}"
        );
        assert!(help.contains("NETNS"), "{help}");
    }
}

proptest! {
    #[test]
    fn no_line_is_too_long_or_unsafe(
        comm in proptest::collection::vec(any::<u8>(), 0..16),
        name in proptest::option::of(".{0,80}"),
        v6 in any::<u128>(),
        number in any::<u32>(),
        width in 0..140_usize,
    ) {
        let mut snapshot = busy();
        snapshot.namespaces[0].name = name.map(Arc::from);
        snapshot.processes[0].holder.comm.clone_from(&comm);
        snapshot.failures[0].holder.comm.clone_from(&comm);
        snapshot.failures[0].dst = Ipv6Addr::from(v6).into();
        snapshot.failures[0].dev = number;
        let space = &mut snapshot.spaces[0];
        space.owners[0].holder.comm = comm;
        space.dst = Ipv6Addr::from(v6).into();
        space.used = number;
        space.dev = number;
        let shown = shown(&snapshot, width, Some(2), false);
        for line in shown.lines() {
            prop_assert!(names::width(line) <= width, "{}", line);
            prop_assert!(!line.chars().any(escape::is_unsafe), "{:?}", line);
        }
    }
}
