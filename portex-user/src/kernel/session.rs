//! A session: the kernel programs loaded with their settings, attached, and taken off again.

use std::{io, path::Path};

use aya::{
    Ebpf, EbpfLoader, VerifierLogLevel, include_bytes_aligned,
    maps::{MapData, MapError, PerCpuArray, RingBuf},
    programs::ProgramFd,
};
use aya_log::EbpfLogger;
use log::Log;
use portex_common::Settings;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{
    Error, Meter, Ring, Way,
    attach::{Attached, Attacher, chain, unload},
    btf::Btf,
    facts::{self, Facts, Version},
    layout::{self, Layout},
    loss, memory, privileges,
    probes::PROBES,
    tracefs::{self, Unreachable},
};
use crate::event::Losses;

/// The kernel programs, compiled by `cargo xtask build-ebpf`.
pub(super) static OBJECT: &[u8] = include_bytes_aligned!("../../bpf/portex-x86_64.o");

/// Size of a ring buffer that is not used: the least that the kernel takes, a page.
pub(super) const UNUSED_RING: u32 = 4096;

/// Settings of a session.
#[derive(Clone, Debug)]
pub struct Options {
    /// The way to attach; `None` for the best that works.
    pub way: Option<Way>,
    /// Only connects of this process (TGID).
    pub pid: Option<u32>,
    /// Only connects in this network namespace (inode number).
    pub netns: Option<u32>,
    /// Only failed allocations.
    pub failures: bool,
    /// Every state change too.
    pub states: bool,
    /// Which stacks failures are told with.
    pub stacks: Option<Stacks>,
    /// Size of the ring buffer in bytes: a power of two, a multiple of the page size.
    pub ring_bytes: u32,
    /// How many sockets can be tracked at a time.
    pub max_sockets: u32,
    /// Tell what the kernel programs have to say about themselves.
    pub diagnostics: bool,
}

/// Which stacks a failure is told with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stacks {
    /// That of the process.
    User,
    /// That of the kernel too.
    WithKernel,
}

/// Attached kernel programs. They are taken off when it is dropped, or when the process ends
/// however it ends: the kernel frees what no file descriptor refers to.
pub struct Session {
    ebpf: Ebpf,
    attached: Attached,
    lost: PerCpuArray<MapData, u64>,
    logger: Option<EbpfLogger<&'static dyn Log>>,
    /// Counters of programs that were taken off already.
    skipped_before: u64,
}

impl Session {
    /// Loads and attaches.
    pub fn start(options: &Options) -> Result<(Self, Ring), Error> {
        let facts = Facts::gather();
        facts.check()?;
        let started = Self::load(options, &facts);
        memory::give_back();
        started
    }

    fn load(options: &Options, facts: &Facts) -> Result<(Self, Ring), Error> {
        let btf_bytes = facts::read_btf(Path::new(facts::BTF_PATH))?;
        let unreadable = || Error::NoBtf {
            path: facts::BTF_PATH.into(),
            cause: "it is damaged".into(),
        };
        let btf = Btf::parse(&btf_bytes).ok_or_else(unreadable)?;
        let layout = layout::resolve(&btf)?;
        let ways: &[Way] = match &options.way {
            Some(way) => std::slice::from_ref(way),
            None => &Way::ALL,
        };
        let attach = |tracefs: Result<(), Unreachable>| {
            let settings = settings(options, &btf, &layout, tracefs.is_ok());
            let mut ebpf = load(options, &settings, facts)?;
            let outcome = Attacher {
                ebpf: &mut ebpf,
                settings: &settings,
                layout: &layout,
                tracefs: tracefs.map_err(|error| error.to_string()),
                btf_bytes: &btf_bytes,
                btf: None,
                tw_timers: false,
            }
            .first_that_works(ways)?;
            Ok::<_, Error>((ebpf, outcome))
        };
        let (ebpf, attached) = tracefs::with(attach)?;
        Self::assemble(ebpf, attached, options)
    }

    fn assemble(
        mut ebpf: Ebpf,
        attached: Attached,
        options: &Options,
    ) -> Result<(Self, Ring), Error> {
        let io = |what, error: MapError| Error::Io {
            what,
            source: io::Error::other(error),
        };
        let missing = |name: &str| Error::Load(format!("the object file has no map {name}"));
        let events = ebpf.take_map("EVENTS").ok_or_else(|| missing("EVENTS"))?;
        let lost = ebpf.take_map("LOST").ok_or_else(|| missing("LOST"))?;
        let ring = RingBuf::try_from(events).map_err(|error| io("ring buffer", error))?;
        let lost = PerCpuArray::try_from(lost).map_err(|error| io("loss counters", error))?;
        let ring = Ring::new(ring).map_err(|source| Error::Io {
            what: "ring buffer",
            source,
        })?;
        let logger = if options.diagnostics {
            let logger =
                EbpfLogger::init(&mut ebpf).map_err(|error| Error::Load(error.to_string()));
            Some(logger?)
        } else {
            None
        };
        let session = Self {
            ebpf,
            attached,
            lost,
            logger,
            skipped_before: 0,
        };
        Ok((session, ring))
    }

