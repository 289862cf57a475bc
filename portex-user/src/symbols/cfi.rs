//! Looks through unwind information (`.eh_frame`, `.debug_frame`) before it is used.
//!
//! The crate that evaluates it has no bound on the expressions of a rule: one that jumps back would
//! never end. Compilers write none that jump, so a file that has one is not used at all, nor one
//! whose entries are not what they say. What remains is worked through in the time it takes to read.

use super::elf::{u32_at, u64_at};

/// Rules for a piece of code refer to what is common to several (a CIE, by the offset of its
/// beginning); `pointer` is how addresses are written (`DW_EH_PE_*`).
struct Common {
    at: usize,
    pointer: u8,
    augmented: bool,
}

/// The two forms of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `.eh_frame`, as in the Linux Standard Base.
    Exceptions,
    /// `.debug_frame` (DWARF 5, 6.4.1): Go writes no other.
    Debug,
}

/// Entries that others refer to; linkers make one of those that are the same.
const MOST_COMMON: usize = 1 << 18;

/// What counts of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sound {
    /// Bytes up to the end of the last entry. What follows the mark of the end may be anything.
    pub(super) length: usize,
    pub(super) entries: usize,
}

/// `None` unless every entry is well formed and every expression ends, for 64-bit code.
pub(super) fn sound(section: &[u8], form: Form) -> Option<Sound> {
    let mut commons: Vec<Common> = Vec::new();
    let mut entries = 0;
    let mut at = 0;
    while at < section.len() {
        let length = usize::try_from(u32_at(section, at)?).ok()?;
        if length == 0 {
            return (form == Form::Exceptions).then_some(Sound {
                length: at,
                entries,
            });
        }
        if length >= 0xffff_fff0 {
            return None;
        }
        let begin = at.checked_add(4)?;
        let entry = section.get(begin..begin.checked_add(length)?)?;
        let id = usize::try_from(u32_at(entry, 0)?).ok()?;
        let mut reader = Reader(entry.get(4..)?);
        let is_common = match form {
            Form::Exceptions => id == 0,
            Form::Debug => id == 0xffff_ffff,
        };
        if is_common {
            let common = common(&mut reader, at, form)?;
            instructions(reader, common.pointer)?;
            (commons.len() < MOST_COMMON).then_some(())?;
            commons.push(common);
        } else {
            let of = match form {
                Form::Exceptions => begin.checked_sub(id)?,
                Form::Debug => id,
            };
            let index = commons.binary_search_by_key(&of, |common| common.at).ok()?;
            let common = commons.get(index)?;
            reader.pointer(common.pointer)?;
            reader.pointer(common.pointer & 0x0f)?;
            if common.augmented {
                reader.block()?;
            }
            instructions(reader, common.pointer)?;
        }
        at = begin + length;
        entries += 1;
    }
    Some(Sound {
        length: at,
        entries,
    })
}

fn common(reader: &mut Reader<'_>, at: usize, form: Form) -> Option<Common> {
    let version = reader.byte()?;
    let end = reader.0.iter().position(|&byte| byte == 0)?;
    let augmentation = reader.take(end)?;
    // Its end.
    reader.byte()?;
    match (form, version) {
        (_, 1 | 3) => {}
        // Sizes of an address and of a segment selector.
        (Form::Debug, 4) => (reader.take(2)? == [8, 0]).then_some(())?,
        _ => return None,
    }
    if form == Form::Debug && !augmentation.is_empty() {
        return None;
    }
    reader.number()?;
    reader.number()?;
    // The register of the return address.
    if version == 1 {
        reader.byte()?;
    } else {
        reader.number()?;
    }
    let mut pointer = 0;
    let augmented = augmentation.first() == Some(&b'z');
    if augmented {
        let mut data = Reader(reader.block()?);
        for letter in augmentation.get(1..)? {
            match letter {
                b'R' => pointer = data.byte()?,
                b'L' => {
                    data.byte()?;
                }
                b'P' => {
                    let encoding = data.byte()?;
                    data.pointer(encoding)?;
                }
                b'S' | b'B' | b'G' => {}
                _ => return None,
            }
        }
    } else if !augmentation.is_empty() {
        return None;
    }
    Some(Common {
        at,
        pointer,
        augmented,
    })
}

/// Call frame instructions (DWARF 5, 6.4.2).
fn instructions(mut reader: Reader<'_>, pointer: u8) -> Option<()> {
    while let Some(instruction) = reader.byte() {
        match instruction {
            // advance_loc, restore; nop, remember_state, restore_state, GNU_window_save
            0x40..=0x7f | 0xc0..=0xff | 0x00 | 0x0a | 0x0b | 0x2d => {}
            // offset; restore_extended, undefined, same_value, def_cfa_register, def_cfa_offset,
            // def_cfa_offset_sf, GNU_args_size
            0x80..=0xbf | 0x06 | 0x07 | 0x08 | 0x0d | 0x0e | 0x13 | 0x2e => {
                reader.number()?;
            }
            // offset_extended, register, def_cfa, offset_extended_sf, def_cfa_sf, val_offset,
            // val_offset_sf, GNU_negative_offset_extended
            0x05 | 0x09 | 0x0c | 0x11 | 0x12 | 0x14 | 0x15 | 0x2f => {
                reader.number()?;
                reader.number()?;
            }
            // set_loc
            0x01 => {
                reader.pointer(pointer)?;
            }
            // advance_loc1, 2, 4
            0x02 => {
                reader.take(1)?;
            }
            0x03 => {
                reader.take(2)?;
            }
            0x04 => {
                reader.take(4)?;
            }
            // def_cfa_expression
            0x0f => expression(Reader(reader.block()?))?,
            // expression, val_expression
            0x10 | 0x16 => {
                reader.number()?;
                expression(Reader(reader.block()?))?;
            }
            _ => return None,
        }
    }
    Some(())
}

