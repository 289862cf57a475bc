//! From what the kernel kept of a failing call to a call stack by names.
//!
//! What is read here, others wrote: executables, their debug information, lists of names. Each of it is
//! bounded, and read as if it were made to do harm. Nothing here is asked for on the way of an event:
//! the first stack of a large program takes seconds, and a file may lie on a disk that does not
//! answer, so a [`Symbolizer`] has a thread of its own.
//!
//! | file | what it does |
//! |---|---|
//! | `process` | opens what `/proc` has of a process, and its files |
//! | `maps`, `image` | what a process has mapped |
//! | `files` | the files of all processes, held open |
//! | `host` | files by build id, for a process that had gone |
//! | `elf`, `slim` | reading a file; the copy of it that names are looked up in |
//! | `cfi`, `unwinder`, `walk` | return addresses |
//! | `names`, `demangle`, `perf_map`, `jits`, `kallsyms` | names |
//! | `naming` | frames from addresses |
//! | `stack` | the result |

mod cfi;
mod demangle;
mod elf;
mod files;
mod host;
mod image;
mod jits;
mod kallsyms;
mod maps;
mod names;
mod naming;
mod perf_map;
mod process;
mod recent;
mod slim;
mod stack;
#[cfg(test)]
mod tests;
mod unwinder;
mod walk;

use std::{sync::Arc, time::Instant};

pub use stack::{Frame, Place, Stack};
pub use walk::MOST_FRAMES;

use crate::event::Capture;
use files::Files;
use host::Host;
use image::{Change, Image};
use jits::Jits;
use naming::Named;
use recent::Recent;
use unwinder::Unwinder;
use walk::{End, Walked};

/// Module of code that was compiled at run time.
const JIT: &str = "[jit]";
/// At least these processes are remembered, at most twice as many: more than fail at a time on any
/// host. A process has some kilobytes of mappings.
const PROCESSES: usize = 1_024;
/// Likewise, stacks: those of a place are one, while the process has the same mappings.
const STACKS: usize = 4_096;

/// Names the frames of captured calls.
///
/// Not `Send`: make it on the thread that uses it. That thread needs CAP_SYS_PTRACE and
/// CAP_DAC_READ_SEARCH for processes of others, CAP_CHECKPOINT_RESTORE (or CAP_SYS_ADMIN) for libraries
/// that were deleted or replaced since, and CAP_SYSLOG for the kernel's names; what is missing is told
/// in [`Stack::notes`].
pub struct Symbolizer {
    images: Recent<Process, Image>,
    files: Files,
    host: Host,
    jits: Jits,
    kallsyms: kallsyms::Kallsyms,
    /// For code without unwind information.
    blind: Unwinder,
    stacks: Recent<Key, Named>,
}

/// A process by id and start: ids are given out again.
type Process = (u32, u32);

/// What makes a stack the same.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    image: u64,
    user: Walked,
    kernel: Vec<u64>,
}

impl Default for Symbolizer {
    fn default() -> Self {
        Self::new()
    }
}

impl Symbolizer {
    /// Knows nothing yet.
    pub fn new() -> Self {
        Self {
            images: Recent::new(PROCESSES),
            files: Files::new(),
            host: Host::new(),
            jits: Jits::new(),
            kallsyms: kallsyms::Kallsyms::default(),
            blind: Unwinder::by_frame_pointers(),
            stacks: Recent::new(STACKS),
        }
    }

    /// Remembers what is needed to name the frames of a process, while it lives: call it as soon as
    /// one is seen that may fail. Cheap when it is known.
    ///
    /// `start` is field 22 of `/proc/PID/stat`, cut to 32 bits, or 0 for not known; `comm` the name of
    /// any of its threads, by which an exec is noticed.
    pub fn keep(&mut self, pid: u32, start: u32, comm: &[u8]) {
        self.keep_at((pid, start), comm, Instant::now());
    }

