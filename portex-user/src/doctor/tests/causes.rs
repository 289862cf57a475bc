//! Why a space runs out of ports.

use std::time::Duration;

use super::{all, commands, none, one, samples, says};
use crate::{
    attribution::snapshot::{FailedCall, Failure, Owner, Percentiles, Space},
    doctor::{Danger, Severity, danger},
    event::{BindCall, Cause, Proto},
    views::snapshot::samples as snapshots,
};

#[test]
fn a_space_is_endangered_by_failures_by_what_is_taken_and_by_the_forecast() {
    let space = snapshots::space;
    let of = |space: &Space| danger(&samples::healthy().snapshot, space);
    assert_eq!(of(&snapshots::exhausted()), Some(Danger::Failing(17)));
    let empty = Space {
        free: 0,
        failures: Some(0),
        ..snapshots::exhausted()
    };
    assert_eq!(of(&empty), Some(Danger::Empty));
    assert_eq!(
        of(&space()),
        Some(Danger::Soon(Duration::from_millis(14_040)))
    );
    let slow = Space {
        exhausts_in: Some(Duration::from_secs(3_000)),
        ..space()
    };
    assert!(matches!(of(&slow), Some(Danger::Full(share)) if share > 0.98));
    assert_eq!(of(&snapshots::roomy()), None);
    // What is not known exactly is judged by what is taken for sure, not by the least that is free.
    let unsure = Space {
        exact: false,
        free: 0,
        ..snapshots::roomy()
    };
    assert_eq!(of(&unsure), None);
}

#[test]
fn failures_count_in_an_empty_space_when_its_ports_had_run_out() {
    let mut case = samples::healthy();
    let space = Space {
        failures: Some(3),
        ..case.snapshot.spaces.remove(0)
    };
    let of = |case: &crate::doctor::Case| danger(&case.snapshot, &space);
    case.snapshot.failures = vec![Failure {
        cause: Cause::TupleInUse,
        ..snapshots::failure()
    }];
    assert_eq!(of(&case), None, "a tuple in use is no exhaustion");
    case.snapshot.failures = vec![snapshots::failure()];
    assert_eq!(of(&case), Some(Danger::Failing(3)));
}

#[test]
fn churn_names_who_opens_and_offers_reuse_and_a_wider_range() {
    let finding = one(&samples::churn(), "time_wait_churn");
    assert_eq!(finding.verdict.severity, Severity::Critical);
    assert_eq!(finding.verdict.subject, "10.0.0.1 -> 10.0.0.2:443");
    says(
        &finding,
        &[
            "27,920 of 28,232 ports taken (98.8 %), 312 free (exact",
            "900 by live connections, 27,000 by TIME_WAIT, 20 by explicit binds",
            "nginx (12) 27,800",
            "462 connects/s, 440 ports released/s, the next connect() fails in 14 s",
        ],
    );
    assert!(finding.verdict.remedies[0].text.contains("nginx (12)"));
    assert_eq!(
        commands(&finding),
        [
            // Whether the peer sends timestamps is not known.
            ("sysctl -w net.ipv4.tcp_tw_reuse=1", false),
            ("sysctl -w net.ipv4.ip_local_port_range='10240 65535'", true),
        ]
    );
}

#[test]
fn reuse_fixes_where_the_peer_is_here_and_is_not_offered_where_it_is_of_no_use() {
    let mut case = samples::churn();
    case.hosts[0].addresses.push(samples::address("10.0.0.2"));
    let reuse = ("sysctl -w net.ipv4.tcp_tw_reuse=1", true);
    assert_eq!(commands(&one(&case, "time_wait_churn"))[0], reuse);
    for (value, timestamps) in [(1, Some(1)), (2, Some(0))] {
        case.hosts[0].rules.tw_reuse = value;
        case.hosts[0].timestamps = timestamps;
        let finding = one(&case, "time_wait_churn");
        assert_eq!(commands(&finding).len(), 1, "{value} {timestamps:?}");
    }
}

