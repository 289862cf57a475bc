//! Reads the offsets of fields, and which functions there are, from BTF.
//!
//! aya parses BTF too, but shows neither members nor offsets. The format is that of
//! `Documentation/bpf/btf.rst`: a header, type records one behind the other, strings. The bytes come
//! from the kernel, or from whoever mounted something over its file: every length is checked.

/// Kinds of type records (`linux/btf.h`).
mod kind {
    pub(super) const INT: u32 = 1;
    pub(super) const ARRAY: u32 = 3;
    pub(super) const STRUCT: u32 = 4;
    pub(super) const UNION: u32 = 5;
    pub(super) const ENUM: u32 = 6;
    pub(super) const TYPEDEF: u32 = 8;
    pub(super) const VOLATILE: u32 = 9;
    pub(super) const CONST: u32 = 10;
    pub(super) const FUNC: u32 = 12;
    pub(super) const FUNC_PROTO: u32 = 13;
    pub(super) const VAR: u32 = 14;
    pub(super) const DATASEC: u32 = 15;
    pub(super) const DECL_TAG: u32 = 17;
    pub(super) const ENUM64: u32 = 19;
}

const MAGIC: u16 = 0xeb9f;
/// Nested anonymous members and chains of typedefs are a few deep; this ends a circle.
const MAX_DEPTH: usize = 16;

/// Parsed BTF.
pub(super) struct Btf<'a> {
    bytes: &'a [u8],
    /// Where each type's record begins; the index is the type's id, 0 being void.
    records: Vec<usize>,
    /// Ids of the structs that have a name: they are looked for most.
    structs: Vec<u32>,
    strings: &'a [u8],
}

/// The fixed part of a type record.
#[derive(Clone, Copy)]
struct Type {
    name: u32,
    kind: u32,
    vlen: usize,
    kind_flag: bool,
    /// The id of the type that it refers to; a size in a kind that refers to none.
    refers_to: u32,
    /// Where what follows the fixed part begins.
    body: usize,
}

/// Where a member is.
#[derive(Clone, Copy)]
struct Place {
    /// Id of its type.
    id: u32,
    /// Offset in bits.
    bits: u32,
    is_bitfield: bool,
}

