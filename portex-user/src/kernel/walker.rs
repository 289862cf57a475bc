//! Runs the programs that walk over the kernel's tables of ports.
//!
//! They are attached to nothing: `BPF_PROG_TEST_RUN` runs them here and now, in the context of the
//! calling thread, each run doing a bounded number of steps (see `portex-ebpf/src/walk/`).

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd, RawFd},
    path::Path,
};

use aya::{
    Ebpf, EbpfLoader, VerifierLogLevel,
    maps::{MapData, RingBuf},
    programs::RawTracePoint,
};
use aya_obj::generated::bpf_cmd;
use log::debug;
use portex_common::{Settings, Walked, WalkedKind, walked::walk};
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with};

use super::{
    Error,
    attach::chain,
    btf::Btf,
    facts::{self, Facts},
    layout::{self, Layout},
    memory,
    session::{OBJECT, UNUSED_RING},
};
use crate::{
    decode::address,
    event::TcpState,
    found::{Blocked, Found, Socket, Tuple},
};

/// Room for what one walk finds before it has to be fetched.
const BUFFER: u32 = 1 << 20;
/// Most runs of one walk: far more than the largest tables need, in case one never ends.
const MOST_RUNS: u32 = 1 << 22;

/// Kernel fields that a walk cannot do without.
const FOR_BINDS: &[&str] = &[
    "hashinfo_bhash",
    "hashinfo_bhash_size",
    "bhash_chain",
    "bhash_stride",
    "bucket_net",
    "bucket_l3mdev",
    "bucket_port",
    "bucket_fastreuse",
    "bucket_fastreuseport",
    "bucket_node",
    "skc_bind_node",
    "skc_ipv6only_bit",
    "skc_bound_dev_if",
];
const FOR_TIMESTAMPS: &[&str] = &[
    "hashinfo_ehash",
    "hashinfo_ehash_mask",
    "skc_nulls_node",
    "tw_ts_recent_stamp",
];

/// The programs, which the probe table does not have: they are attached to nothing.
#[cfg(test)]
pub(super) const PROGRAMS: [&str; 2] = [BINDS, TIME_WAITS];
const BINDS: &str = "walk_bind_buckets";
const TIME_WAITS: &str = "walk_time_waits";

/// What a walk could see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// All that is there, as far as the table stood still.
    pub complete: bool,
    /// Of a walk over bind buckets: sockets that are only bound, too.
    pub bound_sockets: bool,
}

/// The walking programs, loaded.
pub struct Walker {
    /// Owns the programs.
    ebpf: Ebpf,
    buffer: RingBuf<MapData>,
    /// Shows the programs the way to the tables.
    socket: OwnedFd,
    absent: Vec<&'static str>,
}

impl Walker {
    /// Loads them.
    pub fn load() -> Result<Self, Error> {
        let loaded = Self::load_anew();
        memory::give_back();
        loaded
    }

    fn load_anew() -> Result<Self, Error> {
        let facts = Facts::gather();
        facts.check()?;
        let btf_bytes = facts::read_btf(Path::new(facts::BTF_PATH))?;
        let btf = Btf::parse(&btf_bytes).ok_or_else(|| Error::NoBtf {
            path: facts::BTF_PATH.into(),
            cause: "it is damaged".into(),
        })?;
        let Layout { offsets, absent } = layout::resolve(&btf)?;
        let settings = Settings {
            offsets,
            ..Settings::UNSET
        };
        let mut ebpf = EbpfLoader::new()
            .btf(None) // nothing to relocate
            .override_global("SETTINGS", &settings, true)
            .map_max_entries("EVENTS", UNUSED_RING)
            .map_max_entries("CONNS", 1)
            .map_max_entries("SEARCHES", 1)
            .map_max_entries("CONNECTS", 1)
            .map_max_entries("WALKED", BUFFER)
            .verifier_log_level(VerifierLogLevel::STATS)
            .load(OBJECT)
            .map_err(|error| Error::Load(chain(&error)))?;
        let map = ebpf
            .take_map("WALKED")
            .ok_or_else(|| Error::Load("the object file has no map WALKED".into()))?;
        let buffer = RingBuf::try_from(map).map_err(|error| Error::Io {
            what: "ring buffer",
            source: io::Error::other(error),
        })?;
        let socket = socket_with(
            AddressFamily::INET,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            Some(ipproto::TCP),
        )
        .map_err(|error| Error::Io {
            what: "a TCP socket",
            source: error.into(),
        })?;
        Ok(Self {
            ebpf,
            buffer,
            socket,
            absent,
        })
    }

