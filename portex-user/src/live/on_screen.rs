//! Shows frames on the screen, and answers what it asks for.

use std::{io, pin::Pin, time::Duration};

use tokio::{select, sync::mpsc::UnboundedReceiver};

use super::Frames;
use crate::{
    lookup::{Lookup, Question},
    observe::{Audience, Model, Watched, Wish, monotonic},
    views::top::{Message, Request, ToScreen},
};

/// Making frames may take this share of the time: one part of so many.
const SHARE: u32 = 10;

/// The audience that is a screen.
pub struct OnScreen {
    frames: Frames,
    screen: ToScreen,
    requests: UnboundedReceiver<Request>,
    lookup: Option<Lookup>,
    /// Ready when a signal wants the end.
    stop: Pin<Box<dyn Future<Output = ()>>>,
    /// When the next frame is due; `None` before there is anything to show.
    next: Option<Duration>,
    /// How fast a replay is wanted, when that was changed.
    speed: Option<f64>,
    ended: bool,
}

impl OnScreen {
    /// Frames for a screen, whose requests come by `requests`.
    pub fn new(
        frames: Frames,
        screen: ToScreen,
        requests: UnboundedReceiver<Request>,
        lookup: Option<Lookup>,
        stop: impl Future<Output = ()> + 'static,
    ) -> Self {
        Self {
            frames,
            screen,
            requests,
            lookup,
            stop: Box::pin(stop),
            next: None,
            speed: None,
            ended: false,
        }
    }

    fn answer(&mut self, request: Request) {
        match request {
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
            Request::Process(pid) => self.look_up(Question::Process(pid)),
            Request::HostName(address) => self.look_up(Question::HostName(address)),
            Request::Speed(speed) => self.speed = Some(speed),
            Request::Quit => self.ended = true,
        }
    }

    fn at_once(&mut self) {
        if self.next.is_some() {
            self.next = Some(Duration::ZERO);
        }
    }

    fn look_up(&self, question: Question) {
        if let Some(lookup) = &self.lookup {
            lookup.ask(question);
        }
    }
}

impl Audience for OnScreen {
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
        select! {
            () = &mut self.stop, if !self.ended => self.ended = true,
            request = self.requests.recv() => match request {
                Some(request) => self.answer(request),
                // The screen has ended.
                None => self.ended = true,
            },
        }
    }
}
