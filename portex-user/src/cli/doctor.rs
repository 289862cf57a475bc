//! `portex doctor`.

use std::{
    io::{self, BufWriter, Write as _},
    sync::mpsc,
    thread::{self, JoinHandle},
};

use anyhow::Context as _;
use caps::{CapSet, Capability};

use super::{
    observe::{self, Picture},
    options::{self, ColorChoice},
    replayed::bad_usage,
    runtime, say,
};
use crate::{
    doctor::{self, Attach, Attached, Case, Missing, Off, Portex},
    inventory::{self, Survey},
    kernel::{
        self, Session, Way,
        facts::{self, Facts, Lockdown},
    },
    views::doctor::{Report, json, text},
};

/// Say what endangers the ports of this host, why, and what to do, safest first
///
/// Judges what is there: sockets, settings, counters. With --watch also what happens meanwhile: rates,
/// failed allocations, who opens and who forgets. Works without root as far as it goes, and says what
/// it could not see. Nothing is changed: commands are shown, not run. The exit code is 0 whatever is
/// found.
#[derive(Debug, clap::Args)]
#[command(mut_args(hide_narrower))]
pub(super) struct Args {
    #[command(flatten)]
    observed: observe::Observed,
    /// One JSON object
    #[arg(long, help_heading = "Output")]
    json: bool,
    /// Colours; auto: on a terminal, unless NO_COLOR is set
    #[arg(
        long,
        value_name = "WHEN",
        value_enum,
        default_value = "auto",
        help_heading = "Output"
    )]
    color: ColorChoice,
}

/// What asks for less than a namespace is refused here, in words: no help shows it.
fn hide_narrower(arg: clap::Arg) -> clap::Arg {
    let narrower = ["pid", "comm", "src", "dst", "cgroup"];
    let hidden = narrower.contains(&arg.get_id().as_str());
    arg.hide(hidden)
}

pub(super) fn run(args: &Args, verbose: u8) -> anyhow::Result<()> {
    let narrower = args.observed.narrower();
    if !narrower.is_empty() {
        bad_usage(&format!(
            "{}: doctor judges whole network namespaces, as all who are in one share its ports; \
             --netns is the only option that narrows it",
            narrower.join(", ")
        ));
    }
    let facts = Facts::gather();
    let missing = missing();
    let netns = args.observed.netns()?;
    // Before watching begins: then capabilities are given up that it needs.
    let surveyor = Surveyor::start(netns)?;
    let (mut before, trial) = if args.observed.watch.is_some() {
        (surveyor.survey(false)?.hosts, Attach::NotTried)
    } else {
        (Vec::new(), trial(args, &facts, verbose))
    };
    let (picture, trial) = match observe::picture_only(&args.observed, verbose) {
        // What can be seen without tracing is worth telling all the same.
        Err(error) if args.observed.watch.is_some() && error.is::<kernel::Error>() => {
            say(&format!("portex: nothing is watched: {error:#}"));
            before.clear();
            let picture = observe::picture_only(&args.observed.at_once(), verbose)?;
            (picture, Attach::Failed(error.to_string()))
        }
        picture => (picture?, trial),
    };
    let attached = picture.attached.as_ref();
    let attach = attached.map_or(trial, |attached| Attach::Worked(converted(attached)));
    let surveyed = surveyor.survey(true)?;
    let case = Case {
        portex: portex(&picture, attach, &facts, missing),
        snapshot: picture.snapshot,
        hosts: surveyed.hosts,
        before,
        notes: picture.notes,
        refusals: surveyed.refusals,
    };
    let findings = doctor::examine(&case);
    let attach = match &case.portex.attach {
        Attach::Worked(attached) => Some(attached.way),
        Attach::Failed(_) | Attach::NotTried => None,
    };
    let report = Report {
        kernel: &picture.kernel,
        attach,
        time: picture.time,
        watched: case.watched(),
        findings: &findings,
        endangered: case.endangered_spaces(),
    };
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let written = if args.json {
        json(&mut out, &report)
    } else {
        text(&mut out, &report, &options::tables(args.color, true))
    };
    match written.and_then(|()| out.flush()) {
        // The reader has what it wanted.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => Ok(outcome?),
    }
}

