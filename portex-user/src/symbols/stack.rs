//! A call stack by names.

use std::{
    fmt::{self, Write as _},
    hash::{Hash, Hasher},
    sync::Arc,
};

use rustc_hash::FxHasher;

/// Characters of a name, and of a path of a source file; longer ones are cut. C++ templates fill any
/// screen.
pub(super) const LONGEST: usize = 4_096;

/// Where a failing call came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stack {
    /// In the process, innermost first, at most [`super::MOST_FRAMES`] addresses; functions that were
    /// inlined have frames of their own before that of the function they are in.
    pub user: Vec<Frame>,
    /// In the kernel, likewise; empty when it was not asked for.
    pub kernel: Vec<Frame>,
    /// Why something is missing or doubtful, for people. Untrusted in parts: names of files.
    pub notes: Vec<String>,
    place: Place,
}

/// One call. All text is untrusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Address in the process or the kernel: of the next instruction to be executed.
    pub address: u64,
    /// Name, demangled.
    pub function: Option<Arc<str>>,
    /// From the beginning of the function, in bytes; 0 for an inlined one.
    pub offset: u64,
    /// Whether the compiler put it into the function of the next frame.
    pub inlined: bool,
    /// File that the code is of, as in `/proc/PID/maps`; `[name]` for what is no file.
    pub module: Option<Arc<str>>,
    /// Address in the module, as `addr2line` and `nm` have it; the offset in the file where it is no
    /// ELF file that can be read; 0 without a module.
    pub module_offset: u64,
    /// Source file.
    pub file: Option<Arc<str>>,
    /// Line in it, from 1.
    pub line: Option<u32>,
}

/// Equal for stacks that went through the same places in the same programs, wherever those were
/// loaded and whichever process it was.
#[derive(Clone, Default)]
pub struct Place {
    hash: u64,
    steps: Arc<[Step]>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Step {
    module: Option<Arc<str>>,
    function: Option<Arc<str>>,
    /// Line, where there is one; without a name, the offset in the module.
    at: u64,
}

impl Stack {
    pub(crate) fn new(user: Vec<Frame>, kernel: Vec<Frame>, notes: Vec<String>) -> Self {
        Self {
            place: Place::of(&user),
            user,
            kernel,
            notes,
        }
    }

    /// What stacks of the same place have in common: the user frames by module, function and, where it is
    /// known, line. Not by instruction: a compiler may write one call of the source several times.
    pub fn place(&self) -> Place {
        self.place.clone()
    }
}

impl Frame {
    /// In one line, as `perf script` and bpftrace do: `function+0x1c (/path/of/module) main.c:42`;
    /// `[unknown] (/path/of/module+0x11f2)` without a name; the address when nothing is known.
    /// Untrusted.
    pub fn name(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.function, &self.module) {
            (None, None) => write!(out, "{:#x}", self.address)?,
            (None, Some(module)) => write!(out, "[unknown] ({module}+{:#x})", self.module_offset)?,
            (Some(function), module) => {
                out.write_str(function)?;
                if self.inlined {
                    out.write_str(" [inlined]")?;
                } else {
                    write!(out, "+{:#x}", self.offset)?;
                }
                if let Some(module) = module {
                    write!(out, " ({module})")?;
                }
            }
        }
        if let Some(file) = &self.file {
            let name = file.rsplit('/').next().unwrap_or(file);
            write!(out, " {name}")?;
            if let Some(line) = self.line {
                write!(out, ":{line}")?;
            }
        }
        Ok(())
    }
}

impl Place {
    fn of(frames: &[Frame]) -> Self {
        let steps: Arc<[Step]> = frames
            .iter()
            .filter(|frame| !frame.inlined)
            .map(Step::of)
            .collect();
        let mut hasher = FxHasher::default();
        steps.hash(&mut hasher);
        Self {
            hash: hasher.finish(),
            steps,
        }
    }
}

impl Step {
    fn of(frame: &Frame) -> Self {
        Self {
            module: frame.module.clone(),
            function: frame.function.clone(),
            at: match &frame.function {
                Some(_) => frame.line.unwrap_or(0).into(),
                None => frame.module_offset,
            },
        }
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.steps, &other.steps)
            || self.hash == other.hash && self.steps == other.steps
    }
}

impl Eq for Place {}

impl Hash for Place {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = self.steps.iter();
        out.debug_list()
            .entries(steps.map(|step| (&step.module, &step.function, step.at)))
            .finish()
    }
}

/// Text, cut where it is too long.
pub(super) fn bounded(text: &str) -> Arc<str> {
    let cut = Bounded::default();
    let mut cut = cut;
    let _full = cut.write_str(text);
    Arc::from(cut.text)
}

/// Takes [`LONGEST`] bytes and no more: what writes into it is stopped.
#[derive(Default)]
pub(super) struct Bounded {
    pub(super) text: String,
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LONGEST - self.text.len();
        if text.len() <= room {
            self.text.push_str(text);
            return Ok(());
        }
        let cut = (0..=room).rev().find(|&at| text.is_char_boundary(at));
        self.text
            .push_str(text.get(..cut.unwrap_or(0)).unwrap_or(""));
        Err(fmt::Error)
    }
}
