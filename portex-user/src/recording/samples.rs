//! Recordings in memory, and inputs of every kind with something in every field.

mod variants;

use std::{
    borrow::Cow,
    cell::RefCell,
    io::{self, Cursor, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

pub(crate) use variants::variants;

use super::{Ahead, Ended, Header, ReadError, Reader, Summary, Writer};
use crate::{
    clock::Clock,
    event::{Event, Kind, Losses, RingFull, TcpState, samples},
    found::{Blocked, Counters, Found, Namespace, Process, Rules, Sight, Socket, Tuple, UdpSocket},
    input::Input,
    ports::{PortRange, PortSet},
};

/// What a file would hold.
#[derive(Clone, Default)]
pub(crate) struct Memory(Rc<RefCell<Vec<u8>>>);

impl Memory {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.borrow().clone()
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn header() -> Header {
    let mut header = Header::here(
        "kprobe",
        Duration::from_secs(99),
        &Clock::fixed(1_700_000_000_000_000_000),
        Some(4_026_531_840),
    );
    header.portex = "0.1.0".to_owned();
    header.host = "host".to_owned();
    header.kernel = "6.12.0".to_owned();
    header
}

pub(crate) fn writer(most: u64) -> (Writer, Memory) {
    let memory = Memory::default();
    let out = Box::new(memory.clone());
    let writer = Writer::start(out, "memory".into(), &header(), most).expect("room");
    (writer, memory)
}

/// Writes a recording; `flush`: after each input, as if time had passed.
pub(crate) fn record(inputs: &[Input<'_>], most: u64, flush: bool) -> (Vec<u8>, Summary) {
    let (mut writer, memory) = writer(most);
    for input in inputs {
        writer.write(input).expect("memory");
        if flush {
            writer.flush().expect("memory");
        }
    }
    let summary = writer.finish(Duration::from_secs(111)).expect("memory");
    (memory.bytes(), summary)
}

/// A reader of what a file would hold.
pub(crate) fn reader(bytes: Vec<u8>) -> Result<Reader, ReadError> {
    reader_of(Cursor::new(bytes))
}

/// A reader of anything.
pub(crate) fn reader_of(file: impl io::Read + Send + 'static) -> Result<Reader, ReadError> {
    Reader::start(Box::new(file), "memory".into())
}

/// The same, read ahead.
pub(crate) fn ahead(bytes: Vec<u8>) -> Ahead {
    Ahead::start(reader(bytes).expect("a header")).expect("a thread")
}

/// All that a reader makes of a file: inputs, and how it ended.
pub(crate) fn replay(bytes: Vec<u8>) -> Result<(Vec<Input<'static>>, Ended), ReadError> {
    let mut reader = reader(bytes)?;
    let mut inputs = Vec::new();
    while let Some(input) = reader.next()? {
        inputs.push(input);
    }
    Ok((inputs, reader.ended().expect("ended")))
}

/// Inputs cannot be compared, but what they say can.
pub(crate) fn told(inputs: &[Input<'_>]) -> Vec<String> {
    inputs.iter().map(|input| format!("{input:?}")).collect()
}

/// Events of every kind, `times` of each.
pub(crate) fn events(times: u64) -> Vec<Event> {
    let kinds = [
        samples::connect().kind,
        samples::failed().kind,
        Kind::State {
            from: TcpState::SynSent,
            to: TcpState::Established,
        },
        Kind::TimeWait {
            substate: TcpState::FinWait2,
        },
        samples::released().kind,
    ];
    let count = kinds.len() as u64;
    let one = |number: u64| Event {
        time: Duration::from_secs(100) + Duration::from_micros(number * 37),
        socket: 0xffff_8880_0000_0000 + number % 7_919 * 2_048,
        src_port: u16::try_from(32_768 + number * 7 % 28_232).ok(),
        kind: kinds[usize::try_from(number % count).expect("small")].clone(),
        ..samples::connect()
    };
    (0..times * count).map(one).collect()
}

fn found() -> Vec<Found> {
    let tuple = Tuple {
        netns: 4_026_531_840,
        src: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
        src_port: 40_000,
        dst: IpAddr::V6(Ipv6Addr::LOCALHOST),
        dst_port: 443,
    };
    let socket = |state, time_wait, process| {
        Found::Socket(Socket {
            tuple,
            dev: 3,
            state,
            v6only: true,
            time_wait,
            process,
        })
    };
    let process = Process {
        pid: 10,
        start: 1_234,
        uid: 1_000,
        comm: b"c\xffurl".into(),
        cgroup: Some("/system.slice".into()),
    };
    vec![
        Found::Namespace(Namespace {
            inode: 4_026_531_840,
            name: Some("blue".into()),
            rules: Rules {
                range: PortRange {
                    lo: 32_768,
                    hi: 60_999,
                },
                reserved: PortSet::parse("8080,40000-40100,65535"),
                tw_reuse: 2,
                tw_reuse_delay: Duration::from_secs(1),
                tw_reuse_coarse: true,
                tw_reuse_fin_wait2: false,
                max_tw_buckets: 262_144,
                autobind_reuse: false,
                fin_timeout: Duration::from_secs(60),
            },
            counters: Counters {
                time_wait_overflows: Some(7),
            },
        }),
        socket(TcpState::Established, None, Some(Arc::new(process))),
        socket(TcpState::TimeWait, Some(Duration::from_millis(1_500)), None),
        Found::UdpSocket(UdpSocket {
            netns: 4_026_531_840,
            src: Ipv6Addr::LOCALHOST.into(),
            port: 40_002,
            dev: 3,
            v6only: Some(true),
            process: None,
        }),
        Found::Blocked(Blocked {
            netns: 4_026_531_840,
            l3mdev: 5,
            port: 40_001,
        }),
        Found::NoTimestamps(tuple),
        Found::Unreadable(4_026_532_000),
    ]
}

/// One of each, in an order in which they come.
pub(crate) fn inputs(times: u64) -> Vec<Input<'static>> {
    let at = Duration::from_secs;
    vec![
        Input::Watch(at(100)),
        Input::ScanBegins(at(100)),
        Input::Found(Cow::Owned(found())),
        Input::Cgroup {
            id: 7,
            path: Some("/user.slice".into()),
        },
        Input::Cgroup { id: 8, path: None },
        Input::Events(Cow::Owned(events(times))),
        Input::Lost(Losses {
            ring_full: RingFull {
                connect: 1,
                connect_failed: 2,
                bind_failed: 13,
                state: 3,
                time_wait: 4,
                released: 5,
                rearmed: 6,
            },
            table_full: 7,
            table_busy: 8,
            calls_full: 9,
            read_fault: 10,
            skipped: 11,
            undecodable: 12,
            stacks: 14,
        }),
        Input::ScanEnds {
            sight: Sight {
                binds: true,
                bound_sockets: false,
                timestamps: true,
                udp: true,
                hidden_namespaces: 2,
            },
            at: at(110),
        },
    ]
}
