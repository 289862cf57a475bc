//! What is needed of an ELF file (elf(5)): where its code lies, what sections it has, its build id.
//!
//! Files are read, never mapped: whoever may write to one could cut it short meanwhile, and a mapping
//! of it would then end portex by SIGBUS. All of a file is untrusted; whatever does not fit is an
//! absent file's content.

use std::{fs::File, ops::Range, os::unix::fs::FileExt as _};

use super::slim;

const HEADER: usize = 64;
/// Bytes of the rows of the tables of segments and of sections: exactly these, as whoever says a row
/// is longer has it read for nothing.
const SEGMENT: usize = 56;
const SECTION: usize = 64;
/// More than any linked program has.
const MOST_SEGMENTS: u64 = 512;
const MOST_SECTIONS: u64 = 4_096;
/// Bytes of all names of sections, and of the notes of one segment.
const MOST_NAMES: u64 = 1 << 20;
const MOST_NOTES: u64 = 1 << 16;

/// Sections that callers are found by.
const UNWIND: [&[u8]; 4] = [b".eh_frame", b".debug_frame", b".text", b".got"];

const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
const PF_X: u32 = 1;
const NT_GNU_BUILD_ID: u32 = 3;
const SHT_NOBITS: u32 = 8;
/// Contents of the section are compressed.
pub(super) const SHF_COMPRESSED: u64 = 1 << 11;

/// A build id; shorter ones are filled up with zeros, as `struct bpf_stack_build_id` does.
pub(super) type Id = [u8; 20];

/// The layout of a file: 64 bits, little endian.
pub(super) struct Elf {
    pub(super) header: [u8; HEADER],
    segments: Vec<Segment>,
    pub(super) sections: Vec<Section>,
    pub(super) build_id: Option<Id>,
}

struct Segment {
    offset: u64,
    size: u64,
    address: u64,
    executable: bool,
}

/// A section that has content, and that is of use here.
pub(super) struct Section {
    pub(super) name: Vec<u8>,
    /// Type, flags, alignment and size of entries: as in the file.
    pub(super) kind: u32,
    pub(super) flags: u64,
    pub(super) align: u64,
    pub(super) entry: u64,
    pub(super) address: u64,
    pub(super) offset: u64,
    pub(super) size: u64,
}

impl Elf {
    /// `None` for what is no such file.
    pub(super) fn read(file: &File) -> Option<Self> {
        let length = file.metadata().ok()?.len();
        let header: [u8; HEADER] = bytes(file, length, 0, HEADER as u64, 64)?.try_into().ok()?;
        // ELFMAG, ELFCLASS64, ELFDATA2LSB
        if header.get(..6)? != b"\x7fELF\x02\x01" {
            return None;
        }
        let rows = (u16_at(&header, 56)?, u16_at(&header, 54)?);
        let at = u64_at(&header, 32)?;
        let segments = table::<SEGMENT>(file, length, at, rows, MOST_SEGMENTS)?;
        let build_id = segments
            .iter()
            .filter(|segment| u32_at(&segment[..], 0) == Some(PT_NOTE))
            .find_map(|segment| {
                let (offset, size) = (u64_at(segment, 8)?, u64_at(segment, 32)?);
                build_id(&bytes(file, length, offset, size, MOST_NOTES)?)
            });
        Some(Self {
            segments: segments.iter().filter_map(|raw| loaded(raw)).collect(),
            sections: sections(file, length, &header).unwrap_or_default(),
            header,
            build_id,
        })
    }

    /// The address that the file gives to what lies at an offset in it.
    pub(super) fn address(&self, offset: u64) -> Option<u64> {
        let inside = |segment: &&Segment| {
            (offset.checked_sub(segment.offset)).is_some_and(|into| into < segment.size)
        };
        let mut found = self.segments.iter().filter(inside);
        let first = found.clone().next()?;
        let segment = found.find(|segment| segment.executable).unwrap_or(first);
        segment.address.checked_add(offset - segment.offset)
    }

    /// Offsets in the file of what is executable, by address in the file.
    pub(super) fn executable(&self) -> impl Iterator<Item = (Range<u64>, u64)> {
        let executable = self.segments.iter().filter(|segment| segment.executable);
        executable.filter_map(|segment| {
            let end = segment.address.checked_add(segment.size)?;
            Some((segment.address..end, segment.offset))
        })
    }

    /// The lowest address of the file.
    pub(super) fn base(&self) -> u64 {
        let addresses = self.segments.iter().map(|segment| segment.address);
        addresses.min().unwrap_or(0)
    }

