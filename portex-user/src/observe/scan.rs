//! One scan: a look at the host and, beside it, walks over the kernel's tables.

use std::thread;

use crate::{
    found::{Found, Sight},
    inventory::{self, Look, Report},
    kernel::{Error, Walker},
};

/// What came of a scan.
#[derive(Debug)]
pub struct Scanned {
    /// What could be seen, the walks included.
    pub sight: Sight,
    /// The look's own report.
    pub report: Report,
}

/// The walking programs, loaded by the first scan.
#[derive(Default)]
pub enum Walks {
    /// Not loaded yet.
    #[default]
    Unloaded,
    /// Loaded.
    Loaded(Box<Walker>),
    /// They cannot be had.
    Refused(Error),
}

impl Walks {
    /// Why the walks cannot be had, once that is known.
    pub fn refusal(&self) -> Option<&Error> {
        match self {
            Self::Refused(error) => Some(error),
            _ => None,
        }
    }

    fn walker(&mut self) -> Option<&mut Walker> {
        if let Self::Unloaded = self {
            *self = match Walker::load() {
                Ok(walker) => Self::Loaded(Box::new(walker)),
                Err(error) => Self::Refused(error),
            };
        }
        match self {
            Self::Loaded(walker) => Some(walker),
            _ => None,
        }
    }

    /// Walks, for what is in the wanted namespace only.
    fn walk(&mut self, wanted: Option<u32>) -> Walked {
        let mut walked = Walked::default();
        let Some(walker) = self.walker() else {
            return walked;
        };
        let found = &mut walked.found;
        let mut take = |what: Found| {
            if wanted.is_none_or(|wanted| wanted == netns_of(&what)) {
                found.push(what);
            }
        };
        let binds = walker.binds(&mut take);
        let time_waits = walker.time_waits(&mut take);
        walked.sight = Sight {
            binds: binds.complete,
            bound_sockets: binds.complete && binds.bound_sockets,
            timestamps: time_waits.complete,
            hidden_namespaces: 0,
        };
        walked
    }
}

#[derive(Default)]
struct Walked {
    found: Vec<Found>,
    sight: Sight,
}

/// Scans once. `take` is called on this thread.
pub fn scan(look: &Look, walks: &mut Walks, take: &mut dyn FnMut(Vec<Found>)) -> Scanned {
    thread::scope(|scope| {
        let walking = scope.spawn(|| walks.walk(look.netns));
        let report = inventory::look(look, take);
        // A walk that panicked has said so; it has seen nothing.
        let walked = walking.join().unwrap_or_default();
        // Namespaces come before what is in them.
        take(walked.found);
        let sight = Sight {
            binds: walked.sight.binds,
            bound_sockets: report.sight.bound_sockets || walked.sight.bound_sockets,
            timestamps: walked.sight.timestamps,
            hidden_namespaces: report.sight.hidden_namespaces,
        };
        Scanned { sight, report }
    })
}

fn netns_of(found: &Found) -> u32 {
    match found {
        Found::Namespace(namespace) => namespace.inode,
        Found::Socket(socket) => socket.tuple.netns,
        Found::Blocked(blocked) => blocked.netns,
        Found::NoTimestamps(tuple) => tuple.netns,
    }
}