#[test]
fn reuse_is_offered_where_what_may_be_taken_over_is_enough() {
    let mut case = samples::churn();
    let commands_of = |case: &crate::doctor::Case| {
        let finding = one(case, "time_wait_churn");
        let reuse = |(command, _): &&(&str, bool)| command.contains("tw_reuse");
        let offered = commands(&finding).iter().filter(reuse).count();
        let texts = finding.verdict.remedies.iter();
        let bind = texts.filter(|remedy| remedy.text.contains("IP_BIND_ADDRESS_NO_PORT"));
        (offered, bind.count())
    };
    assert_eq!(commands_of(&case), (1, 0));
    case.snapshot.spaces[0].bound = 10_000;
    assert_eq!(commands_of(&case), (1, 0), "17,000 may be taken over");
    case.snapshot.spaces[0].time_wait = 18_000;
    assert_eq!(commands_of(&case), (0, 1), "most are bound");
    case.snapshot.spaces[0].time_wait = 27_000;
    case.snapshot.spaces[0].bound = 0;
    case.snapshot.spaces[0].capacity = 28_232;
    case.snapshot.spaces[0].src = samples::address("127.0.0.1");
    case.snapshot.spaces[0].dst = samples::address("127.0.0.1");
    assert_eq!(commands_of(&case), (0, 0), "2 is on for the loopback");
    case.hosts[0].rules.tw_reuse = 0;
    assert_eq!(commands_of(&case), (1, 0));
}

#[test]
fn unwatched_the_clients_are_not_known_by_name() {
    let mut case = samples::unwatched();
    case.snapshot.spaces[0].owners.remove(0);
    let finding = one(&case, "time_wait_churn");
    says(&finding, &["held by unknown 100"]);
    assert!(
        finding.verdict.remedies[0]
            .text
            .contains("--watch 30s names them")
    );
    let evidence = finding.verdict.evidence.join("\n");
    assert!(!evidence.contains("connects/s"), "{evidence}");
}

#[test]
fn a_wider_range_that_is_soon_full_again_fixes_nothing() {
    let mut case = samples::churn();
    case.snapshot.spaces[0].need = Some(60_000.0);
    let finding = one(&case, "time_wait_churn");
    assert!(commands(&finding).iter().all(|(_, fixes)| !fixes));
}

#[test]
fn time_waits_are_no_cause_where_there_is_room_or_others_hold_the_ports() {
    none(&samples::healthy(), "time_wait_churn");
    none(&samples::leak(), "time_wait_churn");
    let recyclable = Space {
        recyclable: 20_000,
        ..snapshots::space()
    };
    none(&samples::with(recyclable), "time_wait_churn");
}

#[test]
fn a_leak_is_named_when_connections_pile_up() {
    let finding = one(&samples::leak(), "connection_leak");
    assert_eq!(finding.verdict.severity, Severity::Critical);
    says(
        &finding,
        &[
            "nginx (12) opens them",
            "27,000 by live connections",
            "10 connects/s, 1.0 ports released/s",
        ],
    );
    let ss = "ss -tnpo state established dst 10.0.0.2:443";
    assert_eq!(commands(&finding), [(ss, false)]);
    none(&samples::churn(), "connection_leak");
    let mut six = samples::leak();
    six.snapshot.spaces[0].dst = samples::address("2001:db8::2");
    let ss = "ss -tnpo state established dst '[2001:db8::2]:443'";
    assert_eq!(commands(&one(&six, "connection_leak")), [(ss, false)]);
    let mut busy = samples::leak();
    if let Some(rates) = &mut busy.snapshot.spaces[0].rates {
        rates.releases = 9.0;
    }
    none(&busy, "connection_leak");
    let finding = one(&busy, "space_full");
    says(&finding, &["so many connections at a time"]);
}

#[test]
fn unwatched_a_leak_is_suspected_of_who_holds_most() {
    let mut case = samples::leak();
    case.snapshot = snapshots::unwatched(case.snapshot);
    let finding = one(&case, "connection_leak");
    says(&finding, &["nginx (12) holds most of it", "100.0 %"]);
    let owner = case.snapshot.spaces[0].owners[0].clone();
    let share = |pid, ports| {
        let mut owner = owner.clone();
        owner.holder.pid = Some(pid);
        Owner { ports, ..owner }
    };
    case.snapshot.spaces[0].owners = vec![share(1, 9_000), share(2, 9_000), share(3, 9_000)];
    none(&case, "connection_leak");
    assert_eq!(
        one(&case, "space_full").verdict.severity,
        Severity::Critical
    );
}

