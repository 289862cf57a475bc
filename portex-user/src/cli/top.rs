//! `portex top`, and what `portex demo` has in common with it.

use std::{
    io::{self, BufWriter, IsTerminal as _, Stdout},
    sync::{Arc, OnceLock},
    time::Duration,
};

use anyhow::{Context as _, bail};
use tokio::{select, sync::mpsc::unbounded_channel, time::sleep};

use super::{
    log,
    options::{self, ColorChoice, How, Which, duration},
    runtime, stop,
};
use crate::{
    attribution::Snapshot,
    clock::Clock,
    filter::Filter,
    inventory::{Look, services},
    kernel::{Options, Session},
    live::{Form, Frames, OnScreen, Origin, Printed, View},
    lookup::{Answer, Lookup},
    observe::{self, Model, Scanner, monotonic},
    source::{EventSource as _, Live},
    views::top::{self, Message, Screen, Services, Theme, ToScreen},
};

/// Watch live who uses up which destination's ports, and when the next connect() fails
///
/// Keys: 1 to 5 for the views, Enter for details, / to filter, ? for help, q to quit.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    shown: Shown,
    #[command(flatten)]
    how: How,
}

/// How frames are shown.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub(super) struct Shown {
    /// Print frames one after the other instead of taking the terminal
    #[arg(short, long, group = "printed")]
    pub(super) batch: bool,
    /// One JSON object a line (with --batch: a snapshot)
    #[arg(long, requires = "printed")]
    pub(super) json: bool,
    /// All rows of each table, not only the first (with --batch)
    #[arg(long, requires = "batch", conflicts_with = "json")]
    all: bool,
    /// Stop after this many frames (with --batch)
    #[arg(short = 'n', long, value_name = "N", requires = "batch", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Time between frames: 2, 0.5, 500ms, 1m
    #[arg(short, long, value_name = "SECONDS", default_value = "1", value_parser = delay)]
    delay: Duration,
    /// Show names of addresses, by reverse DNS
    #[arg(short, long, conflicts_with = "batch")]
    resolve: bool,
    /// Colours; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", value_enum, default_value = "auto")]
    pub(super) color: ColorChoice,
}

/// Shortest time between frames.
const SHORTEST: Duration = Duration::from_millis(100);

/// Seconds, as for `top -d`, or a time with its unit.
fn delay(text: &str) -> Result<Duration, String> {
    let plain = text.parse().ok().map(|seconds: f64| {
        Duration::try_from_secs_f64(seconds).map_err(|_| "write it as 2, 0.5 or 500ms".to_owned())
    });
    let delay = plain.unwrap_or_else(|| duration(text))?;
    if (SHORTEST..=Duration::from_secs(3600)).contains(&delay) {
        Ok(delay)
    } else {
        Err("must be from 0.1 seconds to an hour".into())
    }
}

pub(super) fn run(args: &Args, verbose: u8) -> anyhow::Result<()> {
    args.shown.check()?;
    let filter = args.which.filter()?;
    let options = args.how.session(filter.netns, verbose);
    live(&args.shown, filter, &options, Extra::default())
}

/// What the demo adds.
#[derive(Default)]
pub(super) struct Extra<'a> {
    /// What is to be said of each snapshot.
    pub(super) advice: Option<fn(&Snapshot) -> &'static str>,
    /// What begins when all is set up.
    pub(super) go: Option<Box<dyn FnOnce() -> anyhow::Result<()> + 'a>>,
    /// When to end.
    pub(super) duration: Option<Duration>,
}

/// Traces and shows frames until somebody wants the end.
pub(super) fn live(
    shown: &Shown,
    filter: Filter,
    options: &Options,
    extra: Extra<'_>,
) -> anyhow::Result<()> {
    let began = monotonic();
    let look = Look {
        netns: options.netns,
        owners: true,
    };
    let services = services::read();
    runtime()?.block_on(async {
        let (session, ring) = Session::start(options)?;
        // These keep the capabilities of now: they look into other namespaces and processes.
        let mut scanner = Scanner::start(look)?;
        let questions = Questions::start()?;
        session.drop_privileges()?;
        let signals = stop::signals(stop::Rest::Work)?;
        let attached = session.attached();
        let origin = Origin {
            host: Arc::from(rustix::system::uname().nodename().to_string_lossy()),
            kernel: Arc::from(rustix::system::uname().release().to_string_lossy()),
            attach: Some(attached.way.name().into()),
            began,
            clock: Clock::default(),
            replayed: false,
            advice: extra.advice,
            notes: options::notes(attached),
        };
        let frames = Frames::new(origin, filter, shown.delay);
        let mut live = Live::new(session, ring);
        if let Some(go) = extra.go {
            go()?;
        }
        let stop = async move {
            select! {
                () = signals => {}
                () = after(extra.duration) => {}
            }
        };
        let mut viewer = shown.open(frames, services, questions, stop)?;
        let mut model = Model::default();
        let never = std::future::pending();
        let outcome =
            observe::watch(&mut live, &mut scanner, &mut model, &mut viewer.view, never).await;
        // The terminal first: what comes then may be said on it.
        let closed = viewer.close();
        live.finish(&mut Vec::new());
        outcome?;
        closed
    })
}

