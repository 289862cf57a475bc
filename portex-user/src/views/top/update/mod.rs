//! What a message changes, and what it asks for.

mod input;
mod moves;
mod open;
mod rows;
mod wishes;

use super::{
    frame::{Frame, Message, Request},
    lists::{Sums, View, count, with_list},
    state::Top,
};

impl Top {
    /// Takes a message in. What it answers is to be done by whoever makes the frames.
    pub fn update(&mut self, message: Message) -> Vec<Request> {
        let mut requests = Vec::new();
        match message {
            Message::Frame(frame) if self.paused => self.put_aside(frame),
            Message::Frame(frame) => self.show(frame),
            Message::Input(event) => self.input(&event, &mut requests),
            Message::Process(details) => self.process = Some(details),
            Message::HostName(address, name) => self.labels.learn_host(address, name.as_ref()),
            Message::Stop => self.signals.end = true,
        }
        self.settle();
        self.wish(&mut requests);
        requests
    }

    /// Keeps a frame for later. The ports of a space that was opened meanwhile are shown all the same.
    fn put_aside(&mut self, frame: Box<Frame>) {
        let wanted = self.wanted_map();
        if let (Some(shown), Some((key, map))) = (&mut self.frame, &frame.port_map) {
            let has = shown.port_map.as_ref().map(|(key, _)| *key);
            if Some(*key) == wanted && has != wanted {
                shown.port_map = Some((*key, map.clone()));
            }
        }
        if self.frame.is_none() {
            self.show(frame);
        } else {
            self.aside = Some(frame);
        }
    }

    /// Goes on to this frame.
    pub(super) fn show(&mut self, frame: Box<Frame>) {
        self.interval = frame.status.interval;
        self.labels.learn(&frame.snapshot);
        let focus = self.wanted_map();
        self.history.note(&frame.snapshot, focus.as_ref());
        self.computed.counts = View::ALL.map(|view| with_list!(view, count(&frame.snapshot)));
        self.computed.sums = Sums::of(&frame.snapshot);
        self.frame = Some(frame);
        self.recompute();
    }
}
