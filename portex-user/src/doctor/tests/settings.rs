//! Settings and counters of a namespace.

use std::time::Duration;

use super::{all, commands, none, one, samples, says};
use crate::{
    doctor::Severity,
    host::{ConntrackCounters, Host},
    ports::{PortRange, PortSet},
    views::snapshot::samples as snapshots,
};

/// The healthy case with another host.
fn case(change: impl FnOnce(&mut Host)) -> crate::doctor::Case {
    let mut case = samples::healthy();
    change(&mut case.hosts[0]);
    case
}

fn ports(text: &str) -> PortSet {
    PortSet::parse(text)
}

#[test]
fn the_range_is_of_interest_when_it_is_tiny_or_ports_run_out() {
    none(&samples::healthy(), "port_range");
    let tiny = case(|host| {
        host.rules.range = PortRange {
            lo: 40_000,
            hi: 40_098,
        }
    });
    let finding = one(&tiny, "port_range");
    assert_eq!(finding.verdict.severity, Severity::Notice);
    says(
        &finding,
        &["tiny", "99 ports, 99 of them not reserved", "an odd number"],
    );
    assert_eq!(
        commands(&finding),
        [
            ("sysctl -w net.ipv4.ip_local_port_range='10240 65535'", true),
            ("sysctl -w net.ipv4.ip_local_port_range='1024 65535'", true),
        ]
    );
    let finding = one(&samples::churn(), "port_range");
    assert_eq!(finding.verdict.severity, Severity::Warning);
    says(&finding, &["10.0.0.1 -> 10.0.0.2:443: 27,920 of 28,232"]);
    let mut wide = samples::churn();
    wide.hosts[0].rules.range = PortRange {
        lo: 1_024,
        hi: 65_535,
    };
    none(&wide, "port_range");
}

#[test]
fn a_wider_range_spares_listeners_and_what_is_reserved() {
    let mut case = samples::churn();
    let host = &mut case.hosts[0];
    host.listeners = vec![
        samples::listener(22, b"sshd"),
        samples::listener(9_100, b"metrics"),
        samples::listener(15_672, b"broker"),
    ];
    host.rules.reserved = ports("20000-20003");
    let finding = one(&case, "port_range");
    let commands: Vec<&str> = commands(&finding)
        .iter()
        .map(|(command, _)| *command)
        .collect();
    assert_eq!(
        commands,
        [
            "sysctl -w net.ipv4.ip_local_reserved_ports=9100,15672,20000-20003 \
             net.ipv4.ip_local_port_range='10240 65535'",
            "sysctl -w net.ipv4.ip_local_reserved_ports=9100,15672,20000-20003 \
             net.ipv4.ip_local_port_range='1024 65535'",
        ]
    );
    let persist = finding.verdict.remedies[0].persist.as_deref();
    assert_eq!(
        persist,
        Some(
            "net.ipv4.ip_local_reserved_ports = 9100,15672,20000-20003\n\
             net.ipv4.ip_local_port_range = 10240 65535"
        )
    );
}

#[test]
fn the_range_does_not_begin_below_the_first_unprivileged_port() {
    let mut case = samples::churn();
    case.hosts[0].unprivileged_from = 2_001;
    let finding = one(&case, "port_range");
    let last = commands(&finding)[1].0;
    assert!(last.ends_with("'2002 65535'"), "{last}");
}

#[test]
fn commands_enter_the_namespace_that_is_meant() {
    let other = |path: Option<&str>| {
        let mut case = case(|host| {
            (host.own, host.lasting) = (false, false);
            host.rules.fin_timeout = Duration::from_secs(15);
        });
        case.hosts[0].path = path.map(str::to_owned);
        one(&case, "fin_timeout")
    };
    let named = other(Some("/run/netns/blue"));
    let command = "nsenter --net=/run/netns/blue sysctl -w net.ipv4.tcp_fin_timeout=60";
    assert_eq!(commands(&named), [(command, true)]);
    assert_eq!(named.verdict.remedies[0].persist, None);
    let unknown = other(None);
    assert!(commands(&unknown).is_empty());
    assert!(!unknown.verdict.remedies[0].fixes, "nothing to run");
}