#[test]
fn close_wait_is_told_from_other_live_connections() {
    let mut case = samples::leak();
    none(&case, "close_wait_leak");
    case.snapshot.spaces[0].close_wait = 26_000;
    case.snapshot.processes[0].close_wait = 26_000;
    let finding = one(&case, "close_wait_leak");
    says(
        &finding,
        &[
            "nginx (12) does not close",
            "26,000 connections in CLOSE_WAIT, 96.2 %",
        ],
    );
    for other in [
        "connection_leak",
        "one_destination",
        "source_addresses",
        "space_full",
    ] {
        none(&case, other);
    }
}

#[test]
fn a_process_with_many_close_waits_is_noticed_before_ports_run_short() {
    let mut case = samples::healthy();
    case.snapshot.processes[0].close_wait = 99;
    none(&case, "close_wait_leak");
    case.snapshot.processes[0].close_wait = 100;
    let finding = one(&case, "close_wait_leak");
    assert_eq!(finding.verdict.severity, Severity::Notice);
    says(&finding, &["100 of its 27,800 connections"]);
}

#[test]
fn bind_before_connect_is_a_warning_where_it_takes_much() {
    let mut case = samples::healthy();
    let mut judged = |bound| {
        case.snapshot.processes[0].bound = bound;
        all(&case, "bind_before_connect")
    };
    assert!(judged(0).is_empty() && judged(99).is_empty());
    let few = judged(100);
    assert_eq!(few[0].verdict.severity, Severity::Notice);
    let much = judged(6_000);
    assert_eq!(much[0].verdict.severity, Severity::Warning);
    says(
        &much[0],
        &[
            "nginx (12) binds before it connects: 6,000 ports",
            "6,000 of 28,232 ports of 32768-60999",
            "(21.2 %)",
        ],
    );
    assert!(much[0].verdict.remedies[0].text.contains("proxy_bind"));
}

#[test]
fn binds_that_leave_few_ports_are_told_from_connections() {
    let mut case = samples::churn();
    let space = &mut case.snapshot.spaces[0];
    (space.used, space.time_wait, space.blocked) = (1_000, 900, 26_920);
    let finding = one(&case, "space_full");
    says(
        &finding,
        &["explicit binds", "26,920 by explicit binds of others"],
    );
    none(&case, "one_destination");
}

#[test]
fn one_destination_has_nearly_all_ports_or_not() {
    let mut case = samples::churn();
    let finding = one(&case, "one_destination");
    assert_eq!(finding.verdict.severity, Severity::Notice);
    says(
        &finding,
        &["100.0 %", "27,900 of the 27,900 ports that 10.0.0.1 holds"],
    );
    case.snapshot.spaces.push(Space {
        used: 4_000,
        ..snapshots::roomy()
    });
    none(&case, "one_destination");
    none(&samples::healthy(), "one_destination");
}

#[test]
fn source_addresses_are_counted_by_family_and_use() {
    let mut case = samples::churn();
    says(
        &one(&case, "source_addresses"),
        &["only one address", "10.0.0.1 is the only"],
    );
    case.hosts[0]
        .addresses
        .push(samples::address("2001:db8::1"));
    says(&one(&case, "source_addresses"), &["only one address"]);
    case.hosts[0].addresses.push(samples::address("10.0.0.9"));
    says(&one(&case, "source_addresses"), &["unused here: 10.0.0.9"]);
    case.snapshot.spaces.push(Space {
        src: samples::address("10.0.0.9"),
        ..samples::healthy().snapshot.spaces.remove(0)
    });
    none(&case, "source_addresses");
}

#[test]
fn addresses_of_other_networks_are_not_offered_unless_the_destination_is_here() {
    let mut case = samples::churn();
    let docker = samples::address("172.17.0.1");
    case.hosts[0].addresses.push(docker);
    let finding = one(&case, "source_addresses");
    says(
        &finding,
        &[
            "no other address in the network of 10.0.0.1",
            "depends on routing",
        ],
    );
    assert!(
        !format!("{finding:?}").contains("172.17.0.1"),
        "{finding:#?}"
    );
    case.hosts[0].addresses.push(samples::address("10.0.0.2"));
    says(&one(&case, "source_addresses"), &["172.17.0.1"]);
}

