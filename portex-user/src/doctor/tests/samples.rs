//! Cases for tests.

use std::{net::IpAddr, sync::Arc, time::Duration};

use crate::{
    attribution::snapshot::{Owner, Snapshot, Space},
    doctor::{Attach, Attached, Case, Off, Portex},
    event::{Losses, RingFull},
    found::Rules,
    host::{Conntrack, ConntrackCounters, Host, Listener, Network},
    ports::{PortRange, PortSet},
    views::snapshot::samples,
};

/// The namespace of the samples.
pub(crate) const HOST: u32 = 4_026_531_840;

/// As kernels set them.
pub(crate) fn rules() -> Rules {
    Rules {
        range: PortRange {
            lo: 32_768,
            hi: 60_999,
        },
        reserved: PortSet::default(),
        tw_reuse: 2,
        tw_reuse_delay: Duration::from_secs(1),
        tw_reuse_coarse: false,
        tw_reuse_fin_wait2: false,
        max_tw_buckets: 131_072,
        autobind_reuse: false,
        fin_timeout: Duration::from_secs(60),
    }
}

/// The own namespace, in which nothing is wrong.
pub(crate) fn host() -> Host {
    Host {
        netns: HOST,
        name: Some(Arc::from("host")),
        path: None,
        own: true,
        lasting: true,
        udp: PortSet::default(),
        rules: rules(),
        timestamps: Some(1),
        unprivileged_from: 1_024,
        time_wait_overflows: Some(0),
        time_waits: Some(12),
        conntrack: Some(Conntrack {
            count: 12,
            max: 262_144,
            max_is_own: true,
            counters: Some(ConntrackCounters::default()),
        }),
        addresses: vec![address("10.0.0.1")],
        addresses_unread: vec![],
        networks: vec![Network {
            address: address("10.0.0.0"),
            prefix: 24,
        }],
        usual_tw_buckets: Some(131_072),
        listeners: vec![listener(22, b"sshd")],
        node_agent: None,
    }
}

pub(crate) fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// Somebody at a port, with the process id 700.
pub(crate) fn listener(port: u16, comm: &[u8]) -> Listener {
    Listener {
        port,
        address: address("0.0.0.0"),
        process: Some((comm.to_vec(), 700)),
    }
}

/// By trampoline, and everything is there.
pub(crate) fn portex() -> Portex {
    Portex {
        release: "6.18.44".to_owned(),
        attach: Attach::Worked(Attached {
            way: "trampoline",
            cost: "everything is seen",
            best: true,
            refused: vec![],
            off: vec![],
        }),
        missing: vec![],
        uid: 0,
        btf_refused: None,
        lockdown: "none",
        walks_refused: None,
        losses: Losses::default(),
        program: Some("/usr/bin/portex".to_owned()),
    }
}

/// By tracepoint, with a hook off.
pub(crate) fn tracepoint() -> Attached {
    Attached {
        way: "tracepoint",
        cost: "no port-search times",
        best: false,
        refused: vec![("trampoline", "no programs of this type".to_owned())],
        off: vec![Off {
            hook: "timer_cancel",
            cause: "no such tracepoint".to_owned(),
            serves: "TIME_WAIT",
        }],
    }
}

/// A host with nothing to complain of: a quarter of one destination's ports is taken.
pub(crate) fn healthy() -> Case {
    Case {
        snapshot: Snapshot {
            spaces: vec![roomy()],
            ..samples::snapshot()
        },
        portex: portex(),
        hosts: vec![host()],
        before: vec![],
        notes: vec![],
        refusals: vec![],
    }
}

fn roomy() -> Space {
    Space {
        used: 7_058,
        time_wait: 6_000,
        blocked: 0,
        free: 21_174,
        fill: 0.25,
        exhausts_in: None,
        need: Some(7_000.0),
        search: None,
        ..space()
    }
}

/// 10.0.0.1 has 312 of 28,232 ports to 10.0.0.2:443 left, 27,000 are in TIME_WAIT; nginx (12) holds
/// nearly all; watched.
pub(crate) fn churn() -> Case {
    with(space())
}

fn space() -> Space {
    Space {
        need: Some(27_750.0),
        close_wait: 0,
        bound: 0,
        ..samples::space()
    }
}

/// The same without having been watched.
pub(crate) fn unwatched() -> Case {
    let mut case = churn();
    case.snapshot = samples::unwatched(case.snapshot);
    case
}

/// With one space only.
pub(crate) fn with(space: Space) -> Case {
    let mut case = healthy();
    case.snapshot.spaces = vec![space];
    case
}

/// nginx (12) holds 27,000 of 28,232 ports by live connections; in the latest ten seconds it opened ten
/// times as many as it closed.
pub(crate) fn leak() -> Case {
    let mut space = space();
    space.used = 27_000;
    space.time_wait = 0;
    space.blocked = 0;
    space.free = 1_232;
    space.exhausts_in = Some(Duration::from_secs(123));
    if let Some(rates) = &mut space.rates {
        rates.connects = 10.0;
        rates.releases = 1.0;
    }
    space.owners = vec![Owner {
        holder: samples::nginx(),
        ports: 27_000,
        time_wait: 0,
    }];
    with(space)
}

/// Some events were lost.
pub(crate) fn losses() -> Losses {
    Losses {
        ring_full: RingFull {
            connect: 1_200,
            ..RingFull::default()
        },
        table_full: 34,
        skipped: 7,
        ..Losses::default()
    }
}