    /// Finds every bind bucket that connect() does not share and, on kernels before 6.8, the sockets
    /// in them that are only bound; in one namespace, or in all.
    pub fn binds(&mut self, wanted: Option<u32>, take: &mut dyn FnMut(Found)) -> Seen {
        let mut seen = self.walk(BINDS, FOR_BINDS, wanted, take);
        seen.bound_sockets &= !self.absent.contains(&"bucket_owners");
        seen
    }

    /// Finds every TIME_WAIT that was made without timestamps, likewise.
    pub fn time_waits(&mut self, wanted: Option<u32>, take: &mut dyn FnMut(Found)) -> Seen {
        self.walk(TIME_WAITS, FOR_TIMESTAMPS, wanted, take)
    }

    fn walk(
        &mut self,
        program: &'static str,
        needs: &[&str],
        wanted: Option<u32>,
        take: &mut dyn FnMut(Found),
    ) -> Seen {
        if let Some(field) = needs.iter().find(|field| self.absent.contains(field)) {
            debug!("{program}: this kernel has no field {field}");
            return Seen::default();
        }
        match self.try_walk(program, wanted, take) {
            Ok(seen) => seen,
            Err(cause) => {
                debug!("{program}: {cause}");
                Seen::default()
            }
        }
    }

    fn try_walk(
        &mut self,
        name: &'static str,
        wanted: Option<u32>,
        take: &mut dyn FnMut(Found),
    ) -> Result<Seen, String> {
        let Self {
            ebpf,
            buffer,
            socket,
            ..
        } = self;
        let program: &mut RawTracePoint = ebpf
            .program_mut(name)
            .ok_or("the object file has no such program")?
            .try_into()
            .map_err(|error| chain(&error))?;
        if program.fd().is_err() {
            program.load().map_err(|error| chain(&error))?;
            if let Ok(info) = program.info() {
                debug!(
                    "{name}: {} instructions verified",
                    info.verified_instruction_count().unwrap_or(0)
                );
            }
        }
        let program = program.fd().map_err(|error| chain(&error))?.as_fd();
        let mut seen = Seen {
            complete: true,
            bound_sockets: true,
        };
        let mut slot = 0;
        for _ in 0..MOST_RUNS {
            let answer =
                run(program, socket.as_raw_fd(), slot).map_err(|error| error.to_string())?;
            let done = answer & walk::SLOTS;
            slot += u64::from(done);
            drain(buffer, wanted, &mut seen, take);
            if answer & walk::END != 0 {
                return Ok(seen);
            }
            if done == 0 && answer & walk::FAILED != 0 {
                return Err("the table cannot be read".into());
            }
            if answer & walk::FAILED != 0 {
                seen.complete = false; // the rest of one slot
            } else if done == 0 && answer & walk::FULL == 0 {
                seen.complete = false; // a slot that takes more steps than one run has
                slot += 1;
            }
        }
        Err("the table has no end".into())
    }
}

/// Passes on what is in the buffer.
fn drain(
    buffer: &mut RingBuf<MapData>,
    wanted: Option<u32>,
    seen: &mut Seen,
    take: &mut dyn FnMut(Found),
) {
    while let Some(sample) = buffer.next() {
        let Some(walked) = Walked::from_bytes(&sample) else {
            seen.complete = false;
            continue;
        };
        if wanted.is_some_and(|wanted| wanted != walked.netns) {
            continue;
        }
        match found(&walked) {
            Some(found) => take(found),
            None => seen.bound_sockets = false,
        }
    }
}

