use super::*;
use crate::{
    attribution::snapshot::{Destination, Holder, Rates},
    views::snapshot::samples,
};

const ALL: [&str; 9] = [
    STARTING, EXHAUSTS, BLOCKED, LEAKING, NEARLY, FAILING, MAP, POOL, AGAIN,
];

fn holder(role: Role) -> Holder {
    Holder {
        pid: Some(7),
        comm: role.name().into(),
        cgroup: None,
    }
}

/// The space of checkout at this fill, with blocked ports; reports holds so many.
fn scene(fill: f64, leaked: u32) -> Snapshot {
    let space = Space {
        dst: PAYMENTS.ip(),
        dst_port: PAYMENTS.port(),
        blocked: 30,
        fill,
        failures: Some(0),
        ..samples::space()
    };
    let reports = Process {
        holder: holder(Role::Reports),
        ports: leaked,
        time_wait: 0,
        top: Some(Destination {
            dst: DATABASE.ip(),
            dst_port: DATABASE.port(),
            ports: leaked,
        }),
        ..samples::process()
    };
    Snapshot {
        spaces: vec![samples::roomy(), space],
        processes: vec![samples::process(), reports],
        ..samples::snapshot()
    }
}

fn failed(failures: u64, per_second: f64) -> Snapshot {
    let mut snapshot = scene(1.0, 60);
    for space in &mut snapshot.spaces {
        space.failures = Some(failures);
        space.rates = Some(Rates {
            failures: per_second,
            ..Rates::default()
        });
    }
    snapshot
}

#[test]
fn every_advice_is_one_short_line_of_ascii() {
    for line in ALL {
        assert!(line.len() <= 76 && line.is_ascii(), "{line}");
        assert!(!line.contains('\n'), "{line}");
    }
}

#[test]
fn it_begins_before_there_is_anything() {
    assert_eq!(advice(&Snapshot::default()), STARTING);
    // Somebody else's space.
    assert_eq!(advice(&samples::snapshot()), STARTING);
}

#[test]
fn it_leads_through_the_scene_as_the_space_fills() {
    assert_eq!(advice(&scene(0.0, 0)), EXHAUSTS);
    assert_eq!(advice(&scene(0.29, 20)), EXHAUSTS);
    assert_eq!(advice(&scene(0.31, 20)), BLOCKED);
    assert_eq!(advice(&scene(0.51, 30)), LEAKING);
    assert_eq!(advice(&scene(0.76, 40)), NEARLY);
    assert_eq!(advice(&scene(1.0, 60)), NEARLY);
}

#[test]
fn it_tells_of_nothing_that_is_not_there() {
    assert_eq!(advice(&scene(0.51, 9)), BLOCKED, "few ports are no leak");
    let mut without = scene(0.51, 0);
    for space in &mut without.spaces {
        space.blocked = 0;
    }
    assert_eq!(advice(&without), EXHAUSTS);
    let mut closing = scene(0.51, 30);
    for process in &mut closing.processes {
        process.time_wait = 1;
    }
    assert_eq!(advice(&closing), BLOCKED, "who leaves TIME_WAITs closes");
}

#[test]
fn failures_come_first_and_advice_on_them_takes_turns() {
    assert_eq!(advice(&failed(1, 0.1)), FAILING);
    assert_eq!(advice(&failed(299, 31.0)), FAILING);
    assert_eq!(advice(&failed(300, 31.0)), MAP);
    assert_eq!(advice(&failed(600, 31.0)), POOL);
    assert_eq!(advice(&failed(900, 31.0)), FAILING);
    assert_eq!(advice(&failed(u64::MAX, 31.0)), while_failing(u64::MAX));
}

#[test]
fn between_the_waves_it_says_why() {
    assert_eq!(advice(&failed(700, 0.0)), AGAIN);
}

#[test]
fn without_rates_it_goes_by_what_is_held() {
    let unwatched = samples::unwatched(scene(0.9, 60));
    assert_eq!(advice(&unwatched), NEARLY);
}