#[test]
fn reserved_ports_are_given_back_where_nobody_listens() {
    none(
        &case(|host| host.rules.reserved = ports("33000-34000")),
        "reserved_ports",
    );
    none(
        &case(|host| host.rules.reserved = ports("1-30000")),
        "reserved_ports",
    );
    let much = case(|host| {
        host.rules.reserved = ports("9000,33000-37999");
        host.listeners.push(samples::listener(33_003, b"a"));
    });
    let finding = one(&much, "reserved_ports");
    assert_eq!(finding.verdict.severity, Severity::Notice);
    says(
        &finding,
        &["5,000 of the 28,232 ports", "(17.7 %)", "have 1 of them"],
    );
    let give_back = "sysctl -w net.ipv4.ip_local_reserved_ports=9000,33003";
    assert_eq!(commands(&finding), [(give_back, true)]);
    let mut endangered = samples::churn();
    endangered.hosts[0].rules.reserved = ports("33000-33399");
    let finding = one(&endangered, "reserved_ports");
    assert_eq!(finding.verdict.severity, Severity::Notice);
    assert_eq!(
        commands(&finding),
        [("sysctl -w net.ipv4.ip_local_reserved_ports=", true)]
    );
}

#[test]
fn listeners_in_the_range_are_reserved_with_what_is() {
    none(&samples::healthy(), "listeners_in_range");
    let exposed = case(|host| {
        host.rules.reserved = ports("40000");
        host.listeners.push(samples::listener(40_000, b"reserved"));
        host.listeners
            .push(samples::listener(50_051, b"grpc\x1b[2J"));
    });
    let finding = one(&exposed, "listeners_in_range");
    assert_eq!(finding.verdict.severity, Severity::Info);
    says(&finding, &["(700) listens at 0.0.0.0:50051"]);
    let reserve = "sysctl -w net.ipv4.ip_local_reserved_ports=40000,50051";
    assert_eq!(commands(&finding), [(reserve, true)]);
    let mut endangered = samples::churn();
    endangered.hosts = exposed.hosts;
    let finding = one(&endangered, "listeners_in_range");
    assert_eq!(finding.verdict.severity, Severity::Notice);
    let many = case(|host| {
        let grpc = (50_000..50_300).map(|port| samples::listener(port, b"grpc"));
        host.listeners.extend(grpc);
    });
    let finding = one(&many, "listeners_in_range");
    assert_eq!(finding.verdict.severity, Severity::Notice);
}

#[test]
fn ports_of_udp_sockets_are_not_given_back() {
    let mut much = case(|host| {
        host.rules.reserved = ports("9000,33000-37999");
        // The last is at a port that the kernel gives away.
        host.udp = ports("33000-33049,53,9001,50000");
    });
    let finding = one(&much, "reserved_ports");
    says(&finding, &["have 50 of them"]);
    let give_back = "sysctl -w net.ipv4.ip_local_reserved_ports=9000-9001,33000-33049";
    assert_eq!(commands(&finding), [(give_back, true)]);
    assert!(finding.verdict.remedies[0].text.contains("4,950 ports"));
    none(&much, "listeners_in_range");
    much.hosts[0].udp = ports("33000-37999");
    let finding = one(&much, "reserved_ports");
    assert!(
        commands(&finding).is_empty(),
        "all are in use: {finding:#?}"
    );
}

#[test]
fn commands_that_reserve_ports_of_a_namespace_set_one_list() {
    let mut case = samples::churn();
    let host = &mut case.hosts[0];
    host.listeners = vec![
        samples::listener(9_100, b"metrics"),
        samples::listener(15_672, b"broker"),
        samples::listener(50_051, b"grpc"),
    ];
    host.udp = ports("4789");
    host.rules.reserved = ports("33000-33003");
    let mut lists = std::collections::BTreeSet::new();
    for id in ["listeners_in_range", "port_range", "time_wait_churn"] {
        let finding = one(&case, id);
        let all = commands(&finding);
        let told = all.iter().filter_map(|(command, _)| {
            let (_, list) = command.split_once("reserved_ports=")?;
            Some(list.split(' ').next()?.to_owned())
        });
        let told: Vec<_> = told.collect();
        assert!(!told.is_empty(), "{id}");
        lists.extend(told);
    }
    let lists: Vec<_> = lists.into_iter().collect();
    assert_eq!(lists, ["4789,9100,15672,33000-33003,50051"]);
}

