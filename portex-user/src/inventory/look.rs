//! Goes through the namespaces, on a thread of its own, and sends what it finds.

use std::{io, mem, ops::ControlFlow, sync::mpsc::SyncSender};

use super::{
    Look, Report, counters,
    namespaces::{self, Entered, Namespaces},
    owners::Owners,
    proc_net,
    processes::{self, Directory},
    row::Row,
    rules,
    sock_diag::{self, Dumped},
    sockstat,
};
use crate::{
    found::{Found, Namespace},
    kernel::facts::Version,
};

/// Most that one batch holds: small enough for the allocator to keep its memory for the next one, and
/// for the cache to hold it from the one thread to the other.
const BATCH: usize = 512;
/// The first whose sock_diag tells sockets that are only bound (commit 91051f003948).
const TELLS_BOUND: Version = Version { major: 6, minor: 8 };

/// Looks, and sends batches until nobody takes them any more. Changes this thread's namespace.
pub(super) fn run(look: &Look, sender: SyncSender<Vec<Found>>) -> Report {
    let kernel = Version::parse(&rustix::system::uname().release().to_string_lossy());
    let (namespaces, owners) = survey(look);
    let mut walk = Walk {
        kernel,
        outbox: Outbox {
            sender,
            batch: Vec::new(),
            sockets: 0,
        },
        owners,
        report: Report::default(),
    };
    walk.report.sight.udp = true;
    walk.report.sight.bound_sockets = kernel.is_some_and(|version| version >= TELLS_BOUND);
    let _stopped = walk.through(look, &namespaces);
    walk.finish(look, &namespaces)
}

/// One pass over `/proc`; a second one through all descriptors for a namespace that is wanted and
/// was not found: an open file may be all that keeps it alive.
fn survey(look: &Look) -> (Namespaces, Owners) {
    let mut namespaces = Namespaces::default();
    let mut owners = Owners::default();
    namespaces.look_at_files();
    for directory in directories() {
        namespaces.look_at(&directory);
        if look.owners {
            owners.look_at(&directory, &mut namespaces);
        }
    }
    let missing = |only| namespaces.inodes().all(|inode| inode != only);
    if !look.owners && look.netns.is_some_and(missing) {
        for directory in directories() {
            Owners::default().look_at(&directory, &mut namespaces);
        }
    }
    (namespaces, owners)
}

/// All processes; whoever ends meanwhile has nothing.
fn directories() -> impl Iterator<Item = Directory> {
    processes::all().filter_map(|pid| Directory::open(pid).ok())
}

struct Walk {
    kernel: Option<Version>,
    outbox: Outbox,
    owners: Owners,
    report: Report,
}

impl Walk {
    /// The own namespace first, as later there is no way back without CAP_SYS_ADMIN.
    fn through(&mut self, look: &Look, namespaces: &Namespaces) -> ControlFlow<()> {
        let own = match namespaces::own() {
            Ok(own) => Some(own),
            Err(error) => {
                let note = format!("the own network namespace is not known: {error}");
                self.report.notes.push(note);
                None
            }
        };
        let wanted = |inode: &u32| look.netns.is_none_or(|only| only == *inode);
        if let Some(own) = own.filter(wanted) {
            self.inside(own, namespaces)?;
        }
        let others = namespaces.inodes().filter(|&inode| Some(inode) != own);
        let mut refused = Refused::default();
        for inode in others.filter(wanted) {
            match namespaces.enter(inode) {
                Entered::Yes => self.inside(inode, namespaces)?,
                Entered::Gone => {}
                Entered::Refused(error) => refused.add(error),
            }
        }
        self.report.sight.hidden_namespaces += refused.count;
        self.report.notes.extend(refused.note());
        self.outbox.flush()
    }

    /// Tells of the namespace that this thread is in. What cannot be told makes it a hidden one.
    fn inside(&mut self, inode: u32, namespaces: &Namespaces) -> ControlFlow<()> {
        let rules = match rules::read(self.kernel) {
            Ok(rules) => rules,
            Err(error) => return self.hidden(inode, "its settings", &error),
        };
        self.report.namespaces += 1;
        self.outbox.push(Found::Namespace(Namespace {
            inode,
            name: namespaces.name(inode),
            rules,
            counters: counters::read(),
        }))?;
        let empty = sockstat::empty();
        if !empty.tcp {
            match self.sockets(inode) {
                Ok(flow) => flow?,
                Err(error) => {
                    self.outbox.push(Found::Unreadable(inode))?;
                    return self.hidden(inode, "its sockets", &error);
                }
            }
        }
        if !empty.udp {
            match self.udp_sockets(inode) {
                Ok(flow) => flow?,
                Err(error) => self.without_udp(inode, &error),
            }
        }
        ControlFlow::Continue(())
    }

    fn sockets(&mut self, netns: u32) -> io::Result<ControlFlow<()>> {
        let Self {
            outbox,
            owners,
            report,
            ..
        } = self;
        let mut flow = ControlFlow::Continue(());
        let mut each = |row: Row| {
            let owner = owners.of(row.inode);
            if let Some(socket) = row.socket(netns, owner) {
                outbox.sockets += 1;
                flow = outbox.push(Found::Socket(socket));
            }
            flow
        };
        match sock_diag::dump(&mut each)? {
            Dumped::Whole => {}
            Dumped::Interrupted => return Err(io::Error::other("they changed too much meanwhile")),
            Dumped::Unavailable => {
                report.sight.bound_sockets = false;
                proc_net::dump(proc_net::TCP, &mut each)?;
            }
        }
        Ok(flow)
    }

