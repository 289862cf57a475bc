//! Many connects under way at once: nonblocking, with epoll for the outcome and for accept.

use std::os::fd::OwnedFd;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::sockopt;

use super::Shared;
use super::ends::{Ends, Listener};

/// Connects under way of one thread.
const BATCH: usize = 64;
/// What belongs to the listener, not to a client with such a number.
const LISTENER: u64 = u64::MAX;
/// When nothing happens for so long, something is wrong.
const LIMIT: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

pub(super) fn run(shared: &Shared<'_>, ends: &Ends) -> Result<()> {
    let poll = epoll::create(CreateFlags::CLOEXEC).context("epoll_create1")?;
    for listener in &ends.listeners {
        let readable = EventFlags::IN;
        let data = EventData::new_u64(LISTENER);
        epoll::add(&poll, &listener.socket, data, readable).context("epoll_ctl")?;
    }
    let mut batch = Batch {
        shared,
        ends,
        poll,
        clients: Vec::with_capacity(BATCH),
        servers: Vec::with_capacity(BATCH),
        events: Vec::with_capacity(BATCH + 1),
    };
    shared.counter.begin();
    for listener in ends.listeners.iter().cycle() {
        if !shared.goes_on() {
            break;
        }
        batch.open(listener)?;
        batch.settle(listener)?;
        batch.close()?;
    }
    Ok(())
}

/// Connections to one listener; the room for them is used again and again.
struct Batch<'a> {
    shared: &'a Shared<'a>,
    ends: &'a Ends,
    poll: OwnedFd,
    clients: Vec<OwnedFd>,
    servers: Vec<OwnedFd>,
    events: Vec<Event>,
}

impl Batch<'_> {
    fn open(&mut self, listener: &Listener) -> Result<()> {
        for number in 0..BATCH as u64 {
            let client = self.ends.open(true).context("socket")?;
            if !listener.connect(&client)? {
                self.shared.counter.failed();
                continue;
            }
            let writable = EventFlags::OUT | EventFlags::ET;
            let data = EventData::new_u64(number);
            epoll::add(&self.poll, &client, data, writable).context("epoll_ctl")?;
            self.clients.push(client);
        }
        Ok(())
    }

    /// Until each has its outcome, and its other end.
    fn settle(&mut self, listener: &Listener) -> Result<()> {
        let mut known = 0;
        while known < self.clients.len() || self.servers.len() < self.clients.len() {
            self.events.clear();
            let room = rustix::buffer::spare_capacity(&mut self.events);
            match epoll::wait(&self.poll, room, Some(&LIMIT)) {
                Err(Errno::INTR) => continue,
                Ok(0) => bail!("no outcome of connects to {}", listener.address),
                other => other.context("epoll_wait")?,
            };
            let of_listener = |event: &&Event| {
                let data = event.data;
                data.u64() == LISTENER
            };
            let listeners = self.events.iter().filter(of_listener).count();
            known += self.events.len() - listeners;
            if listeners > 0 {
                self.accept(listener)?;
            }
        }
        for client in &self.clients {
            let outcome = sockopt::socket_error(client).context("SO_ERROR")?;
            ensure!(outcome.is_ok(), "connect: {outcome:?}");
            self.shared.counter.connected();
        }
        Ok(())
    }

    fn accept(&mut self, listener: &Listener) -> Result<()> {
        while self.servers.len() < self.clients.len() {
            match listener.accept() {
                Ok(server) => self.servers.push(server),
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error).context("accept"),
            }
        }
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        for client in self.clients.drain(..) {
            self.ends.close(client, None).context("close")?;
        }
        self.servers.clear();
        Ok(())
    }
}