#[test]
fn a_list_that_the_kernel_does_not_take_is_not_printed() {
    let mut case = samples::churn();
    let odd = (1_u16..=1_000).map(|number| 40_001 + 2 * number);
    let listeners = odd.map(|port| samples::listener(port, b"many"));
    case.hosts[0].listeners = listeners.collect();
    for id in ["listeners_in_range", "port_range"] {
        let finding = one(&case, id);
        let remedy = &finding.verdict.remedies[0];
        assert_eq!((&remedy.command, &remedy.persist), (&None, &None), "{id}");
        assert!(
            !remedy.fixes && remedy.text.contains("4,000 bytes"),
            "{remedy:?}"
        );
    }
}

#[test]
fn what_keeps_a_setting_is_told_of_the_machine_s_namespace_only() {
    let mut case = case(|host| host.rules.fin_timeout = Duration::from_secs(15));
    let kept = |case: &crate::doctor::Case| {
        let finding = one(case, "fin_timeout");
        (
            commands(&finding).len(),
            finding.verdict.remedies[0].persist.is_some(),
        )
    };
    assert_eq!(kept(&case), (1, true));
    case.hosts[0].lasting = false;
    assert_eq!(
        kept(&case),
        (1, false),
        "that of a container, or of unshare -n"
    );
}

#[test]
fn node_ports_matter_on_a_node_only() {
    let range = PortRange {
        lo: 10_240,
        hi: 65_535,
    };
    let wide = |agent: Option<&str>| {
        case(|host| {
            host.rules.range = range;
            host.node_agent = agent.map(str::to_owned);
        })
    };
    none(&wide(None), "listeners_in_range");
    let finding = one(&wide(Some("kubelet")), "listeners_in_range");
    assert_eq!(finding.verdict.severity, Severity::Warning);
    says(
        &finding,
        &["kubelet runs here: 2,768 of the NodePorts 30000-32767"],
    );
    let reserve = "sysctl -w net.ipv4.ip_local_reserved_ports=30000-32767";
    assert_eq!(commands(&finding), [(reserve, true)]);
    let usual = case(|host| host.node_agent = Some("kubelet".to_owned()));
    none(&usual, "listeners_in_range");
}

#[test]
fn reuse_is_of_interest_where_time_waits_are_or_it_does_nothing() {
    for value in [0, 1, 2] {
        none(&case(|host| host.rules.tw_reuse = value), "tw_reuse");
    }
    let useless = case(|host| {
        host.rules.tw_reuse = 1;
        host.timestamps = Some(0);
    });
    let finding = one(&useless, "tw_reuse");
    says(
        &finding,
        &["of no use", "tcp_tw_reuse = 1, tcp_timestamps = 0"],
    );
    assert_eq!(
        commands(&finding),
        [("sysctl -w net.ipv4.tcp_timestamps=1", true)]
    );

    let mut case = samples::churn();
    let reuse = [("sysctl -w net.ipv4.tcp_tw_reuse=1", true)];
    let finding = one(&case, "tw_reuse");
    says(
        &finding,
        &["on the loopback only", "27,000 TIME_WAITs, 0 of which"],
    );
    assert_eq!(commands(&finding), reuse);
    case.hosts[0].rules.tw_reuse = 0;
    let finding = one(&case, "tw_reuse");
    says(&finding, &["tcp_tw_reuse is 0"]);
    assert_eq!(commands(&finding), reuse);
    case.hosts[0].timestamps = Some(0);
    let finding = one(&case, "tw_reuse");
    assert!(
        commands(&finding).iter().all(|(_, fixes)| !fixes),
        "it takes both"
    );
    case.hosts[0].rules.tw_reuse = 1;
    case.hosts[0].timestamps = Some(1);
    none(&case, "tw_reuse");
}

