//! Snapshots for tests.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use super::About;
use crate::{
    attribution::snapshot::{
        BindPool, Destination, Drift, FailedCall, Failure, Holder, Namespace, Owner, Percentiles,
        Process, Rates, Snapshot, Space,
    },
    cost::{KernelCost, OwnCost},
    event::{BindCall, Cause, Proto},
    ports::PortRange,
};

const HOST: u32 = 4_026_531_840;

/// Traced by tracepoints, on 2026-01-02 at 03:04:05.
pub(crate) fn about() -> About<'static> {
    About {
        kernel: "6.18.44",
        attach: Some("tracepoint"),
        time: "2026-01-02T03:04:05.000000006Z".parse().expect("a time"),
        uptime: Duration::from_millis(5_500),
        own_cost: Some(OwnCost {
            cpu: Some(0.012),
            rss_bytes: Some(37_900_000),
            kernel: Some(KernelCost {
                cpu: 0.0285,
                runs_per_s: 300_000.5,
                ns_per_run: Some(95.0),
            }),
            kernel_map_bytes: Some(52_428_800),
        }),
    }
}

/// nginx (pid 12).
pub(crate) fn nginx() -> Holder {
    Holder {
        pid: Some(12),
        comm: b"nginx".to_vec(),
        cgroup: Some(Arc::from("/system.slice/nginx.service")),
    }
}

/// Nobody that can be known.
pub(crate) fn nobody() -> Holder {
    Holder {
        pid: None,
        comm: b"unknown".to_vec(),
        cgroup: None,
    }
}

fn range() -> PortRange {
    PortRange {
        lo: 32_768,
        hi: 60_999,
    }
}

/// 312 of 28232 ports are left from 10.0.0.1 to 10.0.0.2:443, for 14 seconds; watched.
pub(crate) fn space() -> Space {
    Space {
        netns: HOST,
        src: IpAddr::from(Ipv4Addr::new(10, 0, 0, 1)),
        dst: IpAddr::from(Ipv4Addr::new(10, 0, 0, 2)),
        dst_port: 443,
        dev: 0,
        range: range(),
        own_range: false,
        capacity: 28_232,
        used: 27_900,
        time_wait: 27_000,
        close_wait: 7,
        bound: 2,
        recyclable: 0,
        blocked: 20,
        free: 312,
        exact: true,
        fill: f64::from(27_920_u32) / f64::from(28_232_u32),
        rates: Some(Rates {
            connects: 462.5,
            connects_smoothed: 450.0,
            failures: 0.0,
            releases: 440.25,
        }),
        failures: Some(0),
        exhausts_in: Some(Duration::from_millis(14_040)),
        need: Some(27_750.0),
        hold: Some(times(60_250_000)),
        search: Some(times(4)),
        owners: vec![
            Owner {
                holder: nginx(),
                ports: 27_800,
                time_wait: 26_900,
            },
            Owner {
                holder: nobody(),
                ports: 100,
                time_wait: 100,
            },
        ],
    }
}

/// From this many microseconds (half of all) to twice as many (99 of 100).
fn times(micros: u64) -> Percentiles {
    let p50 = Duration::from_micros(micros);
    Percentiles {
        p50,
        p99: p50 * 2,
        max: p50 * 3,
    }
}

/// 24844 ports are left to 10.0.0.3:80, for ever.
pub(crate) fn roomy() -> Space {
    Space {
        dst: IpAddr::from(Ipv4Addr::new(10, 0, 0, 3)),
        dst_port: 80,
        used: 3_368,
        time_wait: 0,
        free: 24_844,
        fill: f64::from(3_388_u32) / f64::from(28_232_u32),
        exhausts_in: None,
        ..space()
    }
}

/// All ports to 10.0.0.2:443 are gone, and 17 connects failed.
pub(crate) fn exhausted() -> Space {
    Space {
        used: 28_212,
        free: 0,
        fill: 1.0,
        rates: Some(Rates {
            failures: 3.4,
            ..Rates::default()
        }),
        failures: Some(17),
        exhausts_in: Some(Duration::ZERO),
        ..space()
    }
}

