//! Failing calls in full, and in groups.

use std::sync::Arc;

use super::*;
use crate::{
    call::Call,
    details::ProcessDetails,
    event::Proto,
    symbols::{Frame, Stack},
};

fn frame(function: &str, line: u32) -> Frame {
    Frame {
        address: 0x7f00_0000_1000 + u64::from(line),
        function: Some(function.into()),
        offset: 0x1c,
        module: Some("/usr/bin/worker".into()),
        module_offset: 0x1000,
        file: Some("src/worker.c".into()),
        line: Some(line),
        ..Frame::default()
    }
}

fn call(function: &str, line: u32) -> Call {
    let user = vec![frame("dial", 8), frame(function, line)];
    let kernel = vec![Frame {
        function: Some("do_syscall_64".into()),
        module: Some("[kernel.kallsyms]".into()),
        ..Frame::default()
    }];
    Call {
        fd: Some(7),
        stack: Arc::new(Stack::new(user, kernel, vec!["cut \x1b[31m".into()])),
        process: Arc::new(ProcessDetails {
            pid: 10,
            alive: true,
            exe: Some(b"/usr/bin/wor\x1bker".to_vec()),
            cmdline: vec![b"worker".to_vec(), b"--once\n".to_vec()],
            container: Some("web".into()),
            cgroup: Some("/system.slice".into()),
            ..ProcessDetails::default()
        }),
        age: Some(Duration::from_millis(3_250)),
    }
}

/// What a view makes of events, each with its call.
fn shown<V: EventView>(view: &mut V, events: &[(Event, Option<Call>)]) {
    let clock = clock();
    for (event, call) in events {
        let context = Context {
            clock: &clock,
            cgroup: None,
            call: call.as_ref(),
        };
        view.event(event, context).expect("writes to memory");
    }
    view.end().expect("writes to memory");
    view.flush().expect("writes to memory");
}

fn style() -> Style {
    Style {
        color: false,
        zone: TimeZone::UTC,
    }
}

#[test]
fn a_call_stands_below_its_failure() {
    let mut out = Vec::new();
    let events = [(samples::failed(), Some(call("checkout", 9)))];
    shown(&mut Trace::new(&mut out, style()), &events);
    insta::assert_snapshot!(String::from_utf8(out).expect("text"));
}

#[test]
fn a_call_in_json_has_every_field() {
    let mut out = Vec::new();
    let events = [(samples::bind_failed(), Some(call("checkout", 9)))];
    shown(&mut Json::new(&mut out), &events);
    let line: serde_json::Value = serde_json::from_slice(&out).expect("one object");
    assert!(!out.contains(&0x1b), "control characters are escaped");
    assert_eq!(line["event"], "bind_failed");
    assert_eq!(line["call"], "bind");
    assert_eq!(line["cause"], "pool_exhausted");
    assert_eq!(line["dst"], serde_json::Value::Null);
    assert_eq!(line["dst_port"], serde_json::Value::Null);
    assert_eq!(line["fd"], 7);
    assert_eq!(line["exe"], "/usr/bin/wor\u{1b}ker");
    assert_eq!(line["cmdline"], serde_json::json!(["worker", "--once\n"]));
    assert_eq!(line["container"], "web");
    assert_eq!(line["age_ns"], 3_250_000_000_u64);
    assert_eq!(line["stack"][1]["function"], "checkout");
    assert_eq!(line["stack"][1]["line"], 9);
    assert_eq!(line["stack"][1]["file"], "src/worker.c");
    assert_eq!(line["stack"][1]["module_offset"], 0x1000);
    assert_eq!(line["kernel_stack"][0]["function"], "do_syscall_64");
    assert_eq!(line["stack_notes"][0], "cut \u{1b}[31m");
}

/// Five failures at one place, by two processes, two at another, one without a stack.
fn several() -> Vec<(Event, Option<Call>)> {
    let failed = |pid: u32, at: u64, place: Option<(&str, u32)>| {
        let mut event = samples::failed();
        event.owner.pid = pid;
        event.time = Duration::from_secs(at);
        (event, place.map(|(function, line)| call(function, line)))
    };
    let mut all = vec![
        failed(10, 103, Some(("report", 17))),
        failed(10, 101, Some(("report", 17))),
        failed(10, 102, None),
        (samples::connect(), None),
    ];
    all.extend((0..5).map(|n| failed(10 + n % 2, 110 + u64::from(n), Some(("checkout", 9)))));
    let mut other = samples::bind_failed();
    other.proto = Proto::Udp;
    all.push((other, Some(call("checkout", 9))));
    all
}

#[test]
fn groups_come_the_most_frequent_first() {
    let mut out = Vec::new();
    shown(&mut Groups::text(&mut out, style()), &several());
    insta::assert_snapshot!(String::from_utf8(out).expect("text"));
}

#[test]
fn groups_in_json_have_counts_and_times() {
    let mut out = Vec::new();
    shown(&mut Groups::json(&mut out), &several());
    let lines: Vec<serde_json::Value> = out
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).expect("an object"))
        .collect();
    let counts: Vec<_> = lines.iter().map(|line| line["count"].as_u64()).collect();
    assert_eq!(counts, [Some(5), Some(2), Some(1), Some(1)]);
    let first = &lines[0];
    assert_eq!(first["pids"], serde_json::json!([10, 11]));
    assert_eq!(first["first"], "2026-01-02T03:04:15.000000000Z");
    assert_eq!(first["last"], "2026-01-02T03:04:19.000000000Z");
    assert_eq!(first["time"], "2026-01-02T03:04:19.000000000Z");
    assert_eq!(first["destinations"][0]["count"], 5);
    assert_eq!(first["stack"][1]["function"], "checkout");
    assert_eq!(lines[1]["first"], "2026-01-02T03:04:06.000000000Z");
    // Not the same: another call, of another protocol.
    assert!(
        lines
            .iter()
            .any(|line| line["proto"] == "udp" && line["call"] == "bind")
    );
}

#[test]
fn losses_are_told_with_the_groups() {
    let mut out = Vec::new();
    let mut view = Groups::text(&mut out, style());
    let losses = Losses {
        stacks: 3,
        skipped: 9,
        ..Losses::default()
    };
    view.lost(&losses, Timestamp::UNIX_EPOCH)
        .expect("writes to memory");
    shown(&mut view, &several());
    let text = String::from_utf8(out).expect("text");
    assert!(text.ends_with("-- lost: 3 stacks --\n"), "{text}");
}
