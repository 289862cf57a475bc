use std::{sync::Arc, time::Duration};

use super::scenes::*;
use crate::{
    attribution::snapshot::{Namespace, Process, Snapshot, Space},
    details::ProcessDetails,
    event::Cause,
    views::{
        snapshot::samples,
        top::{
            Theme,
            details::process::{DestinationRow, ProcessView, draw},
            labels::Labels,
        },
    },
};

/// A process and all that its screen may need.
pub(super) struct Scene {
    pub(super) pid: Option<u32>,
    pub(super) process: Option<Process>,
    pub(super) snapshot: Snapshot,
    pub(super) destinations: Vec<DestinationRow>,
    pub(super) details: Option<ProcessDetails>,
    pub(super) labels: Labels,
    pub(super) selected: usize,
    pub(super) scroll: u16,
    pub(super) theme: Theme,
}

impl Scene {
    pub(super) fn view(&self) -> ProcessView<'_> {
        ProcessView {
            pid: self.pid,
            netns: samples::host().inode,
            process: self.process.as_ref(),
            snapshot: &self.snapshot,
            destinations: &self.destinations,
            details: self.details.as_ref(),
            selected: self.selected,
            scroll: self.scroll,
            labels: &self.labels,
            theme: self.theme,
        }
    }
}

fn shown(scene: &Scene) -> String {
    screens(|area, buf| draw(&scene.view(), area, buf))
}

pub(super) fn details() -> ProcessDetails {
    let words = [
        "nginx:",
        "worker",
        "process",
        "-c",
        "/etc/nginx/my conf",
        "--name",
        "",
    ];
    ProcessDetails {
        pid: 12,
        alive: true,
        exe: Some(b"/usr/sbin/nginx (deleted)".to_vec()),
        cmdline: words.map(|word| word.as_bytes().to_vec()).to_vec(),
        parent: Some((1, b"systemd".to_vec())),
        user: Some((33, Some("www-data".to_owned()))),
        cgroup: Some(Arc::from("/system.slice/nginx.service")),
        container: Some("nginx.service".to_owned()),
        age: Some(Duration::from_secs(11_100)),
        threads: Some(4),
        files: Some((28_002, 65_536)),
    }
}

pub(super) fn typical() -> Scene {
    let six = Space {
        src: address("2001:db8:1:2:3:4:5:6"),
        dst: address("2001:db8:1:2:3:4:5:7"),
        exact: false,
        ..samples::roomy()
    };
    let mut snapshot = full().snapshot;
    snapshot.spaces = vec![samples::exhausted(), samples::roomy(), six];
    let mut labels = Labels::default();
    labels.learn(&snapshot);
    let row = |space, ports| DestinationRow {
        space,
        ports,
        time_wait: ports / 2,
    };
    Scene {
        pid: Some(12),
        process: Some(Process {
            hold: Some(times(60_250_000, 60_900_000, 3_723_000_000)),
            search: Some(times(4, 1_270, 8_400)),
            close_wait: 12,
            bound: 1_345,
            ..samples::process()
        }),
        snapshot,
        destinations: vec![row(0, 27_700), row(1, 98), row(2, 2)],
        details: Some(details()),
        labels,
        selected: 1,
        scroll: 0,
        theme: Theme::default(),
    }
}

#[test]
fn usual() {
    insta::assert_snapshot!(shown(&typical()));
}

#[test]
fn ascii() {
    let scene = Scene {
        theme: ASCII,
        ..typical()
    };
    insta::assert_snapshot!(shown(&scene));
}

#[test]
fn nothing_known() {
    let mut scene = Scene {
        details: None,
        destinations: Vec::new(),
        ..typical()
    };
    scene.snapshot.failures.clear();
    scene.process = scene.process.map(|process| Process {
        rates: None,
        failures: None,
        hold: None,
        search: None,
        ..process
    });
    insta::assert_snapshot!(shown(&scene));
}

#[test]
fn gone_and_ended() {
    let details = ProcessDetails {
        pid: 12,
        ..ProcessDetails::default()
    };
    let scene = Scene {
        process: None,
        details: Some(details),
        destinations: Vec::new(),
        ..typical()
    };
    insta::assert_snapshot!(shown(&scene));
}

#[test]
fn nobody() {
    let scene = Scene {
        pid: None,
        process: Some(Process {
            holder: samples::nobody(),
            rates: None,
            failures: None,
            hold: None,
            search: None,
            ..samples::process()
        }),
        details: None,
        ..typical()
    };
    insta::assert_snapshot!(shown(&scene));
}

/// A process that chose all of its texts to do harm.
pub(super) fn hostile() -> Scene {
    let evil = "\u{1b}[2J\u{202e}日本語 \u{9b}1m\n".repeat(160);
    let mut scene = typical();
    scene.details = Some(ProcessDetails {
        exe: Some(evil.clone().into_bytes()),
        cmdline: vec![evil.clone().into_bytes(), vec![b'a'; 4_096]],
        parent: Some((1, evil.clone().into_bytes())),
        user: Some((0, Some(evil.clone()))),
        cgroup: Some(Arc::from(evil.as_str())),
        container: Some(evil),
        files: Some((1_000, 1_024)),
        ..details()
    });
    if let Some(process) = &mut scene.process {
        process.holder.comm = b"\x1b[31m\xff\n".to_vec();
    }
    for failure in &mut scene.snapshot.failures {
        failure.src_port = Some(4_000);
        failure.cause = Cause::TupleInUse;
    }
    scene
}

#[test]
fn hostile_texts() {
    insta::assert_snapshot!(shown(&hostile()));
    let scene = Scene {
        theme: ASCII,
        ..hostile()
    };
    let ascii = shown(&scene);
    assert!(ascii.is_ascii(), "{ascii}");
}

#[test]
fn thousands_of_destinations() {
    let mut scene = typical();
    let spaces = (1..=5_000_u32).map(|number| Space {
        netns: samples::host().inode,
        dst: std::net::Ipv4Addr::from(0x0a00_0000 + number).into(),
        ..samples::roomy()
    });
    scene.snapshot.spaces = spaces.collect();
    scene.snapshot.namespaces.push(Namespace {
        inode: 4_026_532_999,
        ..samples::host()
    });
    scene.destinations = (0..6_000)
        .map(|space| DestinationRow {
            space,
            ports: 6_000 - space,
            time_wait: 1,
        })
        .collect();
    scene.selected = 4_999;
    scene.scroll = 4_998;
    insta::assert_snapshot!(shown(&scene));
}

#[test]
fn failures_are_those_of_the_process_only() {
    let mut scene = typical();
    for (at, failure) in scene.snapshot.failures.iter_mut().enumerate() {
        match at {
            0 => failure.netns += 1,
            1 => failure.holder.pid = Some(13),
            2 => failure.holder.pid = None,
            _ => failure.cause = Cause::NoMemory,
        }
    }
    let (text, _) = drawn(120, 33, &|area, buf| draw(&scene.view(), area, buf));
    assert_eq!(text.matches("range_exhausted").count(), 0, "{text}");
    assert_eq!(text.matches("no_memory").count(), 4, "{text}");
}
