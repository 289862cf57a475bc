//! How long the screen of `portex top` takes with 50,000 spaces and 10,000 processes: to take a new
//! frame in, to draw it, to answer a key. `cargo bench -p portex --bench frame` prints medians.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::{Duration, Instant},
};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use portex::{
    attribution::snapshot::{
        Destination, Holder, Namespace, Owner, Percentiles, Process, Rates, Snapshot, Space,
    },
    ports::PortRange,
    views::top::{Frame, Message, Options, Services, Status, Theme, Top, render},
};
use ratatui::{Terminal, backend::TestBackend};

const SPACES: u32 = 50_000;
const PROCESSES: u32 = 10_000;
const SIZE: (u16, u16) = (120, 40);
const ROUNDS: usize = 15;
const NETNS: u32 = 4_026_531_840;
const RANGE: PortRange = PortRange {
    lo: 32_768,
    hi: 60_999,
};

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
    let frame = frame(snapshot());
    println!(
        "{:<34} {:>10} {:>10} {:>10}",
        "ms", "new frame", "drawing", "key"
    );
    for (name, keys) in VIEWS {
        let mut top = showing(&frame);
        for key in keys.chars() {
            top.update(press(key));
        }
        let taken = median(|| timed(&mut top, Message::Frame(Box::new(frame.clone()))));
        let drawn = median(|| draw(&top));
        let answered = median(|| timed(&mut top, press('j')));
        println!("{name:<34} {taken:>10.3} {drawn:>10.3} {answered:>10.3}");
    }
    let mut top = showing(&frame);
    top.update(press('/'));
    for letter in "worker-1".chars() {
        let answered = timed(&mut top, press(letter));
        println!(
            "{:<34} {:>32.3}",
            format!("filter, after {letter:?}"),
            answered
        );
    }
}

/// The median of some rounds.
fn median(mut round: impl FnMut() -> f64) -> f64 {
    let mut times: Vec<f64> = (0..ROUNDS).map(|_| round()).collect();
    times.sort_by(f64::total_cmp);
    times[ROUNDS / 2]
}

fn timed(top: &mut Top, message: Message) -> f64 {
    let begin = Instant::now();
    top.update(message);
    begin.elapsed().as_secs_f64() * 1e3
}

fn draw(top: &Top) -> f64 {
    let mut terminal = Terminal::new(TestBackend::new(SIZE.0, SIZE.1)).expect("a screen in memory");
    let begin = Instant::now();
    terminal.draw(|frame| render(top, frame)).expect("draws");
    begin.elapsed().as_secs_f64() * 1e3
}

fn press(key: char) -> Message {
    let code = match key {
        '\n' => KeyCode::Enter,
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
            cpu: Some(0.1),
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
