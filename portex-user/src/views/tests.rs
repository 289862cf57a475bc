use std::{net::Ipv6Addr, time::Duration};

use jiff::{Timestamp, tz::TimeZone};

mod calls;

use super::*;
use crate::event::{Cause, Kind, Restrictions, RingFull, TcpState, samples};

/// 2026-01-02T03:04:05Z is 100 s after boot.
fn clock() -> Clock {
    Clock::at(Duration::from_secs(1_767_323_045 - 100))
}

fn json(event: &Event, cgroup: Option<&str>) -> String {
    let clock = clock();
    let mut out = Vec::new();
    let context = Context {
        clock: &clock,
        cgroup,
        call: None,
    };
    Json::new(&mut out)
        .event(event, context)
        .expect("writes to memory");
    String::from_utf8(out).expect("JSON is UTF-8")
}

fn text(events: &[Event], color: bool) -> String {
    let clock = clock();
    let mut out = Vec::new();
    let style = Style {
        color,
        zone: TimeZone::UTC,
    };
    let mut view = Trace::new(&mut out, style);
    for event in events {
        let context = Context {
            clock: &clock,
            cgroup: None,
            call: None,
        };
        view.event(event, context).expect("writes to memory");
    }
    String::from_utf8(out).expect("text is UTF-8")
}

#[test]
fn what_restricts_a_socket_shows_only_where_there_is_something() {
    let mut event = samples::connect();
    assert!(!json(&event, None).contains("own_range"));
    if let Kind::Connect { restrictions, .. } = &mut event.kind {
        *restrictions = Restrictions {
            dev: 3,
            lo: 40_000,
            hi: 0,
        };
    }
    let line = json(&event, None);
    assert!(line.contains(r#""dev":3,"own_range":[40000,0]"#), "{line}");
}

#[test]
fn a_failure_in_json_is_the_contract() {
    assert_eq!(
        json(&samples::failed(), Some("/a.slice")),
        "{\"time\":\"2026-01-02T03:04:05.000000005Z\",\"event\":\"connect_failed\",\
         \"proto\":\"tcp\",\"netns\":4026531840,\"pid\":10,\"tid\":11,\"uid\":1000,\
         \"comm\":\"curl\",\"cgroup\":\"/a.slice\",\"socket\":\"000000000000002a\",\
         \"src\":\"10.0.0.1\",\"src_port\":null,\"dst\":\"10.0.0.2\",\"dst_port\":443,\
         \"errno\":\"EADDRNOTAVAIL\",\"cause\":\"range_exhausted\",\"search_ns\":250000}\n"
    );
}

#[test]
fn each_kind_has_its_own_fields_in_json() {
    let fields = |kind: Kind| {
        let event = Event {
            kind,
            ..samples::connect()
        };
        let line: serde_json::Value = serde_json::from_str(&json(&event, None)).expect("valid");
        assert_eq!(line["cgroup"], serde_json::Value::Null);
        line
    };
    let connect = fields(Kind::Connect {
        bound: true,
        by_number: false,
        search: None,
        restrictions: Restrictions::default(),
    });
    assert_eq!(connect["bound"], true);
    assert_eq!(connect["search_ns"], serde_json::Value::Null);
    assert_eq!(connect["src_port"], 40_000);
    let state = fields(Kind::State {
        from: TcpState::Established,
        to: TcpState::FinWait1,
    });
    assert_eq!(
        (&state["from"], &state["to"]),
        (&"ESTABLISHED".into(), &"FIN_WAIT1".into())
    );
    let waiting = fields(Kind::TimeWait {
        substate: TcpState::TimeWait,
    });
    assert_eq!(waiting["owner_pid"], 10);
    assert_eq!(waiting["owner_comm"], "curl");
    assert_eq!(waiting["substate"], "TIME_WAIT");
    let released: serde_json::Value =
        serde_json::from_str(&json(&samples::released(), None)).expect("valid");
    assert_eq!(released["held_ns"], 60_250_000_000_u64);
    assert_eq!(released["time_wait_ns"], 60_000_000_000_u64);
    assert_eq!(released["reason"], "expired");
}

#[test]
fn losses_in_json_are_a_line_for_each_kind() {
    let losses = Losses {
        ring_full: RingFull {
            connect: 3,
            ..RingFull::default()
        },
        table_full: 2,
        skipped: 9,
        ..Losses::default()
    };
    let mut out = Vec::new();
    Json::new(&mut out)
        .lost(&losses, Timestamp::UNIX_EPOCH)
        .expect("writes to memory");
    let lines: Vec<serde_json::Value> = String::from_utf8(out)
        .expect("UTF-8")
        .lines()
        .map(|line| serde_json::from_str(line).expect("valid"))
        .collect();
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            assert_eq!(line["event"], "lost");
            assert_eq!(line["time"], "1970-01-01T00:00:00.000000000Z");
            (
                line["kind"].as_str().expect("text"),
                line["count"].as_u64().expect("number"),
            )
        })
        .collect();
    assert_eq!(told, [("connect", 3), ("table_full", 2)]);
}

#[test]
fn text_stands_in_columns() {
    let mut v6 = samples::connect();
    v6.src = Ipv6Addr::LOCALHOST.into();
    v6.dst = Ipv6Addr::LOCALHOST.into();
    let mut no_source = samples::failed();
    no_source.src = Ipv6Addr::UNSPECIFIED.into();
    no_source.dst = Ipv6Addr::LOCALHOST.into();
    no_source.kind = Kind::ConnectFailed {
        errno: 99,
        cause: Cause::NoSourceAddress,
        search: None,
        restrictions: Restrictions::default(),
    };
    let shown = text(
        &[
            samples::connect(),
            samples::failed(),
            v6,
            no_source,
            samples::released(),
        ],
        false,
    );
    let expected = "\
TIME            EVENT              PID COMM                 NETNS SOURCE                DESTINATION           DETAIL
03:04:05.000000 connect             10 curl            4026531840 10.0.0.1:40000        10.0.0.2:443          search 1.5us
03:04:05.000000 connect_failed      10 curl            4026531840 10.0.0.1:*            10.0.0.2:443          EADDRNOTAVAIL range_exhausted search 250.0us
03:04:05.000000 connect             10 curl            4026531840 [::1]:40000           [::1]:443             search 1.5us
03:04:05.000000 connect_failed      10 curl            4026531840 [::]:*                [::1]:443             EADDRNOTAVAIL no_source_address
03:04:05.000000 released            10 curl            4026531840 10.0.0.1:40000        10.0.0.2:443          expired, held 60.2s, 60.0s in TIME_WAIT
";
    assert_eq!(shown, expected);
}

#[test]
fn a_hostile_name_is_harmless_in_both() {
    let mut event = samples::failed();
    event.owner.comm = b"\x1b[2J\xc2\x9b1m\xff\n".into();
    for shown in [
        text(std::slice::from_ref(&event), false),
        json(&event, Some("/\u{9b}")),
    ] {
        let unsafe_ones: Vec<char> = shown
            .chars()
            .filter(|&c| c != '\n' && crate::escape::is_unsafe(c))
            .collect();
        assert!(unsafe_ones.is_empty(), "{shown:?}");
        assert!(shown.ends_with('\n'));
    }
    assert_eq!(
        text(&[event], false).lines().count(),
        2,
        "heading and one line"
    );
}

#[test]
fn colour_is_put_back() {
    let shown = text(&[samples::failed()], true);
    assert!(
        shown.contains("\x1b[31m") && shown.ends_with("\x1b[0m\n"),
        "{shown:?}"
    );
    assert!(!text(&[samples::failed()], false).contains('\x1b'));
}