    pub(super) fn section(&self, name: &[u8]) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }
}

impl Section {
    /// Its content as it is in the file, when it is not larger than `most`.
    pub(super) fn content(&self, file: &File, most: u64) -> Option<Vec<u8>> {
        bytes(
            file,
            file.metadata().ok()?.len(),
            self.offset,
            self.size,
            most,
        )
    }
}

fn loaded(raw: &[u8]) -> Option<Segment> {
    let segment = Segment {
        offset: u64_at(raw, 8)?,
        size: u64_at(raw, 32)?,
        address: u64_at(raw, 16)?,
        executable: u32_at(raw, 4)? & PF_X != 0,
    };
    // User space ends far below: sums of addresses then cannot overflow.
    let sane = segment.address < 1 << 48 && segment.size < 1 << 48;
    (u32_at(raw, 0)? == PT_LOAD && sane).then_some(segment)
}

fn sections(file: &File, length: u64, header: &[u8]) -> Option<Vec<Section>> {
    let rows = (u16_at(header, 60)?, u16_at(header, 58)?);
    let raw = table::<SECTION>(file, length, u64_at(header, 40)?, rows, MOST_SECTIONS)?;
    let names = raw.get(usize::from(u16_at(header, 62)?))?;
    let (offset, size) = (u64_at(names, 24)?, u64_at(names, 32)?);
    let names = bytes(file, length, offset, size, MOST_NAMES)?;
    let read = |raw: &[u8; SECTION]| {
        let kind = u32_at(raw, 4)?;
        let name = names.get(usize::try_from(u32_at(raw, 0)?).ok()?..)?;
        let section = Section {
            name: name.split(|&byte| byte == 0).next()?.to_vec(),
            kind,
            flags: u64_at(raw, 8)?,
            address: u64_at(raw, 16)?,
            offset: u64_at(raw, 24)?,
            size: u64_at(raw, 32)?,
            align: u64_at(raw, 48)?,
            entry: u64_at(raw, 56)?,
        };
        let sane = section.address < 1 << 48 && section.name.len() < 64;
        (kind != SHT_NOBITS && sane).then_some(section)
    };
    let mut sections: Vec<Section> = Vec::new();
    for section in raw.iter().filter_map(read) {
        // All the others would be held for nothing.
        let used = slim::SYMBOLS.contains(&&*section.name)
            || slim::DEBUG.contains(&&*section.name)
            || UNWIND.contains(&&*section.name);
        if used && !sections.iter().any(|other| other.name == section.name) {
            sections.push(section);
        }
    }
    Some(sections)
}

/// The rows of a table, no more than `most`, of which the file says how many there are and how long.
fn table<const ROW: usize>(
    file: &File,
    length: u64,
    offset: u64,
    (rows, size): (u16, u16),
    most: u64,
) -> Option<Vec<[u8; ROW]>> {
    if rows == 0 {
        return Some(Vec::new());
    }
    if usize::from(size) != ROW {
        return None;
    }
    let (rows, size) = (u64::from(rows), u64::from(size));
    let all = bytes(file, length, offset, rows * size, most * size)?;
    Some(all.as_chunks().0.to_vec())
}

/// The build id among the notes of a segment.
fn build_id(mut notes: &[u8]) -> Option<Id> {
    loop {
        let name = usize::try_from(u32_at(notes, 0)?).ok()?;
        let size = usize::try_from(u32_at(notes, 4)?).ok()?;
        let kind = u32_at(notes, 8)?;
        let name_end = 12_usize.checked_add(name.checked_next_multiple_of(4)?)?;
        let end = name_end.checked_add(size)?;
        if kind == NT_GNU_BUILD_ID && notes.get(12..12_usize.checked_add(name)?)? == b"GNU\0" {
            let mut id = Id::default();
            id.get_mut(..size)?
                .copy_from_slice(notes.get(name_end..end)?);
            return (size > 0).then_some(id);
        }
        notes = notes.get(end.checked_next_multiple_of(4)?..)?;
    }
}

/// `size` bytes at an offset of a file that is `length` long, when that is not more than `most`.
fn bytes(file: &File, length: u64, offset: u64, size: u64, most: u64) -> Option<Vec<u8>> {
    // Before room is made for what is not there.
    if size > most || offset.checked_add(size)? > length {
        return None;
    }
    let mut content = vec![0; usize::try_from(size).ok()?];
    file.read_exact_at(&mut content, offset).ok()?;
    Some(content)
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(bytes.try_into().ok()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}