/// What portex can do here.
fn portex(picture: &Picture, attach: Attach, facts: &Facts, missing: Vec<Missing>) -> Portex {
    Portex {
        release: facts.release.clone(),
        attach,
        missing,
        uid: facts.uid,
        btf_refused: std::fs::File::open(facts::BTF_PATH)
            .err()
            .map(|error| error.to_string()),
        lockdown: match facts.lockdown {
            Lockdown::None => "none",
            Lockdown::Integrity => "integrity",
            Lockdown::Confidentiality => "confidentiality",
        },
        walks_refused: picture.walks_refused.clone(),
        losses: picture.losses,
        program: program(),
    }
}

/// Attaches and takes off again, to see how that goes. Few sockets: it costs memory.
fn trial(args: &Args, facts: &Facts, verbose: u8) -> Attach {
    if !facts.missing.is_empty() {
        return Attach::NotTried;
    }
    let options = kernel::Options {
        max_sockets: 1_024,
        ring_bytes: 1 << 16,
        ..args.observed.session(verbose)
    };
    // The ring buffer waits on one.
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return Attach::Failed(error.to_string()),
    };
    match runtime.block_on(async { Session::start(&options) }) {
        Ok((session, _ring)) => Attach::Worked(converted(session.attached())),
        Err(error) => Attach::Failed(error.to_string()),
    }
}

fn converted(attached: &kernel::Attached) -> Attached {
    let refused = attached.refused.iter();
    let off = attached.off.iter();
    Attached {
        way: attached.way.name(),
        cost: attached.way.cost(),
        best: attached.way == Way::ALL[0],
        refused: refused
            .map(|(way, cause)| (way.name(), cause.clone()))
            .collect(),
        off: off
            .map(|off| Off {
                hook: off.hook,
                cause: off.cause.clone(),
                serves: off.serves,
            })
            .collect(),
    }
}

/// Effective capabilities that this process lacks, and what they are for.
fn missing() -> Vec<Missing> {
    let effective = caps::read(None, CapSet::Effective).unwrap_or_default();
    let admin = effective.contains(&Capability::CAP_SYS_ADMIN);
    let needs = [
        (
            Capability::CAP_BPF,
            "CAP_BPF",
            "to load kernel programs",
            true,
        ),
        (
            Capability::CAP_PERFMON,
            "CAP_PERFMON",
            "to attach kernel programs",
            true,
        ),
        (
            Capability::CAP_SYS_ADMIN,
            "CAP_SYS_ADMIN",
            "to look into other network namespaces",
            false,
        ),
        (
            Capability::CAP_SYS_PTRACE,
            "CAP_SYS_PTRACE",
            "to see whose sockets they are",
            false,
        ),
        (
            Capability::CAP_DAC_READ_SEARCH,
            "CAP_DAC_READ_SEARCH",
            "for tracefs and paths of cgroups",
            false,
        ),
        (
            Capability::CAP_SYSLOG,
            "CAP_SYSLOG",
            "for addresses of kernel functions, which the tracepoint way follows TIME_WAIT by",
            false,
        ),
    ];
    needs
        .into_iter()
        // CAP_SYS_ADMIN stands for both that 5.8 split from it.
        .filter(|(capability, _, _, essential)| {
            let has = effective.contains(capability) || *essential && admin;
            !has
        })
        .map(|(_, name, serves, essential)| Missing {
            name,
            serves,
            essential,
        })
        .collect()
}

/// The path of this program, if a shell takes it as it is.
fn program() -> Option<String> {
    let path = std::env::current_exe().ok()?;
    let path = path.to_str()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte);
    path.bytes().all(plain).then(|| path.to_owned())
}

/// A thread that keeps the capabilities that surveys need.
struct Surveyor {
    ask: mpsc::Sender<bool>,
    surveys: mpsc::Receiver<io::Result<Survey>>,
    _thread: JoinHandle<()>,
}

impl Surveyor {
    fn start(netns: Option<u32>) -> anyhow::Result<Self> {
        let (ask, asked) = mpsc::channel();
        let (tell, surveys) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("surveyor".into())
            .spawn(move || {
                for listeners in asked {
                    // Fails when nobody waits any more.
                    let _gone = tell.send(inventory::survey(netns, listeners));
                }
            })
            .context("starting a thread")?;
        Ok(Self {
            ask,
            surveys,
            _thread: thread,
        })
    }

    /// Surveys; with or without listeners, which take longer.
    fn survey(&self, listeners: bool) -> anyhow::Result<Survey> {
        let gone = "the thread that surveys namespaces has ended";
        self.ask.send(listeners).context(gone)?;
        let surveyed = self.surveys.recv().context(gone)?;
        surveyed.context("looking at network namespaces")
    }
}