async fn after(duration: Option<Duration>) {
    match duration {
        Some(duration) => sleep(duration).await,
        None => std::future::pending().await,
    }
}

/// Answers what the screen wants to know. It may start before the screen, while capabilities are
/// there.
pub(super) struct Questions {
    lookup: Lookup,
    screen: Arc<OnceLock<ToScreen>>,
}

impl Questions {
    fn start() -> io::Result<Self> {
        let screen = Arc::new(OnceLock::<ToScreen>::new());
        let answers_to = Arc::clone(&screen);
        let lookup = Lookup::start(move |answer| {
            let message = match answer {
                Answer::Process(details) => Message::Process(details),
                Answer::HostName(address, name) => Message::HostName(address, name),
            };
            if let Some(screen) = answers_to.get() {
                // It may have ended.
                let _ended = screen.send(message);
            }
        })?;
        Ok(Self { lookup, screen })
    }
}

/// The view, and what goes with it while it is open.
pub(super) struct Viewer {
    pub(super) view: View<BufWriter<Stdout>>,
    screen: Option<Screen>,
    held: Option<log::Held>,
}

impl Viewer {
    /// Gives the terminal back.
    pub(super) fn close(self) -> anyhow::Result<()> {
        let Self { view, screen, held } = self;
        drop(view);
        let closed = screen.map_or(Ok(()), Screen::close);
        drop(held);
        closed.context("showing the screen")
    }
}

impl Shown {
    /// Whether it can be shown so.
    fn check(&self) -> anyhow::Result<()> {
        if self.batch || io::stdout().is_terminal() {
            return Ok(());
        }
        bail!("standard output is no terminal\n  what to do: portex top --batch")
    }

    /// Takes the terminal, or standard output.
    pub(super) fn open(
        &self,
        frames: Frames,
        services: Services,
        questions: Questions,
        stop: impl Future<Output = ()> + 'static,
    ) -> anyhow::Result<Viewer> {
        if self.batch {
            let form = if self.json {
                Form::Json
            } else {
                Form::Text(options::tables(self.color, self.all))
            };
            let out = BufWriter::with_capacity(1 << 16, io::stdout());
            let printed = Printed::new(out, frames, form, self.count, stop);
            return Ok(Viewer {
                view: View::Printed(Box::new(printed)),
                screen: None,
                held: None,
            });
        }
        let held = Some(log::Held::begin());
        let (ask, asked) = unbounded_channel();
        let options = top::Options {
            theme: self.theme(),
            interval: self.delay,
            size: (0, 0),
            services: Arc::new(services),
            resolve: self.resolve,
        };
        // The run has ended where nobody hears.
        let screen = Screen::open(options, move |request| drop(ask.send(request)))
            .context("taking the terminal")?;
        let Questions { lookup, screen: to } = questions;
        let _first = to.set(screen.sender());
        let on_screen = OnScreen::new(frames, screen.sender(), asked, Some(lookup), stop);
        Ok(Viewer {
            view: View::Screen(Box::new(on_screen)),
            screen: Some(screen),
            held,
        })
    }

    fn theme(&self) -> Theme {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        // As setlocale(3) looks for the character set.
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(variable);
        let locale = locale.unwrap_or_default().to_ascii_lowercase();
        let term = variable("TERM").unwrap_or_default();
        let colorless = term == "dumb" || term.starts_with("vt");
        let color = match self.color {
            ColorChoice::Auto if colorless => false,
            choice => choice.style().color,
        };
        Theme {
            color,
            unicode: locale.contains("utf-8") || locale.contains("utf8"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_seconds_or_times() {
        assert_eq!(delay("2"), Ok(Duration::from_secs(2)));
        assert_eq!(delay("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(delay("250ms"), Ok(Duration::from_millis(250)));
        for text in ["", "0", "-1", "NaN", "inf", "1e300", "0.01", "2h", "x"] {
            assert!(delay(text).is_err(), "{text}");
        }
    }
}
