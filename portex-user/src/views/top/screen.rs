//! The loop: messages, what they change, the next picture. It runs on a thread of its own, so that
//! neither events nor looks at the host keep a key waiting.

use std::{
    io,
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    thread::{self, JoinHandle},
};

use super::{Message, Options, Request, Top, render, terminal::Terminal};

/// Messages that may wait. A screen that is slower than the frames misses some of them.
const WAITING: usize = 64;

/// The screen, seen from outside.
pub struct Screen {
    thread: JoinHandle<io::Result<()>>,
    messages: SyncSender<Message>,
}

/// Where messages for the screen go.
#[derive(Clone)]
pub struct ToScreen(SyncSender<Message>);

impl Screen {
    /// Takes the terminal. What the screen asks for goes to `ask`, on the screen's thread; when the
    /// screen ends, for whatever reason, `ask` is dropped.
    pub fn open(
        mut options: Options,
        ask: impl FnMut(Request) + Send + 'static,
    ) -> io::Result<Self> {
        let (messages, received) = sync_channel(WAITING);
        let mut terminal = Terminal::take()?;
        let size = terminal.0.size()?;
        options.size = (size.width, size.height);
        let keys = messages.clone();
        // It waits for keys as long as the process lives.
        thread::Builder::new()
            .name("portex-keys".into())
            .spawn(move || read_keys(&keys))?;
        let thread = thread::Builder::new()
            .name("portex-screen".into())
            .spawn(move || run(&mut terminal, Top::new(options), &received, ask))?;
        Ok(Self { thread, messages })
    }

    /// Where messages go.
    pub fn sender(&self) -> ToScreen {
        ToScreen(self.messages.clone())
    }

    /// Ends it, if it has not ended, and gives the terminal back.
    pub fn close(self) -> io::Result<()> {
        // It may have ended by itself.
        let _ended = self.messages.send(Message::Stop);
        match self.thread.join() {
            Ok(outcome) => outcome,
            // Its message has been shown.
            Err(_) => Err(io::Error::other("the screen broke off")),
        }
    }
}

impl ToScreen {
    /// Sends a message; without waiting, if that is a frame: one that has no room is left out. False
    /// when the screen has ended.
    pub fn send(&self, message: Message) -> bool {
        match message {
            Message::Frame(_) => {
                !matches!(self.0.try_send(message), Err(TrySendError::Disconnected(_)))
            }
            other => self.0.send(other).is_ok(),
        }
    }
}

fn read_keys(messages: &SyncSender<Message>) {
    // Without a terminal there are no keys; the run has its other ends.
    while let Ok(event) = crossterm::event::read() {
        if messages.send(Message::Input(event)).is_err() {
            return;
        }
    }
}

fn run(
    terminal: &mut Terminal,
    mut top: Top,
    messages: &Receiver<Message>,
    mut ask: impl FnMut(Request),
) -> io::Result<()> {
    let mut faults = faults();
    terminal.0.draw(|frame| render(&top, frame))?;
    while let Ok(message) = messages.recv() {
        // What has come meanwhile needs no picture of its own.
        for message in std::iter::once(message).chain(messages.try_iter()) {
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