#[test]
fn the_loopback_of_ipv6_has_no_other_address() {
    let mut case = samples::churn();
    let space = &mut case.snapshot.spaces[0];
    (space.src, space.dst) = (samples::address("::1"), samples::address("::1"));
    none(&case, "source_addresses");
    case.snapshot.spaces[0].src = samples::address("127.0.0.1");
    says(&one(&case, "source_addresses"), &["127.0.0.2"]);
}

#[test]
fn slow_searches_count_when_they_are_the_rule_or_ports_are_short() {
    let search = |p50, p99| {
        Some(Percentiles {
            p50: Duration::from_micros(p50),
            p99: Duration::from_micros(p99),
            max: Duration::from_micros(p99),
        })
    };
    let mut case = samples::healthy();
    let mut judged = |percentiles, fill| {
        case.snapshot.spaces[0].search = percentiles;
        case.snapshot.spaces[0].fill = fill;
        let found = all(&case, "slow_search");
        found.first().map(|finding| finding.verdict.severity)
    };
    assert_eq!(judged(search(3, 499), 0.9), None);
    assert_eq!(judged(search(3, 900), 0.2), None, "an interruption");
    assert_eq!(judged(search(3, 900), 0.9), Some(Severity::Notice));
    assert_eq!(judged(search(800, 2_000), 0.2), Some(Severity::Warning));
    let finding = one(&case, "slow_search");
    says(
        &finding,
        &["half took less than 800 us, 99 of 100 less than 2 ms"],
    );
}

#[test]
fn pools_are_judged_by_protocol_where_somebody_binds() {
    let mut case = samples::healthy();
    none(&case, "pool_exhausted");
    let pool = &mut case.snapshot.bind_pools[0];
    (pool.used, pool.free, pool.bound) = (28_232, 0, 0);
    none(&case, "pool_exhausted");
    case.snapshot.bind_pools[0].bound = 28_000;
    let finding = one(&case, "pool_exhausted");
    assert_eq!(finding.verdict.severity, Severity::Critical);
    says(
        &finding,
        &[
            "EADDRINUSE",
            "TCP: 28,232 of 28,232 ports",
            "28,000 of them",
            "nginx (12)",
        ],
    );
    let wider = "sysctl -w net.ipv4.ip_local_port_range='10240 65535'";
    assert_eq!(commands(&finding), [(wider, true)]);
    let pool = &mut case.snapshot.bind_pools[0];
    pool.proto = Proto::Udp;
    (pool.failures, pool.failures_per_s) = (Some(40), Some(2.0));
    says(
        &one(&case, "pool_exhausted"),
        &[
            "UDP",
            "EAGAIN",
            "40 calls got no port while watched, 2.0 a second",
        ],
    );
}

#[test]
fn the_pool_of_any_address_is_told_where_no_other_is_short_or_it_fails() {
    let mut case = samples::healthy();
    let pool = &mut case.snapshot.bind_pools[0];
    (pool.used, pool.free) = (28_232, 0);
    let mut any = pool.clone();
    any.src = samples::address("0.0.0.0");
    case.snapshot.bind_pools.push(any);
    assert_eq!(
        one(&case, "pool_exhausted").verdict.subject,
        "TCP bind pool of 10.0.0.1"
    );
    case.snapshot.bind_pools[1].failures = Some(1);
    assert_eq!(all(&case, "pool_exhausted").len(), 2);
    case.snapshot.bind_pools[1].failures = Some(0);
    case.snapshot.bind_pools[0].free = 28_232;
    assert_eq!(
        one(&case, "pool_exhausted").verdict.subject,
        "TCP bind pool of 0.0.0.0"
    );
}

#[test]
fn a_conflict_is_no_exhaustion() {
    let mut case = samples::healthy();
    let conflict = Failure {
        call: FailedCall::Bind(BindCall::Bind),
        cause: Cause::PortInUse,
        src_port: Some(8_080),
        errno: 98,
        ..snapshots::failure()
    };
    case.snapshot.failures = vec![conflict.clone(), snapshots::failure(), conflict];
    let finding = one(&case, "pool_exhausted");
    assert_eq!(finding.verdict.severity, Severity::Notice);
    assert_eq!(commands(&finding), [("ss -tanp sport = :8080", false)]);
    assert_eq!(finding.verdict.subject, "TCP 10.0.0.1:8080");
    says(
        &finding,
        &[
            "nginx (12)",
            "2 of the latest failures: bind() to 10.0.0.1:8080",
        ],
    );
}
