//! Frames for tests.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use super::*;
use crate::{
    attribution::snapshot::{
        BindPool, FailedCall, Failure, Holder, Namespace, Owner, Percentiles, Process, Rates, Space,
    },
    event::{Cause, Proto},
    views::snapshot::samples,
};

pub(super) use crate::views::snapshot::samples::{nginx, snapshot};

pub(super) fn services() -> Arc<Services> {
    Arc::new(
        [(443, "https".into()), (80, "http".into())]
            .into_iter()
            .collect(),
    )
}

/// Traced by tracepoints on a host named `web1`, on 2026-01-02 at 03:04:05.
pub(super) fn status() -> Status {
    Status {
        host: Arc::from("web1"),
        kernel: Arc::from("6.18.44"),
        attach: Some(Arc::from("tracepoint")),
        time: samples::about().time,
        uptime: Duration::from_secs(3_723),
        events_per_s: 1_234.5,
        own_cost: samples::about().own_cost,
        interval: Duration::from_secs(1),
        replay: None,
        recorded: None,
        advice: None,
        notes: Arc::from([]),
    }
}

pub(super) fn frame(snapshot: Snapshot) -> Frame {
    Frame {
        snapshot: Arc::new(snapshot),
        status: status(),
        port_map: None,
    }
}

/// A connect() of nginx that failed that many milliseconds before the snapshot.
pub(super) fn failure(ago: u64, dst_port: u16) -> Failure {
    let Space {
        netns, src, dst, ..
    } = samples::space();
    Failure {
        time: Duration::from_millis(100_000 - ago),
        netns,
        proto: Proto::Tcp,
        call: FailedCall::Connect,
        holder: nginx(),
        tid: 12,
        src,
        src_port: None,
        dst,
        dst_port,
        dev: 0,
        errno: 99,
        cause: Cause::RangeExhausted,
        search: Some(Duration::from_micros(250)),
    }
}

/// Some of each, in two namespaces, with failures; time 100 s.
pub(super) fn busy() -> Snapshot {
    let mut snapshot = snapshot();
    let other = Namespace {
        inode: 4_026_532_999,
        name: Some(Arc::from("blue")),
        reserved: 12,
        tw_reuse: 0,
        time_wait: 3_000,
        ..samples::host()
    };
    let six = |end: u16| IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 1, 2, 3, 4, 5, end));
    let v6 = Space {
        netns: other.inode,
        src: six(0xaaaa),
        dst: six(0xbbbb),
        dst_port: 5_432,
        exact: false,
        failures: Some(0),
        ..samples::roomy()
    };
    snapshot.spaces = vec![samples::exhausted(), samples::roomy(), v6];
    for pid in 100..108 {
        snapshot.spaces[1].owners.push(Owner {
            holder: curl(pid),
            ports: 60 - pid % 10,
            time_wait: pid % 10,
        });
    }
    let mut failing = samples::process();
    failing.holder = curl(100);
    failing.ports = 60;
    failing.failures = Some(17);
    failing.rates = Some(Rates {
        connects: 3.0,
        failures: 3.4,
        ..Rates::default()
    });
    snapshot.processes.push(failing);
    snapshot.namespaces.push(other);
    let bound = Failure {
        src_port: Some(4_000),
        errno: 98,
        cause: Cause::TupleInUse,
        search: None,
        holder: curl(100),
        ..failure(61_250, 9_999)
    };
    snapshot.bind_pools.insert(0, samples::udp_pool());
    snapshot.failures = vec![
        failure(5, 443),
        failure(1_005, 443),
        samples::udp_failure(),
        bound,
    ];
    snapshot
}

pub(super) fn curl(pid: u32) -> Holder {
    Holder {
        pid: Some(pid),
        comm: b"curl".to_vec(),
        cgroup: Some(Arc::from(
            "/kubepods/burstable/pod1234/cri-containerd-0123456789abcdef0123456789abcdef.scope",
        )),
    }
}

