//! What portex says on standard error; held back while the screen is in use.

use std::{
    collections::VecDeque,
    io::{self, IsTerminal as _, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};

use env_logger::{Builder, Target, WriteStyle};
use log::LevelFilter;

/// Most that is held back; the oldest goes first.
const MOST: usize = 64 << 10;

/// What is held back at this moment; `None`: nothing is.
static HELD: Mutex<Option<VecDeque<u8>>> = Mutex::new(None);

/// Starts the log.
pub(super) fn start(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::Warn,
        1 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    };
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let style = if io::stderr().is_terminal() && !plain {
        WriteStyle::Always
    } else {
        WriteStyle::Never
    };
    Builder::new()
        .filter_level(level)
        .format_timestamp(None)
        .target(Target::Pipe(Box::new(ToStderr)))
        .write_style(style)
        .init();
}

/// A line on standard error; nobody listening is no error.
pub(super) fn say(line: &str) {
    let _closed = ToStderr.write_all(format!("{line}\n").as_bytes());
}

/// Holds back what is said, until it is dropped. Only where standard error is the terminal that the
/// screen is on.
pub(super) struct Held;

impl Held {
    pub(super) fn begin() -> Self {
        if io::stderr().is_terminal() {
            *held() = Some(VecDeque::new());
        }
        Self
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        release();
    }
}

/// Says what was held back, and holds back no more.
pub(super) fn release() {
    let before = held().take();
    if let Some(mut before) = before {
        let _closed = io::stderr().write_all(before.make_contiguous());
    }
}

fn held() -> MutexGuard<'static, Option<VecDeque<u8>>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

struct ToStderr;

impl Write for ToStderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut *held() {
            Some(held) => {
                held.extend(bytes);
                let excess = held.len().saturating_sub(MOST);
                held.drain(..excess);
                Ok(bytes.len())
            }
            None => io::stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
