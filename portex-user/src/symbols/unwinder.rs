//! From registers and stack bytes to return addresses, by the unwind information of one file.

use std::{fs::File, panic};

use framehop::{
    ExplicitModuleSectionInfo, FrameAddress, Module, MustNotAllocateDuringUnwind, Unwinder as _,
    x86_64::{CacheX86_64, UnwindRegsX86_64, UnwinderX86_64},
};

use super::{
    cfi::{self, Form},
    elf::{Elf, SHF_COMPRESSED, Section},
    slim,
};

/// Larger unwind information is not read; browsers have about 30 MiB.
const MOST: u64 = 64 << 20;
/// Likewise, what is compressed, as only linkers for debuggers do it: a file of some kilobytes may
/// hold any amount.
const MOST_INFLATED: u64 = 16 << 20;
/// Of the index, for one entry.
const INDEX: usize = 8;

pub(super) type Registers = UnwindRegsX86_64;

/// Unwinds out of the code of one file. Addresses are those that the file gives itself, so that all
/// processes that have mapped it share the rules found.
pub(super) struct Unwinder {
    rules: UnwinderX86_64<Vec<u8>, MustNotAllocateDuringUnwind>,
    // A fixed room for what a rule needs: a file cannot ask for any amount of memory.
    cache: CacheX86_64<MustNotAllocateDuringUnwind>,
    /// Bytes that it holds.
    pub(super) size: u64,
}

/// One step out of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// To a return address.
    To(u64),
    /// There is no caller.
    End,
    /// The caller cannot be told.
    Lost,
}

impl Unwinder {
    /// `None` without unwind information that can be used.
    pub(super) fn new(file: &File, elf: &Elf) -> Option<Self> {
        let (exceptions, debug) = (elf.section(b".eh_frame"), elf.section(b".debug_frame"));
        // A program in Go may have a little C in it, and the other way round.
        let size = |section: Option<&Section>| section.map_or(0, |section| section.size);
        let (section, form) = if size(debug) > size(exceptions) {
            (debug?, Form::Debug)
        } else {
            (exceptions?, Form::Exceptions)
        };
        let most = if section.flags & SHF_COMPRESSED == 0 {
            MOST
        } else {
            MOST_INFLATED
        };
        let mut content = slim::content(file, section, most)?;
        let sound = cfi::sound(&content, form)?;
        content.truncate(sound.length);
        content.shrink_to_fit();
        let index = sound.entries.saturating_mul(INDEX);
        let size = size_of::<Self>() + content.capacity().saturating_add(index);
        let size = u64::try_from(size).ok()?;
        let (eh_frame, debug_frame) = match form {
            Form::Exceptions => (Some(content), None),
            Form::Debug => (None, Some(content)),
        };
        let range = |name: &[u8]| {
            let section = elf.section(name)?;
            Some(section.address..section.address.checked_add(section.size)?)
        };
        // Offsets from it have 32 bits. What a linker left out is said to be at 0.
        let base = Some(elf.base())
            .filter(|base| *base >= 1 << 31)
            .unwrap_or(0);
        let info = ExplicitModuleSectionInfo {
            base_svma: base,
            text_svma: range(b".text"),
            got_svma: range(b".got"),
            eh_frame_svma: range(b".eh_frame"),
            eh_frame,
            debug_frame,
            // Without .eh_frame_hdr: what it points to need not be an entry that was looked at.
            ..ExplicitModuleSectionInfo::default()
        };
        // It makes an index of what is untrusted.
        panic::catch_unwind(|| {
            let mut rules = UnwinderX86_64::new();
            rules.add_module(Module::new(String::new(), base..u64::MAX, base, info));
            Self {
                rules,
                cache: CacheX86_64::new_in(),
                size,
            }
        })
        .ok()
    }

    /// For code that nothing is known of: by its frame pointer.
    pub(super) fn by_frame_pointers() -> Self {
        Self {
            rules: UnwinderX86_64::new(),
            cache: CacheX86_64::new_in(),
            size: 0,
        }
    }

    /// Steps out of the function that has `address`, which is that of the next instruction: the
    /// `first` of a stack, where the program is, or one to return to. The registers change to those
    /// of the caller.
    pub(super) fn step(
        &mut self,
        address: u64,
        first: bool,
        registers: &mut Registers,
        stack: &mut impl FnMut(u64) -> Result<u64, ()>,
    ) -> Step {
        let address = if first {
            FrameAddress::from_instruction_pointer(address)
        } else {
            match FrameAddress::from_return_address(address) {
                Some(address) => address,
                None => return Step::Lost,
            }
        };
        let Self { rules, cache, .. } = self;
        let stepped = panic::catch_unwind(panic::AssertUnwindSafe(|| {
            rules.unwind_frame(address, registers, cache, stack)
        }));
        match stepped {
            Ok(Ok(Some(address))) => Step::To(address),
            Ok(Ok(None)) => Step::End,
            Ok(Err(_)) => Step::Lost,
            Err(_) => {
                // Whatever state that left it in.
                *cache = CacheX86_64::new_in();
                Step::Lost
            }
        }
    }
}
