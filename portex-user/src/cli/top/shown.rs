//! How frames are shown: on the screen, or printed.

use std::{
    io::{self, BufWriter, IsTerminal as _, Stdout},
    sync::{Arc, OnceLock},
    time::Duration,
};

use anyhow::{Context as _, bail};
use tokio::sync::{mpsc::unbounded_channel, watch};

use crate::{
    cli::{
        log,
        options::{self, ColorChoice, duration},
    },
    inventory::services,
    live::{Form, Frames, OnScreen, Printed, View},
    lookup::{Answer, Lookup},
    recording::Pace,
    views::top::{self, Message, Screen, Theme, ToScreen},
};

/// How frames are shown.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Output")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub(in crate::cli) struct Shown {
    /// Print frames one after the other instead of taking the terminal
    #[arg(short, long, group = "printed")]
    pub(in crate::cli) batch: bool,
    /// One JSON object a line (with --batch: a snapshot)
    #[arg(long, requires = "printed")]
    pub(in crate::cli) json: bool,
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
    pub(in crate::cli) color: ColorChoice,
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

/// Answers what the screen wants to know. It may start before the screen, while capabilities are
/// there.
pub(in crate::cli) struct Questions {
    lookup: Lookup,
    screen: Arc<OnceLock<ToScreen>>,
}

impl Questions {
    /// Starts answering.
    pub(super) fn start() -> io::Result<Self> {
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

/// What is to be closed after the view.
#[derive(Default)]
pub(in crate::cli) struct Closing {
    screen: Option<Screen>,
    held: Option<log::Held>,
}

impl Closing {
    /// Gives the terminal back.
    pub(super) fn close(self, view: View<BufWriter<Stdout>>) -> anyhow::Result<()> {
        drop(view);
        let closed = self.screen.map_or(Ok(()), Screen::close);
        drop(self.held);
        closed.context("showing the screen")
    }
}

impl Shown {
    /// Between frames.
    pub(super) fn delay(&self) -> Duration {
        self.delay
    }

    /// Whether it can be shown so.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.batch || io::stdout().is_terminal() {
            return Ok(());
        }
        bail!("standard output is no terminal\n  what to do: portex top --batch")
    }

    /// Takes the terminal, or standard output. `pace`: that of a replay, to be changed by the user.
    pub(super) fn open(
        &self,
        frames: Frames,
        questions: Questions,
        stop: impl Future<Output = ()> + 'static,
        pace: Option<watch::Sender<Pace>>,
    ) -> anyhow::Result<(View<BufWriter<Stdout>>, Closing)> {
        if self.batch {
            let form = if self.json {
                Form::Json
            } else {
                Form::Text(options::tables(self.color, self.all))
            };
            let out = BufWriter::with_capacity(1 << 16, io::stdout());
            let printed = Printed::new(out, frames, form, self.count, stop);
            return Ok((View::Printed(Box::new(printed)), Closing::default()));
        }
        let held = log::Held::begin();
        let (ask, asked) = unbounded_channel();
        let options = top::Options {
            theme: self.theme(),
            interval: self.delay,
            size: (0, 0),
            services: Arc::new(services::read()),
            resolve: self.resolve,
        };
        // The run has ended where nobody hears.
        let screen = Screen::open(options, move |request| drop(ask.send(request)))
            .context("taking the terminal")?;
        let Questions { lookup, screen: to } = questions;
        let _first = to.set(screen.sender());
        let on_screen = OnScreen::new(frames, screen.sender(), asked, lookup, stop, pace);
        let closing = Closing {
            screen: Some(screen),
            held: Some(held),
        };
        Ok((View::Screen(Box::new(on_screen)), closing))
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
