//! The terminal: raw mode and the alternate screen, and back again, whatever happens.

use std::{
    io::{self, BufWriter, Stdout},
    panic,
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
    },
};

use crossterm::{
    cursor::{Hide, Show},
    execute, queue,
    terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
};
use ratatui::{
    backend::CrosstermBackend,
    layout::{Position, Rect},
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The thread that draws.
pub(super) const SCREEN_THREAD: &str = "portex-screen";

/// How long a terminal that is given back may take to have room for that.
const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 300_000_000,
};

/// Whether the terminal is ours at this moment. There is one terminal.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// What ratatui draws to.
pub(super) type Backend = CrosstermBackend<BufWriter<Stdout>>;

/// The terminal while it is ours; given back when dropped.
pub(super) struct Terminal(pub(super) ratatui::Terminal<Backend>);

impl Terminal {
    /// Takes it.
    pub(super) fn take() -> io::Result<Self> {
        take()?;
        let backend = CrosstermBackend::new(BufWriter::with_capacity(1 << 16, io::stdout()));
        match ratatui::Terminal::new(backend) {
            Ok(terminal) => Ok(Self(terminal)),
            Err(error) => {
                restore();
                Err(error)
            }
        }
    }

    /// Gives it back, stops the process as the shell's user wants it, and takes it again once the
    /// process goes on.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        restore();
        // To this thread, which so does not run on before the process is stopped. (That of the whole
        // process group might be taken by another thread.)
        // SAFETY: raise() takes a number, and the action of SIGTSTP is the default.
        unsafe { libc::raise(libc::SIGTSTP) };
        take()?;
        self.redraw()
    }

    /// Has the next picture drawn whole. `ratatui::Terminal::clear` would ask the terminal where the
    /// cursor is, and the thread that reads keys keeps the answer until the next key.
    pub(super) fn redraw(&mut self) -> io::Result<()> {
        let size = self.0.size()?;
        self.0.resize(Rect::from((Position::ORIGIN, size)))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
    }
}

fn take() -> io::Result<()> {
    restore_on_panic();
    TAKEN.store(true, Ordering::SeqCst);
    let taken = enable_raw_mode().and_then(|()| execute!(io::stdout(), EnterAlternateScreen, Hide));
    if taken.is_err() {
        restore();
    }
    taken
}

/// Whether the terminal is ours.
pub(super) fn is_taken() -> bool {
    TAKEN.load(Ordering::SeqCst)
}

/// Gives the terminal back, if it is ours. Any thread may call this at any time, also while another
/// one hangs in a terminal that takes no output: modes are set first, and what has to be written is
/// written only if there is room.
pub fn restore() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    // Where the terminal has gone, there is nothing to restore.
    let _gone = disable_raw_mode();
    let mut back = Vec::new();
    let _in_memory = queue!(back, LeaveAlternateScreen, Show);
    // Not by `io::stdout()`, whose lock the one that hangs may hold.
    let stdout = rustix::stdio::stdout();
    let mut ready = [PollFd::new(&stdout, PollFlags::OUT)];
    let room = poll(&mut ready, Some(&PATIENCE)).is_ok_and(|ready| ready > 0);
    if room {
        let _gone = rustix::io::write(stdout, &back);
    }
}

/// The message of a panic is to be read on the ordinary screen.
fn restore_on_panic() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            restore();
            before(info);
        }));
    });
}