impl<'a> Btf<'a> {
    /// Parses the index of types. `None` when the bytes are no BTF of this machine's byte order.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        if u16::from_ne_bytes(bytes.get(0..2)?.try_into().ok()?) != MAGIC {
            return None;
        }
        let word = |at: usize| -> Option<usize> {
            let word = u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?);
            usize::try_from(word).ok()
        };
        let header = word(4)?;
        let types = header.checked_add(word(8)?)?;
        let types_end = types.checked_add(word(12)?)?;
        let strings = header.checked_add(word(16)?)?;
        let strings_end = strings.checked_add(word(20)?)?;
        let mut btf = Self {
            bytes: bytes.get(..types_end)?,
            records: vec![0],
            structs: Vec::new(),
            strings: bytes.get(strings..strings_end)?,
        };
        let mut at = types;
        while at < types_end {
            let record = btf.record(at)?;
            if record.kind == kind::STRUCT && record.name != 0 {
                btf.structs.push(u32::try_from(btf.records.len()).ok()?);
            }
            btf.records.push(at);
            at = record.body.checked_add(body_length(&record))?;
        }
        Some(btf)
    }

    /// Whether there is a function of that name.
    pub(super) fn has_function(&self, name: &str) -> bool {
        self.records.iter().skip(1).any(|&at| {
            self.record(at)
                .is_some_and(|record| record.kind == kind::FUNC && self.is_named(&record, name))
        })
    }

    /// Offset in bytes of a field, by path: `net`, `ns.inum`. Anonymous structs and unions on the
    /// way are looked through. `None` for a bitfield or a field that is not there.
    pub(super) fn offset(&self, of: &str, path: &str) -> Option<u16> {
        let place = self.place(of, path)?;
        if place.is_bitfield || place.bits % 8 != 0 {
            return None;
        }
        u16::try_from(place.bits / 8).ok()
    }

    /// Offset in bits of the lowest bit of a field, likewise, be it a bitfield or not.
    pub(super) fn bit_offset(&self, of: &str, path: &str) -> Option<u16> {
        let place = self.place(of, path)?;
        u16::try_from(place.bits).ok()
    }

    fn place(&self, of: &str, path: &str) -> Option<Place> {
        let mut place = Place {
            id: self.find(of)?,
            bits: 0,
            is_bitfield: false,
        };
        for name in path.split('.') {
            let member = self.member(self.resolve(place.id)?, name, 0)?;
            place = Place {
                bits: place.bits + member.bits,
                ..member
            };
        }
        Some(place)
    }

    /// Size of a struct in bytes.
    pub(super) fn size(&self, of: &str) -> Option<u16> {
        let record = self.type_of(self.find(of)?)?;
        // A struct refers to no type.
        u16::try_from(record.refers_to).ok()
    }

    /// The id of a struct.
    fn find(&self, name: &str) -> Option<u32> {
        self.structs.iter().copied().find(|&id| {
            self.type_of(id)
                .is_some_and(|record| self.is_named(&record, name))
        })
    }

    fn is_named(&self, record: &Type, name: &str) -> bool {
        let Some(text) = usize::try_from(record.name)
            .ok()
            .and_then(|at| self.strings.get(at..))
        else {
            return false;
        };
        text.strip_prefix(name.as_bytes())
            .is_some_and(|rest| rest.first() == Some(&0))
    }

    /// The struct or union behind typedefs and qualifiers.
    fn resolve(&self, mut id: u32) -> Option<Type> {
        for _ in 0..MAX_DEPTH {
            let record = self.type_of(id)?;
            match record.kind {
                kind::STRUCT | kind::UNION => return Some(record),
                kind::TYPEDEF | kind::VOLATILE | kind::CONST => id = record.refers_to,
                _ => return None,
            }
        }
        None
    }

    /// A member, looked for in anonymous members too.
    fn member(&self, of: Type, name: &str, depth: usize) -> Option<Place> {
        if depth > MAX_DEPTH {
            return None;
        }
        (0..of.vlen).find_map(|index| {
            let at = of.body + index * 12;
            let (member_name, id, raw) = (self.word(at)?, self.word(at + 4)?, self.word(at + 8)?);
            // With kind_flag the upper byte is the width of a bitfield.
            let (width, offset) = if of.kind_flag {
                (raw >> 24, raw & 0x00ff_ffff)
            } else {
                (0, raw)
            };
            if member_name == 0 {
                let inner = self.resolve(id)?;
                let found = self.member(inner, name, depth + 1)?;
                return Some(Place {
                    bits: offset + found.bits,
                    ..found
                });
            }
            let record = Type {
                name: member_name,
                ..of
            };
            self.is_named(&record, name).then_some(Place {
                id,
                bits: offset,
                is_bitfield: width != 0,
            })
        })
    }

    fn type_of(&self, id: u32) -> Option<Type> {
        if id == 0 {
            return None;
        }
        self.record(*self.records.get(usize::try_from(id).ok()?)?)
    }

    fn record(&self, at: usize) -> Option<Type> {
        let info = self.word(at + 4)?;
        Some(Type {
            name: self.word(at)?,
            kind: (info >> 24) & 0x1f,
            vlen: usize::try_from(info & 0xffff).ok()?,
            kind_flag: info >> 31 == 1,
            refers_to: self.word(at + 8)?,
            body: at + 12,
        })
    }

    fn word(&self, at: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..at.checked_add(4)?)?;
        Some(u32::from_ne_bytes(bytes.try_into().ok()?))
    }
}

/// Bytes that follow the fixed part of a record.
fn body_length(record: &Type) -> usize {
    match record.kind {
        kind::INT | kind::VAR | kind::DECL_TAG => 4,
        kind::ARRAY => 12,
        kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => record.vlen * 12,
        kind::ENUM | kind::FUNC_PROTO => record.vlen * 8,
        // Pointers, forward declarations, typedefs, qualifiers, functions, floats, tags.
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
