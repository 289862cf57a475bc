use std::{borrow::Cow, cell::Cell, future::pending, sync::Arc};

use proptest::prelude::*;

use super::*;
use crate::{
    decode::decode,
    event::{Losses, TcpState},
    found::{Blocked, Counters, Found, Namespace, Process, Rules, Sight, Socket, Tuple, UdpSocket},
    ports::{PortRange, PortSet},
    recording::samples::{ahead, inputs, reader, record},
};

mod looks;

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
        .block_on(future)
}

fn bytes() -> Vec<u8> {
    record(&inputs(200), 1 << 30, true).0
}

/// The model and what came of the replay.
fn replayed<A: Audience>(bytes: Vec<u8>, pace: Pace, audience: &mut A) -> (Model, Replayed) {
    let mut inputs = ahead(bytes);
    let mut model = Model::default();
    let (_unchanged, pace) = watch::channel(pace);
    let outcome = run(replay(&mut inputs, pace, &mut model, audience, pending()));
    (model, outcome.expect("whole"))
}

fn picture(model: &Model, at: Duration) -> String {
    format!("{:?}", model.snapshot(at))
}

#[test]
fn the_model_comes_to_what_it_was() {
    let mut live = Model::default();
    for input in inputs(200) {
        live.take(input);
    }
    let at = Duration::from_secs(111);
    for pace in [Pace::AtOnce, Pace::Times(10_000.0)] {
        let (model, outcome) = replayed(bytes(), pace, &mut ());
        assert_eq!(outcome.at, at, "of the snapshot");
        assert_eq!(outcome.ended, Some(Ended::Complete));
        assert_eq!(picture(&model, at), picture(&live, at));
    }
}

#[test]
fn one_that_breaks_off_ends_with_what_it_has() {
    let mut bytes = bytes();
    bytes.truncate(bytes.len() - 10);
    let at_byte = bytes.len() as u64;
    let (_, outcome) = replayed(bytes, Pace::AtOnce, &mut ());
    assert_eq!(outcome.ended, Some(Ended::Cut { at_byte }));
    assert_eq!(outcome.at, Duration::from_secs(110), "of the last scan");
}

/// Looks whenever it may, so many times.
struct Visitor {
    left: usize,
    looks: Vec<Duration>,
    heard: usize,
    scans: usize,
}

impl Audience for Visitor {
    fn hear(&mut self, _input: &Input<'_>) -> io::Result<Wish> {
        self.heard += 1;
        Ok(Wish::GoOn)
    }

    fn next_look(&self) -> Option<Duration> {
        Some(Duration::ZERO)
    }

    fn look(&mut self, _model: &Model, now: Duration) -> io::Result<Wish> {
        self.looks.push(now);
        self.left -= 1;
        Ok(if self.left == 0 {
            Wish::Leave
        } else {
            Wish::GoOn
        })
    }

    fn scanned(&mut self, watched: &Watched) -> io::Result<()> {
        assert_eq!(watched.scanned.sight.hidden_namespaces, 2);
        self.scans += 1;
        Ok(())
    }
}

fn visitor(left: usize) -> Visitor {
    Visitor {
        left,
        looks: Vec::new(),
        heard: 0,
        scans: 0,
    }
}

#[test]
fn an_audience_hears_all_and_sees_time_go_on() {
    let mut all = visitor(usize::MAX);
    replayed(bytes(), Pace::AtOnce, &mut all);
    // The events are more than an entry holds.
    let (mut reader, mut recorded) = (reader(bytes()).expect("a header"), 0);
    while reader.next().expect("whole").is_some() {
        recorded += 1;
    }
    assert!(recorded > inputs(0).len() + 1);
    assert_eq!(all.heard, recorded);
    assert_eq!(all.scans, 1);
    assert!(all.looks.is_sorted());
    assert_eq!(all.looks.last(), Some(&Duration::from_secs(111)));
    let mut some = visitor(3);
    let (_, outcome) = replayed(bytes(), Pace::AtOnce, &mut some);
    assert_eq!(outcome.ended, None);
    assert_eq!(some.looks.len(), 3);
}