/// Names with escape sequences, in other writing directions, wide, piled up, and long.
pub(super) fn hostile() -> Snapshot {
    let names: [&[u8]; 7] = [
        b"\x1b[2J\x1b]0;owned\x07\n",
        "\u{202e}gnp.exe\u{9b}1m".as_bytes(),
        "日本語の名前の長いプロセス".as_bytes(),
        "🦀👩‍👩‍👧❤️🇩🇪".as_bytes(),
        b"\xff\xfe\x80",
        &[b'x'; 200],
        "a\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}b".as_bytes(),
    ];
    let mut snapshot = busy();
    snapshot.namespaces[0].name = Some(Arc::from("\u{1b}[31m\u{202e}ns\r\n"));
    let (space, process) = (samples::space(), samples::process());
    (snapshot.spaces, snapshot.processes) = (Vec::new(), Vec::new());
    snapshot.failures = Vec::new();
    for (port, name) in (1_000..).zip(names) {
        let holder = Holder {
            pid: Some(u32::from(port)),
            comm: name.to_vec(),
            cgroup: Some(Arc::from(String::from_utf8_lossy(name))),
        };
        let mut space = space.clone();
        space.dst_port = port;
        space.owners = vec![Owner {
            holder: holder.clone(),
            ports: 3,
            time_wait: 1,
        }];
        snapshot.spaces.push(space);
        snapshot.processes.push(Process {
            holder: holder.clone(),
            ..process.clone()
        });
        snapshot.failures.push(Failure {
            holder,
            ..failure(u64::from(port), port)
        });
    }
    snapshot
}

/// That many spaces and processes; each process holds ports of five spaces.
pub(super) fn many(spaces: u32, processes: u32) -> Snapshot {
    let mut snapshot = snapshot();
    let (space, process) = (samples::space(), samples::process());
    let holder = |number: u32| Holder {
        pid: Some(1_000 + number),
        comm: format!("worker-{}", number % 97).into_bytes(),
        cgroup: Some(Arc::from(format!(
            "/system.slice/worker-{}.service",
            number % 97
        ))),
    };
    let address = |number: u32| IpAddr::from(Ipv4Addr::from(0x0a01_0000 + number / 10));
    snapshot.spaces = (0..spaces)
        .map(|number| {
            let used = (spaces - number) * 20_000 / spaces.max(1);
            let owner = |step: u32| Owner {
                holder: holder((number * 7 + step * 13) % processes.max(1)),
                ports: used / 2 / (step + 1),
                time_wait: used / 5,
            };
            Space {
                dst: address(number),
                dst_port: 1_000 + u16::try_from(number % 10).expect("small"),
                used,
                time_wait: used / 2,
                free: 28_212 - used,
                fill: f64::from(used + 20) / 28_232.0,
                exhausts_in: (number % 3 == 0).then(|| Duration::from_secs(u64::from(number) + 10)),
                rates: Some(Rates {
                    connects: f64::from(number * 31 % 1_000) / 10.0,
                    ..Rates::default()
                }),
                owners: (0..2).map(owner).collect(),
                ..space.clone()
            }
        })
        .collect();
    snapshot.processes = (0..processes)
        .map(|number| Process {
            holder: holder(number),
            ports: processes - number,
            time_wait: number % 50,
            search: Some(Percentiles {
                p50: Duration::from_micros(3),
                p99: Duration::from_micros(u64::from(number % 900)),
                max: Duration::from_millis(1),
            }),
            ..process.clone()
        })
        .collect();
    snapshot
}

/// Thousands of each, in thousands of namespaces; as many failures as a snapshot has.
pub(super) fn crowded() -> Snapshot {
    let mut snapshot = many(5_000, 1_000);
    let (namespace, pool) = (
        snapshot.namespaces.first().cloned().expect("a namespace"),
        snapshot.bind_pools.first().cloned().expect("a pool"),
    );
    for number in 1..2_000_u32 {
        let inode = namespace.inode + number;
        snapshot.namespaces.push(Namespace {
            inode,
            name: (number % 2 == 0).then(|| Arc::from(format!("pod-{number}"))),
            time_wait: number,
            ..namespace.clone()
        });
        snapshot.bind_pools.push(BindPool {
            netns: inode,
            used: number,
            free: 28_232 - number,
            ..pool.clone()
        });
    }
    snapshot.failures = (0..512)
        .map(|number| Failure {
            holder: curl(2_000 + number),
            ..failure(u64::from(number) * 10, 443)
        })
        .collect();
    snapshot
}
