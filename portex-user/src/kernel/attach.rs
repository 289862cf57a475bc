//! Attaches the rows of the probe table, by the first way that works: chosen by what loads, not by
//! version numbers.

use std::io;

use aya::{
    Btf as AyaBtf, Ebpf, Endianness,
    maps::Array,
    programs::{FEntry, FExit, KProbe, Program, ProgramError, RawTracePoint, TracePoint},
};
use log::debug;
use portex_common::Settings;

use super::{
    Error, Way, facts,
    layout::Layout,
    probes::{self, Kind, PROBES, Probe, When},
};

/// A hook that is off, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Off {
    /// Its name: the kernel function or tracepoint.
    pub hook: &'static str,
    /// Why it is off.
    pub cause: String,
    /// What is missing without it.
    pub serves: &'static str,
}

/// What came of attaching.
#[derive(Clone, Debug)]
pub struct Attached {
    /// The way that was taken.
    pub way: Way,
    /// Better ways, and why they were not taken.
    pub refused: Vec<(Way, String)>,
    /// Hooks of this way that are off.
    pub off: Vec<Off>,
}

/// Attaches rows of the probe table.
pub(super) struct Attacher<'a> {
    pub(super) ebpf: &'a mut Ebpf,
    pub(super) settings: &'a Settings,
    pub(super) layout: &'a Layout,
    pub(super) tracefs: Result<(), String>,
    /// The kernel's BTF, parsed by aya only when a trampoline is asked for.
    pub(super) btf_bytes: &'a [u8],
    pub(super) btf: Option<AyaBtf>,
    /// The kernel programs have been told by which function to know the timers of TIME_WAITs.
    pub(super) tw_timers: bool,
}

impl Attacher<'_> {
    /// Tries ways until one works. With one way only, its error is that way's.
    pub(super) fn first_that_works(&mut self, ways: &[Way]) -> Result<Attached, Error> {
        let mut refused = Vec::new();
        for &way in ways {
            match self.attach(way) {
                Ok(off) => return Ok(Attached { way, refused, off }),
                Err(cause) => {
                    debug!("by {way}: {cause}");
                    unload(self.ebpf);
                    refused.push((way, cause));
                }
            }
        }
        match (ways, refused.pop()) {
            ([_], Some((way, cause))) => Err(Error::Way { way, cause }),
            (_, last) => {
                refused.extend(last);
                Err(Error::NoWay { causes: refused })
            }
        }
    }

    /// Attaches one way. Returns the hooks that are off, or why the way is of no use.
    fn attach(&mut self, way: Way) -> Result<Vec<Off>, String> {
        let mut off: Vec<Off> = Vec::new();
        if way == Way::Kprobe && !facts::has_kprobes() {
            // To find out by attaching takes half a second: what goes on first has to come off again.
            return Err("this kernel has no kprobes (CONFIG_KPROBE_EVENTS)".into());
        }
        if way == Way::Tracepoint && self.settings.failures_only == 0 {
            self.tw_timers = self.tell_tw_timers()?;
        }
        let wanted = |probe: &&Probe| {
            probe.way == way
                && match probe.when {
                    When::Always => true,
                    When::Successes => self.settings.failures_only == 0,
                    When::States => self.settings.states == 1,
                }
        };
        let rows: Vec<&Probe> = PROBES.iter().filter(wanted).collect();
        // What is essential first: a way that does not work is found out by one program.
        for probe in rows.iter().filter(|probe| probe.essential) {
            self.load_program(probe)?;
        }
        for probe in rows {
            let alone = probe.hook == "tcp_time_wait"
                && off.iter().any(|known| known.hook == "inet_twsk_hashdance");
            let obstacle = if alone {
                // Every TIME_WAIT would look like one that did not come about.
                Some("it is of no use without inet_twsk_hashdance".into())
            } else {
                self.obstacle(probe)
            };
            let outcome = obstacle.map_or(Ok(()), Err).and_then(|()| {
                if !probe.essential {
                    self.load_program(probe)?;
                }
                self.attach_program(probe)
            });
            match outcome {
                Ok(()) => {}
                Err(cause) if probe.essential => return Err(format!("{}: {cause}", probe.hook)),
                Err(cause) => {
                    if !off.iter().any(|known| known.hook == probe.hook) {
                        off.push(Off {
                            hook: probe.hook,
                            cause,
                            serves: probe.serves,
                        });
                    }
                }
            }
        }
        Ok(off)
    }

    /// Tells the kernel programs by which functions to know the timers of TIME_WAITs. Reading all
    /// symbols takes a while, so it is left to the way that needs it. False where they are hidden.
    fn tell_tw_timers(&mut self) -> Result<bool, String> {
        let Some([handler, put, purge]) = facts::functions([
            "tw_timer_handler",
            "inet_twsk_deschedule_put",
            "inet_twsk_purge",
        ]) else {
            return Ok(false);
        };
        let map = self.ebpf.map_mut("SYMBOLS");
        let map = map.ok_or("the object file has no map SYMBOLS")?;
        let mut symbols = Array::try_from(map).map_err(|error| error.to_string())?;
        // In the order of the slots in portex-ebpf's `symbol`.
        let addresses = [handler.start, put.start, put.end, purge.start, purge.end];
        for (slot, address) in (0_u32..).zip(addresses) {
            symbols
                .set(slot, address, 0)
                .map_err(|error| error.to_string())?;
        }
        Ok(true)
    }

    /// Why a row cannot be attached, as far as that is known beforehand.
    fn obstacle(&self, probe: &Probe) -> Option<String> {
        if let Some(field) = probe
            .fields
            .iter()
            .find(|field| self.layout.absent.contains(field))
        {
            return Some(format!("this kernel has no field {field}"));
        }
        // In the other ways the programs learn it from the first TIME_WAIT.
        if probe.way == Way::Tracepoint && probes::is_timer(probe) && !self.tw_timers {
            return Some(
                "the addresses of tw_timer_handler, inet_twsk_deschedule_put and inet_twsk_purge \
                 are not all in /proc/kallsyms (CAP_SYSLOG shows them)"
                    .into(),
            );
        }
        if probe.program == "sys_exit_connect" && self.settings.task_pt_regs == 0 {
            return Some("this kernel has no bpf_task_pt_regs (it came with 5.15)".into());
        }
        match (&self.tracefs, probe.kind) {
            (Err(unreachable), Kind::Tracepoint(_)) => Some(unreachable.clone()),
            _ => None,
        }
    }

    fn program(&mut self, probe: &Probe) -> Result<&mut Program, String> {
        self.ebpf
            .program_mut(probe.program)
            .ok_or_else(|| "the object file has no such program".into())
    }

    fn load_program(&mut self, probe: &Probe) -> Result<(), String> {
        if matches!(probe.kind, Kind::Fentry | Kind::Fexit) {
            return self.load_trampoline(probe);
        }
        let loaded = match self.program(probe)? {
            Program::KProbe(program) => program.load(),
            Program::RawTracePoint(program) => program.load(),
            Program::TracePoint(program) => program.load(),
            _ => Err(ProgramError::UnexpectedProgramType),
        };
        loaded.map_err(|error| explain(&error))
    }

    fn load_trampoline(&mut self, probe: &Probe) -> Result<(), String> {
        if self.btf.is_none() {
            let parsed = AyaBtf::parse(self.btf_bytes, Endianness::default());
            self.btf = Some(parsed.map_err(|error| error.to_string())?);
        }
        let btf = self.btf.as_ref().ok_or("no BTF")?;
        let mut last = String::new();
        for target in probe.targets {
            let program = self
                .ebpf
                .program_mut(probe.program)
                .ok_or("the object file has no such program")?;
            let loaded = match program {
                Program::FEntry(program) => FEntry::load(program, target, btf),
                Program::FExit(program) => FExit::load(program, target, btf),
                _ => Err(ProgramError::UnexpectedProgramType),
            };
            match loaded {
                Ok(()) => return Ok(()),
                Err(ProgramError::Btf(_)) => last = "this kernel has no such function".into(),
                Err(error) => return Err(explain(&error)),
            }
        }
        Err(last)
    }

    fn attach_program(&mut self, probe: &Probe) -> Result<(), String> {
        let program = self.program(probe)?;
        let mut last = String::new();
        for target in probe.targets {
            let attached = match (&mut *program, probe.kind) {
                (Program::FEntry(program), _) => FEntry::attach(program).map(drop),
                (Program::FExit(program), _) => FExit::attach(program).map(drop),
                (Program::KProbe(program), _) => KProbe::attach(program, target, 0).map(drop),
                (Program::RawTracePoint(program), _) => {
                    RawTracePoint::attach(program, target).map(drop)
                }
                (Program::TracePoint(program), Kind::Tracepoint(category)) => {
                    TracePoint::attach(program, category, target).map(drop)
                }
                _ => Err(ProgramError::UnexpectedProgramType),
            };
            match attached {
                Ok(()) => return Ok(()),
                Err(error) => last = explain(&error),
            }
        }
        Err(last)
    }
}

