//! The part of an ELF file that names are found by, as a file in memory.
//!
//! A copy: see [`super::elf`] for why files of others are not mapped. It has the symbols and the
//! debug information, uncompressed, and nothing that leads to further files.

use std::{
    fs::File,
    io::{Read as _, Write as _},
};

use flate2::read::ZlibDecoder;
use rustix::fs::{MemfdFlags, memfd_create};

use super::elf::{Elf, SHF_COMPRESSED, Section, u32_at, u64_at};

/// Bytes of a copy. Debug information beyond is left out: it would be minutes of work.
pub(super) const MOST: u64 = 192 << 20;
const HEADER: usize = 64;
const ELFCOMPRESS_ZLIB: u32 = 1;
/// `struct Elf64_Sym`.
const SYMBOL: u64 = 24;
/// `struct Elf64_Chdr`.
const COMPRESSION_HEADER: usize = 24;

pub(super) const SYMBOLS: [&[u8]; 4] = [b".symtab", b".strtab", b".dynsym", b".dynstr"];
pub(super) const DEBUG: [&[u8]; 11] = [
    b".debug_info",
    b".debug_abbrev",
    b".debug_line",
    b".debug_line_str",
    b".debug_str",
    b".debug_str_offsets",
    b".debug_addr",
    b".debug_aranges",
    b".debug_ranges",
    b".debug_rnglists",
    b".debug_types",
];

/// A copy, and what is to be known about it.
pub(super) struct Slim {
    pub(super) file: File,
    pub(super) size: u64,
    /// Debug information was too much.
    pub(super) without_debug: bool,
}

/// `None` when there is nothing to find names by.
pub(super) fn copy(file: &File, elf: &Elf) -> Option<Slim> {
    let sound = |section: &&Section| !section.name.ends_with(b"sym") || section.entry == SYMBOL;
    let symbols = SYMBOLS.iter().filter_map(|name| elf.section(name));
    let symbols = symbols.filter(sound);
    let debug = DEBUG.iter().filter_map(|name| elf.section(name));
    let mut sections: Vec<&Section> = symbols.collect();
    let count = sections.len();
    sections.extend(debug);
    let total = |sections: &[&Section]| {
        let sizes = sections.iter().map(|section| section.size);
        sizes.fold(0, u64::saturating_add)
    };
    if sections.is_empty() {
        return None;
    }
    if total(&sections) <= MOST
        && let Some((file, size)) = build(file, elf, &sections)
    {
        return Some(Slim {
            file,
            size,
            without_debug: false,
        });
    }
    sections.truncate(count);
    if sections.is_empty() || total(&sections) > MOST {
        return None;
    }
    let (file, size) = build(file, elf, &sections)?;
    Some(Slim {
        file,
        size,
        without_debug: true,
    })
}

/// Header, contents, names, table of sections. Program headers are not needed: what is looked up are
/// addresses of the file, not offsets in it.
fn build(file: &File, elf: &Elf, sections: &[&Section]) -> Option<(File, u64)> {
    let mut out = File::from(memfd_create("portex-symbols", MemfdFlags::CLOEXEC).ok()?);
    out.write_all(&[0; HEADER]).ok()?;
    let mut at = HEADER as u64;
    let mut names = vec![0];
    // The first one of any table is empty.
    let mut table = vec![0; 64];
    let mut room = MOST;
    for section in sections {
        let content = content(file, section, room)?;
        let size = u64::try_from(content.len()).ok()?;
        room -= size;
        let strings: Option<&[u8]> = match section.name.as_slice() {
            b".symtab" => Some(b".strtab"),
            b".dynsym" => Some(b".dynstr"),
            _ => None,
        };
        let link = sections
            .iter()
            .position(|other| Some(other.name.as_slice()) == strings)
            .map_or(0, |index| index + 1);
        header(
            &mut table,
            names.len(),
            section,
            (at, size, u32::try_from(link).ok()?),
        )?;
        names.extend(&section.name);
        names.push(0);
        out.write_all(&content).ok()?;
        // Tables are read in place: aligned.
        let padding = size.next_multiple_of(16) - size;
        out.write_all(&[0; 16][..usize::try_from(padding).ok()?])
            .ok()?;
        at += size + padding;
    }
    let strings = Section {
        name: b".shstrtab".to_vec(),
        kind: 3,
        flags: 0,
        align: 1,
        entry: 0,
        address: 0,
        offset: 0,
        size: 0,
    };
    let name = names.len();
    names.extend(b".shstrtab\0");
    let size = names.len().next_multiple_of(16);
    names.resize(size, 0);
    header(
        &mut table,
        name,
        &strings,
        (at, u64::try_from(size).ok()?, 0),
    )?;
    out.write_all(&names).ok()?;
    at += u64::try_from(size).ok()?;
    out.write_all(&table).ok()?;
    let count = u16::try_from(table.len() / 64).ok()?;
    let mut start = elf.header;
    let mut put = |place: usize, bytes: &[u8]| {
        let room = start.get_mut(place..place + bytes.len());
        room.map(|room| room.copy_from_slice(bytes))
    };
    put(32, &[0; 8])?; // e_phoff
    put(40, &at.to_le_bytes())?; // e_shoff
    put(54, &[0; 4])?; // e_phentsize, e_phnum
    put(58, &64_u16.to_le_bytes())?; // e_shentsize
    put(60, &count.to_le_bytes())?; // e_shnum
    put(62, &(count - 1).to_le_bytes())?; // e_shstrndx
    std::os::unix::fs::FileExt::write_all_at(&out, &start, 0).ok()?;
    Some((out, at + u64::try_from(table.len()).ok()?))
}

/// A row of the table of sections (`Elf64_Shdr`).
fn header(
    table: &mut Vec<u8>,
    name: usize,
    section: &Section,
    (at, size, link): (u64, u64, u32),
) -> Option<()> {
    table.extend(u32::try_from(name).ok()?.to_le_bytes());
    table.extend(section.kind.to_le_bytes());
    table.extend((section.flags & !SHF_COMPRESSED).to_le_bytes());
    for number in [section.address, at, size] {
        table.extend(number.to_le_bytes());
    }
    table.extend(link.to_le_bytes());
    table.extend(0_u32.to_le_bytes());
    for number in [section.align, section.entry] {
        table.extend(number.to_le_bytes());
    }
    Some(())
}

/// What is in a section, uncompressed, when it is not larger than `room`.
pub(super) fn content(file: &File, section: &Section, room: u64) -> Option<Vec<u8>> {
    let content = section.content(file, room)?;
    if section.flags & SHF_COMPRESSED == 0 {
        return Some(content);
    }
    let size = u64_at(&content, 8)?;
    if u32_at(&content, 0)? != ELFCOMPRESS_ZLIB || size > room {
        return None;
    }
    let mut plain = Vec::new();
    let compressed = content.get(COMPRESSION_HEADER..)?;
    // What it says is not what it need be.
    let read = ZlibDecoder::new(compressed)
        .take(size)
        .read_to_end(&mut plain);
    (u64::try_from(read.ok()?).ok()? == size).then_some(plain)
}
