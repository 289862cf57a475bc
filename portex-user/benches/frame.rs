//! The screen of `portex top` with 50,000 spaces and 10,000 processes: taking a new frame in, drawing it,
//! answering a key. `cargo bench -p portex --bench frame`.

#[path = "common/settings.rs"]
mod settings;

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use criterion::{BatchSize, Criterion, measurement::Measurement as _};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use portex::{
    attribution::snapshot::{
        Destination, Holder, Namespace, Owner, Percentiles, Process, Rates, Snapshot, Space,
    },
    ports::PortRange,
    views::top::{Frame, Message, Options, Services, Status, Theme, Top, render},
};
use ratatui::{Terminal, backend::TestBackend};

use self::settings::{CpuTime, settings};

const SPACES: u32 = 50_000;
const PROCESSES: u32 = 10_000;
const SIZE: (u16, u16) = (120, 40);
const NETNS: u32 = 4_026_531_840;
const RANGE: PortRange = PortRange {
    lo: 32_768,
    hi: 60_999,
};
/// The cases are many: each gets this long.
const MEASURED: Duration = Duration::from_millis(400);

/// Views by the keys that lead to them; `\n` is Enter.
const VIEWS: [(&str, &str); 12] = [
    ("spaces", ""),
    ("spaces by destination", "sjj\n"),
    ("spaces by time to exhaustion", "sjjjjjjjjjjj\n"),
    ("spaces by namespace", "s\n"),
    ("spaces, tree", "t"),
    ("spaces, last row", "G"),
    ("processes", "2"),
    ("processes by search time", "2sjjjjjjjjj\n"),
    ("processes, tree", "2t"),
    ("namespaces", "4"),
    ("details of a space", "\n"),
    ("details of a process", "2\n"),
];

fn main() {
    let mut criterion = settings().measurement_time(MEASURED);
    let frame = frame(snapshot());
    for (name, keys) in VIEWS {
        let mut top = showing(&frame);
        for key in keys.chars() {
            top.update(press(key));
        }
        taken(&mut criterion, name, &mut top, &frame);
        drawn(&mut criterion, name, &top);
        answered(&mut criterion, name, &mut top);
    }
    filtered(&mut criterion, &mut showing(&frame));
    criterion.final_summary();
}

fn taken(criterion: &mut Criterion<CpuTime>, view: &str, top: &mut Top, frame: &Frame) {
    let mut group = criterion.benchmark_group("new frame");
    group.bench_function(view, |bencher| {
        bencher.iter_batched(
            || Message::Frame(Box::new(frame.clone())),
            |message| top.update(message),
            BatchSize::SmallInput,
        );
    });
}

fn drawn(criterion: &mut Criterion<CpuTime>, view: &str, top: &Top) {
    let screen = || Terminal::new(TestBackend::new(SIZE.0, SIZE.1)).expect("a screen in memory");
    let mut group = criterion.benchmark_group("drawing");
    group.bench_function(view, |bencher| {
        bencher.iter_batched_ref(
            screen,
            |terminal| {
                terminal.draw(|frame| render(top, frame)).expect("draws");
            },
            BatchSize::SmallInput,
        );
    });
}

/// One row down and one up again, by turns.
fn answered(criterion: &mut Criterion<CpuTime>, view: &str, top: &mut Top) {
    let mut keys = ['j', 'k'].into_iter().cycle();
    let mut group = criterion.benchmark_group("key");
    group.bench_function(view, |bencher| {
        bencher.iter_batched(
            || press(keys.next().expect("goes round")),
            |key| top.update(key),
            BatchSize::SmallInput,
        );
    });
}

/// Each letter of a filter. It is taken back while no time is measured.
fn filtered(criterion: &mut Criterion<CpuTime>, top: &mut Top) {
    top.update(press('/'));
    let mut filter = String::new();
    let mut group = criterion.benchmark_group("filter");
    for letter in "worker-1".chars() {
        filter.push(letter);
        group.bench_function(&filter, |bencher| {
            bencher.iter_custom(|rounds| {
                let mut taken = CpuTime.zero();
                for _ in 0..rounds {
                    let begin = CpuTime.start();
                    top.update(press(letter));
                    taken += CpuTime.end(begin);
                    top.update(press('\x08'));
                }
                taken
            });
        });
        top.update(press(letter));
    }
}