#[test]
fn fin_timeout_is_told_where_it_was_lowered() {
    none(&samples::healthy(), "fin_timeout");
    none(
        &case(|host| host.rules.fin_timeout = Duration::from_secs(120)),
        "fin_timeout",
    );
    let finding = one(
        &case(|host| host.rules.fin_timeout = Duration::from_secs(15)),
        "fin_timeout",
    );
    says(
        &finding,
        &["does not shorten TIME_WAIT", "tcp_fin_timeout = 15 s"],
    );
    assert_eq!(
        commands(&finding),
        [("sysctl -w net.ipv4.tcp_fin_timeout=60", true)]
    );
}

#[test]
fn sharing_of_ports_by_bind_is_told_where_it_is_on() {
    none(&samples::healthy(), "autobind_reuse");
    let finding = one(
        &case(|host| host.rules.autobind_reuse = true),
        "autobind_reuse",
    );
    assert_eq!(
        commands(&finding),
        [("sysctl -w net.ipv4.ip_autobind_reuse=0", true)]
    );
}

#[test]
fn time_wait_overflow_is_near_grows_or_was() {
    none(&samples::healthy(), "time_wait_overflow");
    let near = case(|host| host.time_waits = Some(120_000));
    let finding = one(&near, "time_wait_overflow");
    assert_eq!(finding.verdict.severity, Severity::Warning);
    says(
        &finding,
        &["120,000 TIME_WAITs of 131,072 at most (91.5 %)"],
    );
    let raise = "sysctl -w net.ipv4.tcp_max_tw_buckets=262144";
    assert_eq!(commands(&finding), [(raise, true)]);

    let mut was = case(|host| host.time_wait_overflows = Some(50));
    let finding = one(&was, "time_wait_overflow");
    assert_eq!(finding.verdict.severity, Severity::Notice);
    assert_eq!(
        commands(&finding),
        [(raise, false)],
        "what was counted stays"
    );
    was.before = vec![Host {
        time_wait_overflows: Some(50),
        ..samples::host()
    }];
    let severity = |case: &crate::doctor::Case| one(case, "time_wait_overflow").verdict.severity;
    assert_eq!(severity(&was), Severity::Notice);
    was.before[0].time_wait_overflows = Some(40);
    assert_eq!(severity(&was), Severity::Warning);
    says(
        &one(&was, "time_wait_overflow"),
        &["of these, 10 while watched"],
    );
}

#[test]
fn figures_that_cannot_be_read_are_not_zero() {
    let overflowed = case(|host| {
        host.time_waits = None;
        host.time_wait_overflows = Some(50);
    });
    let finding = one(&overflowed, "time_wait_overflow");
    says(&finding, &["how many there are is not readable"]);
    assert!(
        !finding
            .verdict
            .evidence
            .join("\n")
            .contains("0 TIME_WAITs of")
    );
    let near = case(|host| {
        host.time_waits = Some(120_000);
        host.time_wait_overflows = None;
    });
    says(
        &one(&near, "time_wait_overflow"),
        &["TCPTimeWaitOverflow is not readable"],
    );
}

#[test]
fn a_low_bound_of_time_waits_is_somebody_s_doing() {
    none(&samples::healthy(), "tw_buckets_low");
    none(
        &case(|host| host.rules.max_tw_buckets = 4_096),
        "tw_buckets_low",
    );
    let finding = one(
        &case(|host| host.rules.max_tw_buckets = 500),
        "tw_buckets_low",
    );
    says(&finding, &["= 500", "28,232"]);
    let raise = "sysctl -w net.ipv4.tcp_max_tw_buckets=131072";
    assert_eq!(commands(&finding), [(raise, true)]);
    // 512 MiB: the kernel's own.
    let small = |max| {
        case(|host| {
            host.rules.max_tw_buckets = max;
            host.usual_tw_buckets = Some(2_048);
        })
    };
    none(&small(2_048), "tw_buckets_low");
    one(&small(500), "tw_buckets_low");
}