/// What nginx holds.
pub(crate) fn process() -> Process {
    let Space {
        netns,
        dst,
        dst_port,
        rates,
        hold,
        search,
        ..
    } = space();
    Process {
        holder: nginx(),
        netns,
        ports: 27_800,
        time_wait: 26_900,
        close_wait: 8,
        bound: 3,
        rates,
        failures: Some(0),
        search,
        hold,
        top: Some(Destination {
            dst,
            dst_port,
            ports: 27_700,
        }),
    }
}

/// nginx found no port to 10.0.0.2:443, a millisecond and a half before the snapshot.
pub(crate) fn failure() -> Failure {
    let Space {
        netns,
        src,
        dst,
        dst_port,
        ..
    } = space();
    Failure {
        time: Duration::new(99, 998_500_000),
        netns,
        proto: Proto::Tcp,
        call: FailedCall::Connect,
        holder: nginx(),
        tid: 13,
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

/// Half of the ports of 10.0.0.1.
pub(crate) fn pool() -> BindPool {
    BindPool {
        netns: HOST,
        proto: Proto::Tcp,
        src: IpAddr::from(Ipv4Addr::new(10, 0, 0, 1)),
        range: range(),
        capacity: 28_232,
        used: 14_116,
        bound: 300,
        free: 14_116,
        exact: true,
        failures: Some(0),
        failures_per_s: Some(0.0),
        owners: vec![Owner {
            holder: nginx(),
            ports: 14_000,
            time_wait: 100,
        }],
    }
}

/// An unbound UDP socket finds 1129 of 28232 ports: a resolver has the others. It was refused 5 times.
pub(crate) fn udp_pool() -> BindPool {
    BindPool {
        proto: Proto::Udp,
        src: IpAddr::from(Ipv4Addr::UNSPECIFIED),
        used: 27_103,
        bound: 27_103,
        free: 1_129,
        failures: Some(5),
        failures_per_s: Some(0.5),
        owners: vec![Owner {
            holder: resolver(),
            ports: 27_100,
            time_wait: 0,
        }],
        ..pool()
    }
}

/// The resolver found no port, two seconds before the snapshot.
pub(crate) fn udp_failure() -> Failure {
    Failure {
        time: Duration::from_secs(98),
        proto: Proto::Udp,
        call: FailedCall::Bind(BindCall::Autobind),
        holder: resolver(),
        tid: 53,
        src: IpAddr::from(Ipv4Addr::UNSPECIFIED),
        dst: IpAddr::from(Ipv4Addr::UNSPECIFIED),
        dst_port: 0,
        errno: 11,
        cause: Cause::PoolExhausted,
        search: None,
        ..failure()
    }
}

fn resolver() -> Holder {
    Holder {
        pid: Some(53),
        comm: b"unbound".to_vec(),
        cgroup: None,
    }
}

/// The namespace of all this.
pub(crate) fn host() -> Namespace {
    Namespace {
        inode: HOST,
        name: Some(Arc::from("host")),
        range: range(),
        reserved: 0,
        tw_reuse: 2,
        time_wait: 27_000,
        max_tw_buckets: 65_536,
        time_wait_overflows: Some(3),
        fin_timeout: Duration::from_secs(60),
        autobind_reuse: false,
    }
}

/// One of each, watched for five seconds.
pub(crate) fn snapshot() -> Snapshot {
    Snapshot {
        time: Duration::from_secs(100),
        watched: Some(Duration::from_secs(5)),
        events: 12_345,
        lost: 0,
        dropped: 0,
        hidden_namespaces: 0,
        drift: Some(Drift::default()),
        namespaces: vec![host()],
        spaces: vec![space()],
        processes: vec![process()],
        bind_pools: vec![pool()],
        failures: Vec::new(),
    }
}

/// The same when nothing was traced.
pub(crate) fn unwatched(mut snapshot: Snapshot) -> Snapshot {
    snapshot.watched = None;
    snapshot.drift = None;
    for space in &mut snapshot.spaces {
        space.rates = None;
        space.failures = None;
        space.exhausts_in = None;
        space.need = None;
        space.hold = None;
        space.search = None;
    }
    for process in &mut snapshot.processes {
        process.rates = None;
        process.failures = None;
        process.hold = None;
        process.search = None;
    }
    for pool in &mut snapshot.bind_pools {
        pool.failures = None;
        pool.failures_per_s = None;
    }
    snapshot
}