    fn keep_at(&mut self, process: Process, comm: &[u8], now: Instant) {
        match self.images.get(&process) {
            Some(image) if image.knows(comm) || !image.may_be_read(now) => {}
            Some(_) => self.read_anew(process, comm, now),
            None => {
                let image = Image::read(process, comm, &mut self.files, now)
                    .unwrap_or_else(|why| Image::unknown(comm, why, now));
                self.images.insert(process, image);
                image::shed(&mut self.images, image::MOST);
                self.jits.keep(process, self.images.get(&process), now);
            }
        }
    }

    fn read_anew(&mut self, process: Process, comm: &[u8], now: Instant) {
        let new = Image::read(process, comm, &mut self.files, now);
        if let Some(image) = self.images.get(&process) {
            match image.renew(new, comm, now) {
                Change::None => return,
                Change::Some => {}
                Change::All => self.jits.begin_anew(process),
            }
            self.jits.keep(process, Some(image), now);
            image::shed(&mut self.images, image::MOST);
        }
    }

    /// The stack of a captured call. Looked up once for calls that came the same way.
    pub fn stack(&mut self, pid: u32, start: u32, comm: &[u8], capture: &Capture) -> Arc<Stack> {
        let now = Instant::now();
        let process = (pid, start);
        self.keep_at(process, comm, now);
        self.complete(process, comm, capture, now);
        let walked = self.walk(process, capture);
        let doubtful = matches!(walked.end, End::Lost);
        let mut key = self.key(process, walked, capture);
        if let Some(named) = self.stacks.get(&key)
            && named.is_valid(now)
        {
            return Arc::clone(&named.stack);
        }
        let changed = |image: &mut Image| {
            image.is_old(now) || doubtful && image.gone.is_none() && image.may_be_read(now)
        };
        if self.images.get(&process).is_some_and(changed) {
            self.read_anew(process, comm, now);
            let walked = self.walk(process, capture);
            key = self.key(process, walked, capture);
        }
        let named = self.name(process, &key, now);
        let stack = Arc::clone(&named.stack);
        self.stacks.insert(key, named);
        stack
    }

    fn key(&mut self, process: Process, user: Walked, capture: &Capture) -> Key {
        let kernel = capture.kernel.iter().take(MOST_FRAMES);
        Key {
            image: self.images.get(&process).map_or(u64::MAX, |image| image.id),
            user,
            kernel: kernel.copied().collect(),
        }
    }

    /// Brings the image up to date when the call came from code that it has not.
    fn complete(&mut self, process: Process, comm: &[u8], capture: &Capture, now: Instant) {
        let known = |image: &Image| {
            let user = capture.user.first().copied();
            let ip = Some(capture.ip).filter(|&ip| ip != 0).or(user);
            ip.is_none_or(|ip| image.has(ip))
        };
        let Some(image) = self.images.get(&process) else {
            return;
        };
        if !known(image) && image.may_be_read(now) {
            self.read_anew(process, comm, now);
        }
        if let Some(image) = self.images.get(&process)
            && image.gone.is_some()
            && !capture.build_ids.is_empty()
        {
            self.host.complete(image, capture, comm, &mut self.files);
            image::shed(&mut self.images, image::MOST);
        }
    }

    fn walk(&mut self, process: Process, capture: &Capture) -> Walked {
        match self.images.get(&process) {
            Some(image) => walk::walk(image, &mut self.files, &mut self.blind, capture),
            None => Walked::default(),
        }
    }

    fn name(&mut self, process: Process, key: &Key, now: Instant) -> Named {
        let Some(image) = self.images.get(&process) else {
            return Named::default();
        };
        let mut naming = naming::Naming {
            process,
            image,
            files: &mut self.files,
            jits: &mut self.jits,
            kallsyms: &mut self.kallsyms,
            now,
            notes: Vec::new(),
            compiled: naming::Compiled::default(),
        };
        naming.name(&key.user, &key.kernel)
    }
}