#[test]
fn between_inputs_time_goes_on_too() {
    // At a thousandth, the scan's end is hours away.
    let mut visitor = visitor(50);
    let (_, outcome) = replayed(bytes(), Pace::Times(0.001), &mut visitor);
    assert_eq!(outcome.ended, None);
    assert!(visitor.looks.is_sorted());
    assert!(outcome.at < Duration::from_secs(110));
}

#[test]
fn another_pace_holds_at_once_and_so_does_a_stop() {
    let mut inputs = ahead(bytes());
    let mut model = Model::default();
    let (change, pace) = watch::channel(Pace::Times(0.001));
    let changed = Cell::new(false);
    let outcome = run(async {
        let mut nobody = ();
        let replay = replay(&mut inputs, pace, &mut model, &mut nobody, pending());
        let change = async {
            tokio::task::yield_now().await;
            changed.set(true);
            change.send(Pace::AtOnce).expect("heard");
            pending::<()>().await;
        };
        select! {
            outcome = replay => outcome,
            () = change => unreachable!("it never ends"),
        }
    });
    assert!(changed.get());
    assert_eq!(outcome.expect("whole").ended, Some(Ended::Complete));

    let mut inputs = ahead(bytes());
    let (_unchanged, pace) = watch::channel(Pace::Times(0.001));
    let stopped = run(replay(
        &mut inputs,
        pace,
        &mut Model::default(),
        &mut (),
        std::future::ready(()),
    ));
    assert_eq!(stopped.expect("no error").ended, None);
}

#[test]
fn what_it_came_to_is_shown_until_the_audience_leaves() {
    let (model, outcome) = replayed(bytes(), Pace::AtOnce, &mut ());
    let mut visitor = visitor(5);
    run(linger(outcome.at, &model, &mut visitor, pending())).expect("no error");
    assert_eq!(visitor.looks, [outcome.at; 5]);
    let mut visitor = self::visitor(usize::MAX);
    let stop = std::future::ready(());
    run(linger(outcome.at, &model, &mut visitor, stop)).expect("no error");
}

/// A moment: mostly near the others, sometimes far from all bounds.
fn moment() -> impl Strategy<Value = Duration> {
    prop_oneof![
        8 => (0_u64..200_000).prop_map(Duration::from_millis),
        1 => (0_u64..=1 << 60).prop_map(Duration::from_nanos),
        // The latest that a recording can tell of.
        1 => Just(Duration::from_nanos(1 << 60)),
    ]
}

fn tuple() -> impl Strategy<Value = Tuple> {
    (0_u32..3, 0_u8..3, 0_u16..20, 0_u8..3, 0_u16..3).prop_map(
        |(netns, src, src_port, dst, dst_port)| Tuple {
            netns,
            src: [0, 0, 0, src].into(),
            src_port,
            dst: [127, 0, 0, dst].into(),
            dst_port,
        },
    )
}