fn press(key: char) -> Message {
    let code = match key {
        '\n' => KeyCode::Enter,
        '\x08' => KeyCode::Backspace,
        letter => KeyCode::Char(letter),
    };
    Message::Input(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn showing(frame: &Frame) -> Top {
    let mut top = Top::new(Options {
        theme: Theme::default(),
        interval: Duration::from_secs(1),
        size: SIZE,
        services: Arc::new(Services::default()),
        resolve: false,
    });
    top.update(Message::Frame(Box::new(frame.clone())));
    top
}

fn frame(snapshot: Snapshot) -> Frame {
    Frame {
        snapshot: Arc::new(snapshot),
        status: Status {
            host: Arc::from("host"),
            kernel: Arc::from("6.18"),
            attach: Some(Arc::from("tracepoint")),
            time: jiff::Timestamp::UNIX_EPOCH,
            uptime: Duration::from_secs(60),
            events_per_s: 100_000.0,
            own_cost: None,
            interval: Duration::from_secs(1),
            replay: None,
            recorded: None,
            advice: None,
            notes: Arc::from([]),
        },
        port_map: None,
    }
}

fn snapshot() -> Snapshot {
    Snapshot {
        time: Duration::from_secs(1_000),
        watched: Some(Duration::from_secs(60)),
        namespaces: vec![Namespace {
            inode: NETNS,
            name: Some(Arc::from("host")),
            range: RANGE,
            reserved: 0,
            tw_reuse: 2,
            time_wait: 1_000,
            max_tw_buckets: 65_536,
            time_wait_overflows: Some(0),
            fin_timeout: Duration::from_secs(60),
            autobind_reuse: false,
        }],
        spaces: (0..SPACES).map(space).collect(),
        processes: (0..PROCESSES).map(process).collect(),
        ..Snapshot::default()
    }
}

fn holder(number: u32) -> Holder {
    Holder {
        pid: Some(1_000 + number),
        comm: format!("worker-{}", number % 97).into_bytes(),
        cgroup: Some(Arc::from(format!(
            "/system.slice/worker-{}.service",
            number % 97
        ))),
    }
}

fn rates(number: u32) -> Rates {
    Rates {
        connects: f64::from(number * 31 % 1_000) / 10.0,
        ..Rates::default()
    }
}

fn times(micros: u32) -> Percentiles {
    let p50 = Duration::from_micros(micros.into());
    Percentiles {
        p50,
        p99: p50 * 2,
        max: p50 * 3,
    }
}

fn space(number: u32) -> Space {
    let used = (SPACES - number) / 2;
    let owner = |step: u32| Owner {
        holder: holder((number * 7 + step * 13) % PROCESSES),
        ports: used / 2 / (step + 1),
        time_wait: used / 5,
    };
    Space {
        netns: NETNS,
        src: IpAddr::from(Ipv4Addr::new(10, 0, 0, 1)),
        dst: IpAddr::from(Ipv4Addr::from(0x0a01_0000 + number / 10)),
        dst_port: 1_000 + u16::try_from(number % 10).unwrap_or(0),
        dev: 0,
        range: RANGE,
        own_range: false,
        capacity: RANGE.size(),
        used,
        time_wait: used / 2,
        close_wait: 0,
        bound: 0,
        recyclable: 0,
        blocked: 20,
        free: RANGE.size() - 20 - used,
        exact: true,
        fill: f64::from(used + 20) / f64::from(RANGE.size()),
        rates: Some(rates(number)),
        failures: Some(0),
        exhausts_in: number
            .is_multiple_of(3)
            .then(|| Duration::from_secs(u64::from(number) + 10)),
        need: Some(f64::from(used)),
        hold: Some(times(60_000_000)),
        search: Some(times(4)),
        owners: (0..2).map(owner).collect(),
    }
}

fn process(number: u32) -> Process {
    Process {
        holder: holder(number),
        netns: NETNS,
        ports: PROCESSES - number,
        time_wait: number % 50,
        close_wait: 0,
        bound: 0,
        rates: Some(rates(number)),
        failures: Some(0),
        search: Some(times(number % 900)),
        hold: Some(times(60_000_000)),
        top: Some(Destination {
            dst: IpAddr::from(Ipv4Addr::from(0x0a01_0000 + number / 10)),
            dst_port: 443,
            ports: 10,
        }),
    }
}