/// The kernel's answer in a line; the verifier's log only in the debug output.
fn explain(error: &ProgramError) -> String {
    let loading = if let ProgramError::LoadError {
        io_error,
        verifier_log,
    } = error
    {
        debug!("{io_error}: {verifier_log}");
        true
    } else {
        false
    };
    match (os_error(error), loading) {
        (Some(libc::EPERM), true) => "the kernel does not permit programs of this type".into(),
        (Some(code), true) => format!(
            "the kernel refused the program ({})",
            io::Error::from_raw_os_error(code)
        ),
        (Some(libc::ENOENT), false) => "this kernel has no such function or tracepoint".into(),
        (Some(libc::EACCES), false) => format!(
            "perf_event_open is not permitted: with sysctl kernel.perf_event_paranoid at {} it takes \
             CAP_SYS_ADMIN (at 2 or less, CAP_PERFMON)",
            facts::perf_event_paranoid()
        ),
        _ => chain(error),
    }
}

/// The error number at the bottom of an error.
fn os_error(error: &ProgramError) -> Option<i32> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return io.raw_os_error();
        }
        cause = error.source();
    }
    None
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// Takes off and unloads whatever is loaded.
pub(super) fn unload(ebpf: &mut Ebpf) {
    for (name, program) in ebpf.programs_mut() {
        if program.fd().is_ok()
            && let Err(error) = program.unload_any()
        {
            debug!("unloading {name}: {error}");
        }
    }
}

/// Unloading, whatever the type of program.
trait UnloadAny {
    fn unload_any(&mut self) -> Result<(), ProgramError>;
}

impl UnloadAny for Program {
    fn unload_any(&mut self) -> Result<(), ProgramError> {
        match self {
            Self::FEntry(program) => program.unload(),
            Self::FExit(program) => program.unload(),
            Self::KProbe(program) => program.unload(),
            Self::RawTracePoint(program) => program.unload(),
            Self::TracePoint(program) => program.unload(),
            _ => Err(ProgramError::UnexpectedProgramType),
        }
    }
}