fn found() -> impl Strategy<Value = Found> {
    let namespace = (0_u32..3, any::<[u16; 2]>(), moment(), moment(), 0_u8..4);
    let socket = (
        tuple(),
        0_u8..14,
        proptest::option::of(moment()),
        any::<bool>(),
    );
    prop_oneof![
        namespace.prop_map(|(inode, ports, fin_timeout, tw_reuse_delay, tw_reuse)| {
            let [lo, hi] = ports;
            Found::Namespace(Namespace {
                inode,
                name: None,
                rules: Rules {
                    range: PortRange {
                        lo: lo.min(hi) % 20,
                        hi: lo.max(hi),
                    },
                    reserved: PortSet::parse("3,5-7"),
                    tw_reuse,
                    tw_reuse_delay,
                    tw_reuse_coarse: true,
                    tw_reuse_fin_wait2: tw_reuse == 3,
                    max_tw_buckets: 5,
                    autobind_reuse: false,
                    fin_timeout,
                },
                counters: Counters::default(),
            })
        }),
        (0_u32..3).prop_map(Found::Unreadable),
        socket.prop_map(|(tuple, state, time_wait, has_process)| {
            Found::Socket(Socket {
                tuple,
                dev: 0,
                state: TcpState::from_number(state),
                v6only: false,
                time_wait,
                process: has_process.then(|| {
                    Arc::new(Process {
                        pid: u32::from(state),
                        start: 1,
                        uid: 0,
                        comm: b"x".into(),
                        cgroup: None,
                    })
                }),
            })
        }),
        (0_u32..3, 0_u16..20).prop_map(|(netns, port)| Found::Blocked(Blocked {
            netns,
            l3mdev: 0,
            port
        })),
        tuple().prop_map(Found::NoTimestamps),
        (tuple(), any::<Option<bool>>()).prop_map(|(tuple, v6only)| {
            Found::UdpSocket(UdpSocket {
                netns: tuple.netns,
                src: tuple.src,
                port: tuple.src_port,
                dev: 0,
                v6only,
                process: None,
            })
        }),
    ]
}

/// A record of few connections, else of anything.
fn event() -> impl Strategy<Value = crate::event::Event> {
    let bytes = proptest::collection::vec(any::<u8>(), 120);
    (bytes, 1_u8..9, tuple(), moment(), 0_u64..10).prop_filter_map(
        "no event",
        |(mut bytes, kind, tuple, time, socket)| {
            let at = std::mem::offset_of!(portex_common::Record, kind);
            *bytes.get_mut(at)? = kind;
            // What lasts for centuries is refused before.
            let first = std::mem::offset_of!(portex_common::Record, first_ns);
            let second = std::mem::offset_of!(portex_common::Record, second_ns);
            let highest = if cfg!(target_endian = "little") { 7 } else { 0 };
            *bytes.get_mut(first + highest)? &= 0x0f;
            *bytes.get_mut(second + highest)? &= 0x0f;
            let Ok(mut event) = decode(&bytes) else {
                return None;
            };
            event.time = time;
            event.socket = socket;
            event.netns = tuple.netns;
            (event.src, event.dst) = (tuple.src, tuple.dst);
            event.src_port = (tuple.src_port != 0).then_some(tuple.src_port);
            event.dst_port = tuple.dst_port;
            event.owner.pid %= 5;
            Some(event)
        },
    )
}

fn input() -> impl Strategy<Value = Input<'static>> {
    prop_oneof![
        moment().prop_map(Input::Watch),
        moment().prop_map(Input::ScanBegins),
        moment().prop_map(Input::Snapshot),
        (any::<[bool; 4]>(), any::<u32>(), moment()).prop_map(|(seen, hidden, at)| {
            let [binds, bound_sockets, timestamps, udp] = seen;
            Input::ScanEnds {
                sight: Sight {
                    binds,
                    bound_sockets,
                    timestamps,
                    udp,
                    hidden_namespaces: hidden,
                },
                at,
            }
        }),
        (0_u64..=1 << 56).prop_map(|table_full| Input::Lost(Losses {
            table_full,
            ..Losses::default()
        })),
        proptest::collection::vec(found(), 0..20).prop_map(|found| Input::Found(Cow::Owned(found))),
        proptest::collection::vec(event(), 0..20)
            .prop_map(|events| Input::Events(Cow::Owned(events))),
    ]
}

proptest! {
    /// A file that was made by hand may hold anything, in any order.
    #[test]
    fn whatever_a_recording_says_the_model_has_an_answer(
        inputs in proptest::collection::vec(input(), 0..40),
        at in moment(),
    ) {
        let (bytes, _) = record(&inputs, 1 << 30, false);
        let (model, outcome) = replayed(bytes, Pace::AtOnce, &mut ());
        let _picture = picture(&model, outcome.at);
        let _picture = picture(&model, at);
    }
}
