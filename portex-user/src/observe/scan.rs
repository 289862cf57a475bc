//! One scan: a look at the host and, beside it, walks over the kernel's tables.

use std::{sync::mpsc, thread, time::Instant};

use log::debug;

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

    /// Walks, for what is in the wanted namespace only: over bind buckets, then over TIME_WAITs as soon
    /// as it shows that they matter. When it shows that they do not, nothing of them was missed.
    fn walk(&mut self, wanted: Option<u32>, time_waits_matter: &mpsc::Receiver<()>) -> Walked {
        let began = Instant::now();
        let mut seen = Walked::default();
        let Some(walker) = self.walker() else {
            return seen;
        };
        let found = &mut seen.found;
        let mut take = |what| found.push(what);
        let loaded = began.elapsed();
        let binds = walker.binds(wanted, &mut take);
        let buckets = began.elapsed();
        let time_waits = time_waits_matter
            .recv()
            .map(|()| walker.time_waits(wanted, &mut take));
        debug!(
            "walks: loaded after {loaded:?}, bind buckets after {buckets:?}, all after {:?}",
            began.elapsed()
        );
        seen.sight = Sight {
            binds: binds.complete,
            bound_sockets: binds.complete && binds.bound_sockets,
            timestamps: time_waits.is_ok_and(|seen| seen.complete) || time_waits.is_err(),
            udp: false,
            hidden_namespaces: 0,
        };
        seen
    }
}

#[derive(Default)]
struct Walked {
    found: Vec<Found>,
    sight: Sight,
}

/// Scans once. `take` is called on this thread.
pub fn scan(look: &Look, walks: &mut Walks, take: &mut dyn FnMut(Vec<Found>)) -> Scanned {
    let (matters, time_waits_matter) = mpsc::channel();
    thread::scope(|scope| {
        // Where there can be no thread, there are no walks either.
        let walking = thread::Builder::new()
            .name("portex-walk".into())
            .spawn_scoped(scope, move || walks.walk(look.netns, &time_waits_matter));
        let mut reuse = Reuse {
            tell: Some(matters),
            ..Reuse::default()
        };
        let report = inventory::look(look, &mut |batch| {
            for found in &batch {
                reuse.note(found);
            }
            take(batch);
        });
        drop(reuse);
        debug!("look: {:?}, {} sockets", report.took, report.sockets);
        // A walk that panicked has said so; it has seen nothing.
        let walked = walking.map_or_else(
            |_| Walked::default(),
            |walking| walking.join().unwrap_or_default(),
        );
        // Namespaces come before what is in them.
        take(walked.found);
        let sight = Sight {
            binds: walked.sight.binds,
            bound_sockets: report.sight.bound_sockets || walked.sight.bound_sockets,
            timestamps: walked.sight.timestamps,
            udp: report.sight.udp,
            hidden_namespaces: report.sight.hidden_namespaces,
        };
        Scanned { sight, report }
    })
}

/// Looks out for a TIME_WAIT that a connect() might take over, so that it matters whether it has
/// timestamps: its namespace's `tcp_tw_reuse` is 1, or 2 and it is of the loopback.
#[derive(Default)]
struct Reuse {
    always: bool,
    on_loopback: bool,
    /// Told once.
    tell: Option<mpsc::Sender<()>>,
}

impl Reuse {
    fn note(&mut self, found: &Found) {
        match found {
            Found::Namespace(namespace) => {
                self.always = namespace.rules.tw_reuse == 1;
                self.on_loopback = namespace.rules.tw_reuse == 2;
            }
            Found::Socket(socket) if socket.time_wait.is_some() => {
                let tuple = &socket.tuple;
                let loopback =
                    socket.dev == 1 || tuple.src.is_loopback() || tuple.dst.is_loopback();
                if (self.always || self.on_loopback && loopback)
                    && let Some(tell) = self.tell.take()
                {
                    // The walk may have ended without: it cannot be had.
                    let _ended = tell.send(());
                }
            }
            _ => {}
        }
    }
}