/// `None`: there is more than was looked at.
fn found(walked: &Walked) -> Option<Found> {
    const BUCKET: u8 = WalkedKind::Bucket as u8;
    const BOUND: u8 = WalkedKind::Bound as u8;
    const NO_TIMESTAMPS: u8 = WalkedKind::NoTimestamps as u8;
    let tuple = Tuple {
        netns: walked.netns,
        src: address(walked.saddr),
        src_port: walked.sport,
        dst: address(walked.daddr),
        dst_port: walked.dport,
    };
    match walked.kind {
        BUCKET => Some(Found::Blocked(Blocked {
            netns: walked.netns,
            l3mdev: walked.dev,
            port: walked.sport,
        })),
        BOUND => Some(Found::Socket(Socket {
            tuple,
            dev: walked.dev,
            state: TcpState::Close,
            v6only: walked.v6only == 1,
            time_wait: None,
            process: None,
        })),
        NO_TIMESTAMPS => Some(Found::NoTimestamps(tuple)),
        _ => None,
    }
}

/// The part of `union bpf_attr` for `BPF_PROG_TEST_RUN`.
#[repr(C)]
#[derive(Default)]
struct TestRunAttr {
    prog_fd: u32,
    retval: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    ctx_size_in: u32,
    ctx_size_out: u32,
    ctx_in: u64,
    ctx_out: u64,
    flags: u32,
    cpu: u32,
}

/// Runs a program once, and returns what it returns.
fn run(program: BorrowedFd<'_>, socket: RawFd, slot: u64) -> io::Result<u32> {
    let arguments = [u64::from(socket.cast_unsigned()), slot];
    let mut attr = TestRunAttr {
        prog_fd: program.as_raw_fd().cast_unsigned(),
        ctx_size_in: u32::try_from(size_of_val(&arguments)).unwrap_or(0),
        ctx_in: (&raw const arguments).addr() as u64,
        ..TestRunAttr::default()
    };
    // SAFETY: both live through the call and are of the sizes given; the kernel reads the arguments
    // and writes within the attributes only.
    let code = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            bpf_cmd::BPF_PROG_TEST_RUN,
            &raw mut attr,
            size_of::<TestRunAttr>(),
        )
    };
    if code < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(attr.retval)
}
#[cfg(test)]
mod tests {
    use super::*;

    fn walked(kind: u8) -> Walked {
        Walked {
            kind,
            netns: 7,
            dev: 3,
            sport: 40_000,
            saddr: [0, 0, 0xffff_u32.to_be(), u32::from_ne_bytes([127, 0, 0, 1])],
            ..Walked::default()
        }
    }

    #[test]
    fn each_kind_becomes_what_it_is() {
        let bucket = found(&walked(WalkedKind::Bucket as u8));
        let Some(Found::Blocked(blocked)) = bucket else {
            panic!("{bucket:?}");
        };
        assert_eq!(
            (blocked.netns, blocked.l3mdev, blocked.port),
            (7, 3, 40_000)
        );
        let bound = found(&walked(WalkedKind::Bound as u8));
        let Some(Found::Socket(socket)) = bound else {
            panic!("{bound:?}");
        };
        assert_eq!(socket.tuple.src.to_string(), "127.0.0.1");
        assert_eq!((socket.dev, socket.state), (3, TcpState::Close));
        let time_wait = found(&walked(WalkedKind::NoTimestamps as u8));
        assert!(matches!(time_wait, Some(Found::NoTimestamps(_))));
    }

    #[test]
    fn what_is_unknown_makes_the_walk_incomplete() {
        assert!(found(&walked(WalkedKind::Truncated as u8)).is_none());
        assert!(found(&walked(0)).is_none());
    }
}
