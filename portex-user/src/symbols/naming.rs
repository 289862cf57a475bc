//! Frames from addresses.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    JIT,
    files::Files,
    image::Image,
    jits::Jits,
    kallsyms::Kallsyms,
    maps::{self, Code, FileId, Mapping},
    process::Process,
    stack::{Frame, Stack},
    walk::{End, Walked},
};

/// Notes of one stack.
const MOST_NOTES: usize = 16;
/// How long the names of code compiled at run time hold when they were found, and when not.
const FOUND: Duration = Duration::from_secs(10);
const NOT_FOUND: Duration = Duration::from_secs(1);
const HIDDEN: &str = "the kernel hides the addresses of its functions (kernel.kptr_restrict, or \
                      CAP_SYSLOG is missing)";

/// A stack with names, and how long they hold.
#[derive(Default)]
pub(super) struct Named {
    pub(super) stack: Arc<Stack>,
    until: Option<Instant>,
}

impl Named {
    pub(super) fn is_valid(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// Of the frames whose code was compiled at run time, whether all have names.
#[derive(Clone, Copy, Default)]
pub(super) enum Compiled {
    #[default]
    None,
    Found,
    Missing,
}

/// What names are looked for with.
pub(super) struct Naming<'a> {
    /// Id and start; see [`Process::of`].
    pub(super) process: (u32, u32),
    pub(super) image: &'a Image,
    pub(super) files: &'a mut Files,
    pub(super) jits: &'a mut Jits,
    pub(super) kallsyms: &'a mut Kallsyms,
    pub(super) now: Instant,
    pub(super) notes: Vec<String>,
    pub(super) compiled: Compiled,
}

impl Naming<'_> {
    pub(super) fn name(&mut self, walked: &Walked, kernel: &[u64]) -> Named {
        if let Some(why) = &self.image.gone {
            self.note(why.to_string());
        }
        let mut user = Vec::new();
        for (index, &address) in walked.addresses.iter().enumerate() {
            self.user(&mut user, address, index == 0);
        }
        self.ending(walked);
        let kernel = kernel.iter().enumerate();
        // It begins with what reads it: programs of portex, and how they are called.
        let kernel = kernel
            .map(|(index, &address)| self.kernel(address, index == 0))
            .skip_while(|frame| frame.module.as_deref() == Some("[bpf]"))
            .collect();
        let until = match self.compiled {
            // Of a library that was loaded since, it may lead further.
            Compiled::None if walked.end == End::Lost => Some(self.now + FOUND),
            Compiled::None => None,
            Compiled::Found => Some(self.now + FOUND),
            Compiled::Missing => Some(self.now + NOT_FOUND),
        };
        let notes = std::mem::take(&mut self.notes);
        Named {
            stack: Arc::new(Stack::new(user, kernel, notes)),
            until,
        }
    }

