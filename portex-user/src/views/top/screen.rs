//! The loop: messages, what they change, the next picture. It runs on a thread of its own, so that
//! neither events nor looks at the host keep a key waiting.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    Frame, Message, Options, Request, Top, render,
    terminal::{self, Terminal},
};

/// Messages that may wait, frames aside.
const WAITING: usize = 64;
/// How long the screen may take to end: what it writes may find a terminal that takes nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// What comes to the screen's thread.
enum Post {
    Message(Message),
    /// There is a frame in the slot.
    Frame,
}

/// The latest frame that was not taken yet.
type Slot = Arc<Mutex<Option<Box<Frame>>>>;

/// The screen, seen from outside.
pub struct Screen {
    thread: JoinHandle<io::Result<()>>,
    to: ToScreen,
}

/// Where messages for the screen go.
#[derive(Clone)]
pub struct ToScreen {
    posts: SyncSender<Post>,
    slot: Slot,
}

impl Screen {
    /// Takes the terminal. What the screen asks for goes to `ask`, on the screen's thread; when the
    /// screen ends, for whatever reason, `ask` is dropped.
    pub fn open(
        mut options: Options,
        ask: impl FnMut(Request) + Send + 'static,
    ) -> io::Result<Self> {
        let (posts, received) = sync_channel(WAITING);
        let slot = Slot::default();
        let mut terminal = Terminal::take()?;
        let size = terminal.0.size()?;
        options.size = (size.width, size.height);
        let keys = posts.clone();
        // It waits for keys as long as the process lives.
        thread::Builder::new()
            .name("portex-keys".into())
            .spawn(move || read_keys(&keys))?;
        let frames = Arc::clone(&slot);
        let thread = thread::Builder::new()
            .name(terminal::SCREEN_THREAD.into())
            .spawn(move || run(&mut terminal, Top::new(options), &received, &frames, ask))?;
        let to = ToScreen { posts, slot };
        Ok(Self { thread, to })
    }

    /// Where messages go.
    pub fn sender(&self) -> ToScreen {
        self.to.clone()
    }

    /// Ends it, if it has not ended, and gives the terminal back.
    pub fn close(self) -> io::Result<()> {
        let end = Instant::now() + PATIENCE;
        let mut told = false;
        while !self.thread.is_finished() {
            // It may have ended by itself.
            told = told || self.to.posts.try_send(Post::Message(Message::Stop)).is_ok();
            if Instant::now() > end {
                // It hangs in a terminal that takes nothing.
                terminal::restore();
                return Err(io::Error::other("the terminal takes no output"));
            }
            thread::sleep(Duration::from_millis(2));
        }
        match self.thread.join() {
            Ok(outcome) => outcome,
            // Its message has been shown.
            Err(_) => Err(io::Error::other("the screen broke off")),
        }
    }
}

impl ToScreen {
    /// Sends a message; without waiting, if that is a frame, which takes the place of one that was not
    /// shown yet. False when the screen has ended.
    pub fn send(&self, message: Message) -> bool {
        let Message::Frame(frame) = message else {
            return self.posts.send(Post::Message(message)).is_ok();
        };
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = Some(frame);
        drop(slot);
        // Where there is no room, others wake it, and it looks into the slot.
        !matches!(
            self.posts.try_send(Post::Frame),
            Err(TrySendError::Disconnected(_))
        )
    }
}

fn read_keys(posts: &SyncSender<Post>) {
    // Without a terminal there are no keys; the run has its other ends.
    while let Ok(event) = crossterm::event::read() {
        if posts.send(Post::Message(Message::Input(event))).is_err() {
            return;
        }
    }
}

fn run(
    terminal: &mut Terminal,
    mut top: Top,
    posts: &Receiver<Post>,
    slot: &Slot,
    mut ask: impl FnMut(Request),
) -> io::Result<()> {
    let mut faults = faults();
    terminal.0.draw(|frame| render(&top, frame))?;
    while let Ok(post) = posts.recv() {
        // What has come meanwhile needs no picture of its own.
        let messages: Vec<Message> = std::iter::once(post)
            .chain(posts.try_iter())
            .filter_map(|post| match post {
                Post::Message(message) => Some(message),
                Post::Frame => None,
            })
            .collect();
        let frame = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        for message in messages.into_iter().chain(frame.map(Message::Frame)) {
            faults(&message);
            for request in top.update(message) {
                ask(request);
            }
        }
        if top.ended() {
            break;
        }
        if top.wants_suspend() {
            terminal.suspend()?;
        }
        if top.wants_redraw() {
            terminal.redraw()?;
        }
        if !terminal::is_taken() {
            // Another thread panicked, and its message is on the ordinary screen.
            return Err(io::Error::other("a part of portex broke off"));
        }
        terminal.0.draw(|frame| render(&top, frame))?;
    }
    Ok(())
}

/// A test wants to see that the terminal is given back after a panic: `PORTEX_TEST_PANIC=screen` makes
/// one at the third frame.
fn faults() -> impl FnMut(&Message) {
    let wanted = std::env::var_os("PORTEX_TEST_PANIC").is_some_and(|what| what == "screen");
    let mut frames = 0;
    move |message| {
        if let Message::Frame(_) = message {
            frames += 1;
            assert!(!wanted || frames < 3, "asked for by PORTEX_TEST_PANIC");
        }
    }
}