    fn udp_sockets(&mut self, netns: u32) -> io::Result<ControlFlow<()>> {
        let Self { outbox, owners, .. } = self;
        let mut flow = ControlFlow::Continue(());
        let mut each = |row: Row| {
            let owner = owners.of(row.inode);
            if let Some(socket) = row.udp_socket(netns, owner) {
                outbox.sockets += 1;
                flow = outbox.push(Found::UdpSocket(socket));
            }
            flow
        };
        match sock_diag::dump_udp(&mut each)? {
            Dumped::Whole => {}
            Dumped::Interrupted => return Err(io::Error::other("they changed too much meanwhile")),
            Dumped::Unavailable => proc_net::dump(proc_net::UDP, &mut each)?,
        }
        Ok(flow)
    }

    /// What was found of TCP stands.
    fn without_udp(&mut self, inode: u32, error: &io::Error) {
        self.report.sight.udp = false;
        let note = format!("network namespace {inode}: its UDP sockets could not be read: {error}");
        self.report.notes.push(note);
    }

    fn hidden(&mut self, inode: u32, what: &str, error: &io::Error) -> ControlFlow<()> {
        self.report.sight.hidden_namespaces += 1;
        self.report.notes.push(not_read(inode, what, error));
        ControlFlow::Continue(())
    }

    fn finish(mut self, look: &Look, namespaces: &Namespaces) -> Report {
        self.report.sockets = self.outbox.sockets;
        let notes = &mut self.report.notes;
        if namespaces.hidden() > 0 && look.netns.is_none() {
            notes.push(format!(
                "processes whose namespace may not be seen: {} (CAP_SYS_PTRACE helps)",
                namespaces.hidden()
            ));
        }
        if self.owners.hidden() > 0 {
            notes.push(format!(
                "processes whose sockets may not be seen: {} (CAP_SYS_PTRACE helps)",
                self.owners.hidden()
            ));
        }
        if let Some(only) = look.netns
            && self.report.namespaces == 0
            && self.report.sight.hidden_namespaces == 0
        {
            notes.push(format!("network namespace {only} is not there"));
        }
        self.report
    }
}

/// What a namespace does not tell, and why.
pub(super) fn not_read(inode: u32, what: &str, error: &io::Error) -> String {
    format!("network namespace {inode}: {what} could not be read: {error}")
}

/// Namespaces that may not be entered: one note for all.
#[derive(Default)]
pub(super) struct Refused {
    count: u32,
    first: Option<io::Error>,
}

impl Refused {
    pub(super) fn add(&mut self, error: io::Error) {
        self.count += 1;
        self.first.get_or_insert(error);
    }

    pub(super) fn note(self) -> Option<String> {
        let Self { count, first } = self;
        let error = first?;
        Some(format!(
            "{count} network namespaces could not be entered: {error} (it takes CAP_SYS_ADMIN)"
        ))
    }
}

/// Sends in batches. Breaks when nobody takes them.
struct Outbox {
    sender: SyncSender<Vec<Found>>,
    batch: Vec<Found>,
    sockets: u64,
}

impl Outbox {
    fn push(&mut self, found: Found) -> ControlFlow<()> {
        self.batch.push(found);
        if self.batch.len() < BATCH {
            return ControlFlow::Continue(());
        }
        let next = Vec::with_capacity(BATCH);
        self.send(next)
    }

    fn flush(&mut self) -> ControlFlow<()> {
        if self.batch.is_empty() {
            return ControlFlow::Continue(());
        }
        self.send(Vec::new())
    }

    fn send(&mut self, next: Vec<Found>) -> ControlFlow<()> {
        let batch = mem::replace(&mut self.batch, next);
        match self.sender.send(batch) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::found::Blocked;

    fn outbox() -> (Outbox, mpsc::Receiver<Vec<Found>>) {
        let (sender, receiver) = mpsc::sync_channel(9);
        let outbox = Outbox {
            sender,
            batch: Vec::new(),
            sockets: 0,
        };
        (outbox, receiver)
    }

    fn something() -> Found {
        Found::Blocked(Blocked {
            netns: 1,
            l3mdev: 0,
            port: 80,
        })
    }

    #[test]
    fn batches_are_bounded_and_the_last_one_is_the_rest() {
        let (mut outbox, receiver) = outbox();
        for _ in 0..2 * BATCH + 5 {
            assert!(outbox.push(something()).is_continue());
        }
        assert!(outbox.flush().is_continue());
        assert!(outbox.flush().is_continue(), "nothing is left");
        drop(outbox);
        let sizes: Vec<_> = receiver.iter().map(|batch| batch.len()).collect();
        assert_eq!(sizes, [BATCH, BATCH, 5]);
    }

    #[test]
    fn nobody_to_take_it_is_the_end() {
        let (mut outbox, receiver) = outbox();
        drop(receiver);
        let pushed = (0..BATCH).map(|_| outbox.push(something()));
        assert_eq!(pushed.filter(ControlFlow::is_break).count(), 1);
    }

    #[test]
    fn those_that_refuse_are_counted_and_noted_once() {
        assert_eq!(Refused::default().note(), None);
        let mut refused = Refused::default();
        for code in [libc::EPERM, libc::EACCES] {
            refused.add(io::Error::from_raw_os_error(code));
        }
        assert_eq!(refused.count, 2);
        let note = refused.note().expect("refused");
        assert!(note.starts_with("2 network namespaces could not be entered: Operation"));
    }
}
