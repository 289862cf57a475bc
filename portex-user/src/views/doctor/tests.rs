use std::{sync::Arc, time::Duration};

use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::{
    doctor::{Attach, Case, examine, tests::samples},
    escape,
    views::{
        Style,
        snapshot::{Tables, names::width},
    },
};

/// Characters that would do something to a terminal.
const HOSTILE: &str = "a\x1b[2J\u{9b}1m\u{202e}\nz";

fn report<'a>(case: &Case, findings: &'a [Finding]) -> Report<'a> {
    Report {
        kernel: "6.18.44",
        attach: Some("tracepoint"),
        time: "2026-01-02T03:04:05.000000006Z".parse().expect("a time"),
        watched: case.watched(),
        findings,
        endangered: case.endangered_spaces(),
    }
}

fn shown(case: &Case, columns: usize, color: bool) -> String {
    let tables = Tables {
        style: Style {
            color,
            zone: TimeZone::UTC,
        },
        width: columns,
        rows: None,
    };
    let findings = examine(case);
    let mut out = Vec::new();
    text(&mut out, &report(case, &findings), &tables).expect("writes to memory");
    String::from_utf8(out).expect("text is UTF-8")
}

fn parsed(case: &Case) -> Value {
    let findings = examine(case);
    let mut out = Vec::new();
    json(&mut out, &report(case, &findings)).expect("writes to memory");
    let line = String::from_utf8(out).expect("JSON is UTF-8");
    assert_eq!(line.matches('\n').count(), 1);
    assert!(!line.trim_end().chars().any(escape::is_unsafe), "{line}");
    serde_json::from_str(&line).expect("valid JSON")
}

/// Much is wrong: TIME_WAIT, a setting, losses, a listener; in another namespace too.
fn sick() -> Case {
    let mut case = samples::churn();
    case.portex.attach = Attach::Worked(samples::tracepoint());
    case.portex.losses = samples::losses();
    let mut other = samples::host();
    other.netns = 4_026_532_999;
    other.name = Some(Arc::from("blue"));
    other.own = false;
    other.path = Some("/run/netns/blue".to_owned());
    other.rules.fin_timeout = Duration::from_secs(15);
    other.listeners.push(samples::listener(50_051, b"grpc"));
    case.hosts.push(other);
    case
}

#[test]
fn a_sick_host() {
    insta::assert_snapshot!(shown(&sick(), 100, false));
}

#[test]
fn a_sick_host_on_a_narrow_terminal() {
    insta::assert_snapshot!(shown(&sick(), 80, false));
}

#[test]
fn a_healthy_host_not_watched() {
    let mut case = samples::healthy();
    case.snapshot.watched = None;
    insta::assert_snapshot!(shown(&case, 80, false));
}

#[test]
fn a_report_for_programs() {
    let value = parsed(&sick());
    let pretty = serde_json::to_string_pretty(&value).expect("JSON");
    insta::assert_snapshot!(pretty);
}

#[test]
fn colours_change_nothing_else() {
    let colored = shown(&sick(), 80, true);
    assert!(colored.contains("\x1b[1;31mCRITICAL"));
    let mut plain = String::new();
    let mut rest = colored.as_str();
    while let Some((before, after)) = rest.split_once('\x1b') {
        plain.push_str(before);
        rest = after.split_once('m').expect("an end").1;
    }
    plain.push_str(rest);
    assert_eq!(plain, shown(&sick(), 80, false));
}

#[test]
fn more_spaces_than_are_explained_are_counted() {
    let mut case = samples::churn();
    case.snapshot.spaces = vec![case.snapshot.spaces[0].clone(); 30];
    let text = shown(&case, 100, false);
    assert!(
        text.contains("30 spaces are endangered: the 20 worst are explained"),
        "{text}"
    );
    assert_eq!(parsed(&case)["endangered_spaces"], 30);
}

#[test]
fn hostile_names_are_harmless_and_json_keeps_them() {
    let mut case = sick();
    case.snapshot.spaces[0].owners[0].holder.comm = HOSTILE.as_bytes().to_vec();
    case.hosts[1].name = Some(Arc::from(HOSTILE));
    case.hosts[1].listeners[1].process = Some((HOSTILE.as_bytes().to_vec(), 5));
    let text = shown(&case, 80, false);
    let unsafe_ones = text.chars().filter(|c| *c != '\n' && escape::is_unsafe(*c));
    assert_eq!(unsafe_ones.count(), 0, "{text}");
    assert!(
        text.contains(r"a\u{1b}[2J\u{9b}1m\u{202e}\u{a}z (12)"),
        "{text}"
    );
    let value = parsed(&case);
    let findings = value["findings"].as_array().expect("an array");
    let of_blue = findings
        .iter()
        .find(|finding| finding["id"] == "fin_timeout");
    assert_eq!(of_blue.expect("there")["netns_name"], HOSTILE);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn only_commands_are_wider_than_the_terminal(
        comm in proptest::collection::vec(any::<u8>(), 0..16),
        name in ".{0,80}",
        columns in 20..140_usize,
    ) {
        let mut case = sick();
        case.snapshot.spaces[0].owners[0].holder.comm = comm;
        case.hosts[1].name = Some(Arc::from(name));
        let findings = examine(&case);
        let remedies = findings.iter().flat_map(|finding| &finding.verdict.remedies);
        let commands: Vec<_> = remedies
            .flat_map(|remedy| remedy.command.iter().chain(&remedy.persist))
            .flat_map(|lines| lines.lines())
            .collect();
        for line in shown(&case, columns, false).lines() {
            let fits = width(line) <= columns || commands.contains(&line.trim());
            prop_assert!(fits, "{}", line);
            prop_assert!(!line.chars().any(escape::is_unsafe), "{:?}", line);
        }
    }
}