/// An expression (DWARF 5, 2.5) of arithmetic alone.
fn expression(mut reader: Reader<'_>) -> Option<()> {
    while let Some(operation) = reader.byte() {
        match operation {
            // deref, dup to rot, arithmetic without operands, comparisons, literals, nop
            0x06 | 0x12..=0x14 | 0x16..=0x22 | 0x24..=0x27 | 0x29..=0x2e | 0x30..=0x4f | 0x96 => {}
            // const1u, const1s, pick, deref_size
            0x08 | 0x09 | 0x15 | 0x94 => {
                reader.take(1)?;
            }
            0x0a | 0x0b => {
                reader.take(2)?;
            }
            0x0c | 0x0d => {
                reader.take(4)?;
            }
            0x03 | 0x0e | 0x0f => {
                reader.take(8)?;
            }
            // constu, consts, plus_uconst, breg0 to breg31
            0x10 | 0x11 | 0x23 | 0x70..=0x8f => {
                reader.number()?;
            }
            // bregx
            0x92 => {
                reader.number()?;
                reader.number()?;
            }
            // bra and skip would be 0x28 and 0x2f.
            _ => return None,
        }
    }
    Some(())
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// LEB128, of either kind: how much of it there is counts.
    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// Bytes with their count before them.
    fn block(&mut self) -> Option<&'a [u8]> {
        let count = usize::try_from(self.number()?).ok()?;
        self.take(count)
    }

    fn pointer(&mut self, encoding: u8) -> Option<()> {
        // DW_EH_PE_omit, and DW_EH_PE_aligned: not in use for code.
        if encoding == 0xff || encoding & 0x70 == 0x50 {
            return None;
        }
        match encoding & 0x0f {
            0x00 | 0x04 | 0x0c => {
                u64_at(self.take(8)?, 0)?;
            }
            0x02 | 0x0a => {
                self.take(2)?;
            }
            0x03 | 0x0b => {
                self.take(4)?;
            }
            0x01 | 0x09 => {
                self.number()?;
            }
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use proptest::prelude::*;

    use super::*;
    use crate::symbols::elf::Elf;

    fn is_sound(section: &[u8], form: Form) -> bool {
        sound(section, form).is_some()
    }

    /// Of the running test itself: written by rustc and a C compiler.
    fn own() -> Vec<u8> {
        let file = File::open("/proc/self/exe").expect("there");
        let elf = Elf::read(&file).expect("an ELF file");
        let section = elf.section(b".eh_frame").expect("has one");
        section.content(&file, u64::MAX).expect("readable")
    }

    /// A CIE, and an FDE with one rule by expression.
    fn with_expression(expression: &[u8]) -> Vec<u8> {
        let mut cie = vec![0, 0, 0, 0, 1, b'z', b'R', 0, 1, 0x78, 16, 1, 0x1b];
        cie.extend([0x0c, 7, 8, 0x90, 1]);
        let mut section = u32::try_from(cie.len())
            .expect("short")
            .to_le_bytes()
            .to_vec();
        section.append(&mut cie);
        let mut fde = u32::try_from(section.len() + 4)
            .expect("short")
            .to_le_bytes()
            .to_vec();
        fde.extend([0; 8]);
        fde.push(0);
        fde.push(0x0f);
        fde.push(u8::try_from(expression.len()).expect("short"));
        fde.extend(expression);
        section.extend(u32::try_from(fde.len()).expect("short").to_le_bytes());
        section.append(&mut fde);
        section.extend([0; 4]);
        section
    }

    #[test]
    fn what_compilers_write_is_sound() {
        assert!(is_sound(&own(), Form::Exceptions));
        // Of the procedure linkage table.
        let plt = [0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22];
        assert!(is_sound(&with_expression(&plt), Form::Exceptions));
        assert!(is_sound(&[], Form::Exceptions));
    }

    #[test]
    fn what_follows_the_end_does_not_count() {
        let mut section = with_expression(&[0x77, 8]);
        let length = section.len() - 4;
        let expected = Some(Sound { length, entries: 2 });
        assert_eq!(sound(&section, Form::Exceptions), expected);
        section.extend([0; 1_000]);
        assert_eq!(sound(&section, Form::Exceptions), expected);
        section.truncate(length);
        assert_eq!(sound(&section, Form::Exceptions), expected);
    }

    #[test]
    fn what_does_not_end_is_not() {
        assert!(
            !is_sound(&with_expression(&[0x2f, 0xfd, 0xff]), Form::Exceptions),
            "skip"
        );
        assert!(
            !is_sound(
                &with_expression(&[0x31, 0x28, 0xfc, 0xff]),
                Form::Exceptions
            ),
            "bra"
        );
        assert!(
            !is_sound(&with_expression(&[0x98, 0, 0]), Form::Exceptions),
            "call"
        );
        let mut section = with_expression(&[0x77, 8]);
        // Another CIE than any that was seen.
        let fde = section.len() - 4 - 17;
        assert_eq!(u32_at(&section, fde), Some(18 + 4 + 4), "{section:x?}");
        assert!(is_sound(&section, Form::Exceptions));
        section[fde] -= 1;
        assert!(!is_sound(&section, Form::Exceptions));
    }

    proptest! {
        #[test]
        fn anything_is_judged(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            is_sound(&bytes, Form::Exceptions);
            is_sound(&bytes, Form::Debug);
        }

        #[test]
        fn what_was_changed_is_judged(at in 0..40_usize, to in any::<u8>()) {
            let mut section = with_expression(&[0x77, 8]);
            if let Some(byte) = section.get_mut(at) {
                *byte = to;
            }
            is_sound(&section, Form::Exceptions);
        }
    }
}