    fn note(&mut self, note: String) {
        if self.notes.len() < MOST_NOTES && !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    fn ending(&mut self, walked: &Walked) {
        if let Some(first) = walked.by_pointers.filter(|&first| first > 0) {
            self.note(format!(
                "from frame {first} on by frame pointers alone: callers may be missing"
            ));
        }
        match walked.end {
            End::Whole => {}
            _ if walked.addresses.is_empty() => self.note("no user stack was captured".to_owned()),
            End::Deep => self.note(format!(
                "callers beyond {} frames are left out",
                super::MOST_FRAMES
            )),
            End::Cut if walked.by_pointers.is_none() => {
                self.note(
                    "callers further up are missing: their stack was not captured".to_owned(),
                );
            }
            End::Lost if walked.by_pointers.is_none() && self.image.gone.is_none() => self.note(
                "callers further up are missing: no unwind information leads there".to_owned(),
            ),
            End::Cut | End::Lost => {}
        }
    }

    /// Appends the frames of an address: one, and one for each function that was inlined there.
    fn user(&mut self, frames: &mut Vec<Frame>, address: u64, first: bool) {
        // A return address is that of the instruction after the call, which may be of another line,
        // or of another function.
        let lookup = if first {
            address
        } else {
            address.wrapping_sub(1)
        };
        let unnamed = Frame {
            address,
            ..Frame::default()
        };
        let Some(mapping) = maps::at(&self.image.maps, lookup).cloned() else {
            if self.image.gone.is_none() && self.image.maps.len() >= maps::MOST_MAPPINGS {
                self.note("the process has more executable mappings than are looked at".to_owned());
            } else if self.image.gone.is_none() {
                self.note(format!("nothing executable is mapped at {lookup:#x}"));
            }
            frames.push(unnamed);
            return;
        };
        match mapping.code {
            Code::File(id) => self.in_file(frames, unnamed, lookup, (&mapping, id)),
            Code::Jit => {
                let frame = self.compiled(unnamed, lookup);
                frames.push(frame);
            }
            Code::Kernel => frames.push(Frame {
                module: Some(mapping.path),
                module_offset: lookup - mapping.start,
                ..unnamed
            }),
        }
    }

    fn in_file(
        &mut self,
        frames: &mut Vec<Frame>,
        unnamed: Frame,
        lookup: u64,
        (mapping, id): (&Mapping, FileId),
    ) {
        let past = unnamed.address - lookup;
        let in_file = mapping.in_file(lookup);
        if self.files.get(id).is_none() {
            self.hold(mapping);
        }
        let address = self
            .files
            .get(id)
            .and_then(|held| held.elf()?.address(in_file));
        let unnamed = Frame {
            module: Some(Arc::clone(&mapping.path)),
            module_offset: address.unwrap_or(in_file) + past,
            ..unnamed
        };
        let path = &mapping.path;
        let Some(address) = address else {
            match self.files.why(id) {
                Some(why) => self.note(format!("{path}: {why}")),
                None => self.note(format!("{path}: no 64-bit ELF file that can be read")),
            }
            frames.push(unnamed);
            return;
        };
        if self.files.get(id).is_some_and(|held| held.gave_up()) {
            self.note(format!(
                "{path}: its unwind information was given up, there is too much of it in all"
            ));
        }
        if mapping.deleted {
            self.note(format!(
                "{path}: deleted since, named by what is still open"
            ));
        }
        let Some(names) = self.files.names(id) else {
            frames.push(unnamed);
            return;
        };
        let note = names.note;
        let found = names.at(address);
        if let Some(note) = note {
            self.note(format!("{path} {note}"));
        }
        if found.is_empty() {
            self.note(format!(
                "{path}: has no name for some addresses (stripped?)"
            ));
            frames.push(unnamed);
            return;
        }
        frames.extend(found.iter().map(|named| Frame {
            function: Some(Arc::clone(&named.function)),
            offset: if named.inlined {
                0
            } else {
                unnamed.module_offset.saturating_sub(named.start)
            },
            inlined: named.inlined,
            file: named.file.clone(),
            line: named.line,
            ..unnamed.clone()
        }));
    }

    /// Opens a file that was not held any more, or not yet.
    fn hold(&mut self, mapping: &Mapping) {
        if let Ok(process) = Process::of(self.process) {
            self.files
                .hold(&process, std::slice::from_ref(mapping), self.now);
        }
    }

    fn compiled(&mut self, unnamed: Frame, lookup: u64) -> Frame {
        let module = Some(Arc::from(JIT));
        let has_map = self.jits.has(self.process, self.now);
        if let Some((function, start)) = self.jits.at(self.process, lookup, self.now) {
            if !matches!(self.compiled, Compiled::Missing) {
                self.compiled = Compiled::Found;
            }
            return Frame {
                function: Some(function),
                offset: unnamed.address - start,
                module,
                ..unnamed
            };
        }
        self.compiled = Compiled::Missing;
        self.note(if has_map {
            "the perf map has no name for some code that was compiled at run time".to_owned()
        } else {
            "code compiled at run time has no names: the program writes no /tmp/perf-PID.map"
                .to_owned()
        });
        Frame { module, ..unnamed }
    }

    fn kernel(&mut self, address: u64, first: bool) -> Frame {
        let lookup = if first {
            address
        } else {
            address.wrapping_sub(1)
        };
        if let Some(function) = self.kallsyms.at(lookup, self.now) {
            return Frame {
                address,
                offset: address - function.start,
                function: Some(function.name),
                module: Some(function.module),
                ..Frame::default()
            };
        }
        if self.kallsyms.hidden() {
            self.note(HIDDEN.to_owned());
        }
        Frame {
            address,
            ..Frame::default()
        }
    }
}
