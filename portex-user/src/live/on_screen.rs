//! Shows frames on the screen, and answers what it asks for.

use std::{io, pin::Pin, time::Duration};

use tokio::{
    select,
    sync::{mpsc::UnboundedReceiver, watch},
};

use super::Frames;
use crate::{
    details::ProcessDetails,
    input::Input,
    lookup::{Lookup, Question},
    observe::{Audience, Model, Watched, Wish, monotonic},
    recording::Pace,
    views::top::{Message, Request, ToScreen},
};

/// Making frames may take this share of the time: one part of so many.
const SHARE: u32 = 10;

/// The audience that is a screen.
pub struct OnScreen {
    frames: Frames,
    screen: ToScreen,
    requests: UnboundedReceiver<Request>,
    lookup: Lookup,
    /// Ready when a signal wants the end.
    stop: Pin<Box<dyn Future<Output = ()>>>,
    /// When the next frame is due; `None` before there is anything to show.
    next: Option<Duration>,
    /// How fast a replay goes.
    pace: Option<watch::Sender<Pace>>,
    ended: bool,
}

impl OnScreen {
    /// Frames for a screen, whose requests come by `requests`.
    pub fn new(
        frames: Frames,
        screen: ToScreen,
        requests: UnboundedReceiver<Request>,
        lookup: Lookup,
        stop: impl Future<Output = ()> + 'static,
        pace: Option<watch::Sender<Pace>>,
    ) -> Self {
        Self {
            frames,
            screen,
            requests,
            lookup,
            stop: Box::pin(stop),
            // A replay has a position from the beginning, and a speed that can be changed.
            next: pace.is_some().then_some(Duration::ZERO),
            pace,
            ended: false,
        }
    }

    fn answer(&mut self, request: &Request) {
        match *request {
            Request::Interval(interval) => {
                self.frames.interval = interval;
                self.at_once();
            }
            Request::PortMap(focus) => {
                self.frames.focus = focus;
                if focus.is_some() {
                    self.at_once();
                }
            }
            Request::Process(pid) => self.look_up(pid),
            Request::HostName(address) => self.lookup.ask(Question::HostName(address)),
            Request::Speed(times) => self.set_pace(times),
            Request::Quit => self.ended = true,
        }
    }

    fn at_once(&mut self) {
        if self.next.is_some() {
            self.next = Some(Duration::ZERO);
        }
    }

    fn look_up(&self, pid: u32) {
        if self.pace.is_none() {
            self.lookup.ask(Question::Process(pid));
        } else {
            // The process of that id on this host is another one.
            let unknown = ProcessDetails {
                pid,
                ..ProcessDetails::default()
            };
            self.screen.send(Message::Process(Box::new(unknown)));
        }
    }

    fn set_pace(&mut self, times: f64) {
        let pace = if times.is_finite() {
            Pace::Times(times)
        } else {
            Pace::AtOnce
        };
        if let Some(change) = &self.pace {
            change.send_replace(pace);
        }
        self.at_once();
    }

    /// A replay has come to its end.
    pub(super) fn replay_ended(&mut self) {
        self.frames.replay_ended();
        self.next = Some(Duration::ZERO);
    }

    /// Bytes recorded so far.
    pub(super) fn set_recorded(&mut self, bytes: Option<u64>) {
        self.frames.recorded = bytes;
    }
}

impl Audience for OnScreen {
    fn hear(&mut self, input: &Input<'_>) -> io::Result<Wish> {
        self.frames.hear(input);
        Ok(Wish::GoOn)
    }

    fn next_look(&self) -> Option<Duration> {
        if self.ended {
            return Some(Duration::ZERO);
        }
        self.next
    }

    fn look(&mut self, model: &Model, now: Duration) -> io::Result<Wish> {
        if self.ended {
            return Ok(Wish::Leave);
        }
        let began = monotonic();
        let pace = self.pace.as_ref().map(|pace| *pace.borrow());
        self.frames.set_pace(pace);
        let frame = Message::Frame(Box::new(self.frames.make(model, now)));
        if !self.screen.send(frame) {
            return Ok(Wish::Leave);
        }
        let ended = monotonic();
        let cost = ended.saturating_sub(began);
        self.next = Some((began + self.frames.interval).max(ended + cost * SHARE));
        Ok(Wish::GoOn)
    }

    fn scanned(&mut self, watched: &Watched) -> io::Result<()> {
        self.frames.scanned(watched);
        // The first scan is over: there is something to show.
        self.next.get_or_insert(Duration::ZERO);
        Ok(())
    }

    async fn wake(&mut self) {
        if self.ended {
            // It has said so: the next look is due.
            return std::future::pending().await;
        }
        select! {
            () = &mut self.stop => self.ended = true,
            request = self.requests.recv() => match request {
                Some(request) => self.answer(&request),
                // The screen has ended.
                None => self.ended = true,
            },
        }
    }
}