    /// Gives up the capabilities that are not needed any more, for the calling thread.
    pub fn drop_privileges(&self) -> Result<(), Error> {
        privileges::drop_unneeded().map_err(|error| Error::Io {
            what: "giving up capabilities",
            source: io::Error::other(error),
        })
    }

    /// How it is attached.
    pub fn attached(&self) -> &Attached {
        &self.attached
    }

    /// What was lost so far.
    pub fn losses(&self) -> Losses {
        let mut losses = loss::read(&self.lost, &self.loaded());
        losses.skipped += self.skipped_before;
        losses
    }

    /// Measures run time of the programs, on a thread of its own that keeps the capabilities which that
    /// takes. It must be dropped before [`Self::detach`].
    pub fn meter(&self) -> io::Result<Meter> {
        Meter::start(&self.loaded())
    }

    fn loaded(&self) -> Vec<&ProgramFd> {
        let programs = self.ebpf.programs();
        programs
            .filter_map(|(_, program)| program.fd().ok())
            .collect()
    }

    /// Passes on what the kernel programs had to say about themselves.
    pub fn flush_diagnostics(&mut self) {
        if let Some(logger) = &mut self.logger {
            logger.flush();
        }
    }

    /// Takes all programs off. Maps stay, so that what is buffered can still be read.
    pub fn detach(&mut self) {
        self.skipped_before = self.losses().skipped;
        unload(&mut self.ebpf);
    }
}

/// What the kernel programs are told.
fn settings(options: &Options, btf: &Btf<'_>, layout: &Layout, has_tracefs: bool) -> Settings {
    let task_pt_regs = btf.has_function("bpf_task_pt_regs")
        && btf.has_function("bpf_get_current_task_btf")
        && !needs_absent(layout, "sys_exit_connect");
    Settings {
        wakeup_bytes: options.ring_bytes / 8,
        tgid: options.pid.unwrap_or(0),
        netns: options.netns.unwrap_or(0),
        failures_only: u8::from(options.failures),
        states: u8::from(options.states),
        syscall_exit: u8::from(has_tracefs && task_pt_regs),
        task_pt_regs: u8::from(task_pt_regs),
        stacks: u8::from(options.stacks.is_some()),
        kernel_stacks: u8::from(options.stacks == Some(Stacks::WithKernel)),
        offsets: layout.offsets,
    }
}

fn needs_absent(layout: &Layout, program: &str) -> bool {
    PROBES
        .iter()
        .filter(|probe| probe.program == program)
        .flat_map(|probe| probe.fields)
        .any(|field| layout.absent.contains(field))
}

/// Creates the maps and fixes the settings. Programs are loaded one by one, when they are attached.
fn load(options: &Options, settings: &Settings, facts: &Facts) -> Result<Ebpf, Error> {
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    // Only kernels before 5.11 count maps against it, and it is no matter there unless maps fail.
    let raised = setrlimit(Resource::Memlock, unlimited).is_ok();
    if !raised {
        let hard = getrlimit(Resource::Memlock).maximum;
        let as_far_as_allowed = Rlimit {
            current: hard,
            maximum: hard,
        };
        // Whether it is enough, the maps will tell.
        let _refused = setrlimit(Resource::Memlock, as_far_as_allowed);
    }
    let log_level: u8 = if options.diagnostics { u8::MAX } else { 0 };
    let mut loader = EbpfLoader::new();
    loader
        .btf(None) // nothing to relocate
        .override_global("SETTINGS", settings, true)
        .override_global(aya_log::LEVEL, &log_level, false)
        .map_max_entries("EVENTS", options.ring_bytes)
        .map_max_entries("CONNS", options.max_sockets)
        .map_max_entries("WALKED", UNUSED_RING)
        .verifier_log_level(VerifierLogLevel::STATS);
    loader.load(OBJECT).map_err(|error| {
        let limit = getrlimit(Resource::Memlock).current;
        let code = match &error {
            aya::EbpfError::MapError(MapError::CreateError { io_error, .. }) => {
                io_error.raw_os_error()
            }
            _ => None,
        };
        let counted = facts
            .version
            .is_none_or(|version| version < Version::NO_MEMLOCK);
        match (code, limit) {
            (Some(libc::EPERM), Some(limit)) if !raised && counted => Error::MemoryLock { limit },
            (Some(libc::ENOMEM), _) => Error::NoMemory {
                max_sockets: options.max_sockets,
                ring_bytes: options.ring_bytes,
            },
            _ => Error::Load(chain(&error)),
        }
    })
}