#[test]
fn a_full_conntrack_table_is_raised_where_its_bound_can_be_set() {
    let filled = |count, own| {
        case(|host| {
            if let Some(table) = &mut host.conntrack {
                (table.count, table.max_is_own) = (count, own);
            }
        })
    };
    none(&samples::healthy(), "conntrack_table");
    none(&filled(209_000, true), "conntrack_table");
    let finding = one(&filled(210_000, true), "conntrack_table");
    assert_eq!(finding.verdict.severity, Severity::Warning);
    says(&finding, &["210000 entries of 262144 (80.1 %)"]);
    let raise = "sysctl -w net.netfilter.nf_conntrack_max=524288";
    assert_eq!(commands(&finding), [(raise, true)]);
    let finding = one(&filled(262_000, false), "conntrack_table");
    assert_eq!(finding.verdict.severity, Severity::Critical);
    let of_host = format!("nsenter --net=/proc/1/ns/net {raise}");
    assert_eq!(commands(&finding), [(of_host.as_str(), false)]);
    let unbounded = case(|host| {
        if let Some(table) = &mut host.conntrack {
            (table.count, table.max) = (1_000_000, 0);
        }
    });
    none(&unbounded, "conntrack_table");
    none(&case(|host| host.conntrack = None), "conntrack_table");
}

#[test]
fn refused_connections_of_conntrack_are_worse_when_they_go_on() {
    none(&samples::healthy(), "conntrack_insert_failed");
    let refused = |insert_failed| {
        let mut host = samples::host();
        if let Some(table) = &mut host.conntrack {
            table.counters = Some(ConntrackCounters {
                insert_failed,
                drop: 3,
                early_drop: 0,
            });
        }
        host
    };
    let mut case = samples::healthy();
    case.hosts = vec![refused(40)];
    let finding = one(&case, "conntrack_insert_failed");
    assert_eq!(finding.verdict.severity, Severity::Notice);
    says(&finding, &["insert_failed 40, drop 3"]);
    case.before = vec![refused(40)];
    let finding = one(&case, "conntrack_insert_failed");
    assert_eq!(finding.verdict.severity, Severity::Notice);
    case.before = vec![refused(39)];
    let finding = one(&case, "conntrack_insert_failed");
    assert_eq!(finding.verdict.severity, Severity::Notice, "one");
    case.before = vec![refused(30)];
    case.snapshot.watched = Some(Duration::from_secs(11));
    let finding = one(&case, "conntrack_insert_failed");
    assert_eq!(finding.verdict.severity, Severity::Notice, "seldom");
    case.snapshot.watched = Some(Duration::from_secs(10));
    let finding = one(&case, "conntrack_insert_failed");
    assert_eq!(finding.verdict.severity, Severity::Warning);
    says(&finding, &["while watched: insert_failed 10, drop 0"]);
}

#[test]
fn capacity_is_told_in_plain_numbers_with_what_was_measured() {
    let finding = one(&samples::churn(), "capacity");
    assert_eq!(finding.verdict.severity, Severity::Info);
    says(
        &finding,
        &[
            "471 connects/s to one destination",
            "28,232 ports, 0 of them reserved",
            "a port is held for about 60 s, median 1 min 00 s: good for 471 connects/s",
        ],
    );
    let reserved = case(|host| host.rules.reserved = ports("32768-46883"));
    says(
        &one(&reserved, "capacity"),
        &["235 connects/s", "14,116 left"],
    );
}

#[test]
fn capacity_is_told_of_namespaces_that_connect_only() {
    let mut case = samples::healthy();
    let other = |netns| Host {
        netns,
        own: false,
        lasting: false,
        ..samples::host()
    };
    case.hosts.extend([other(7), other(8)]);
    case.snapshot
        .spaces
        .push(crate::attribution::snapshot::Space {
            netns: 8,
            ..snapshots::roomy()
        });
    let told: Vec<_> = all(&case, "capacity")
        .iter()
        .map(|finding| finding.verdict.netns)
        .collect();
    assert_eq!(told, [Some(8), Some(samples::HOST)]);
}
